// SPDX-License-Identifier: Apache-2.0

package import Crypto
internal import Foundation
package import NIOCore

/// A volume's 32-byte data key.
package typealias DataKey = SymmetricKey

/// AES-256-GCM under keys derived from a volume's data key.
///
/// Every use has a key of its own, so that nonces cannot meet: HKDF-SHA256 of the data key with the purpose as info. A
/// nonce is twelve bytes, chosen by the caller to be unique for the purpose: a log part uses (volume epoch, end LSN), a
/// layer chunk (layer number, chunk number).
package struct Sealer: Sendable {
    package static let tagBytes = 16
    private let key: SymmetricKey

    /// - Parameters:
    ///   - dataKey: the volume's 32-byte data key
    ///   - purpose: for example `log g0`
    package init(dataKey: SymmetricKey, purpose: String) {
        key = HKDF<SHA256>.deriveKey(inputKeyMaterial: dataKey, info: Data(purpose.utf8), outputByteCount: 32)
    }

    package struct Nonce: Sendable {
        package let a: UInt32
        package let b: UInt64
        package init(_ a: UInt32, _ b: UInt64) {
            self.a = a
            self.b = b
        }
        fileprivate var value: AES.GCM.Nonce {
            let words = (
                a.bigEndian, UInt32(truncatingIfNeeded: b >> 32).bigEndian, UInt32(truncatingIfNeeded: b).bigEndian
            )
            return withUnsafeBytes(of: words) { bytes in
                do { return try AES.GCM.Nonce(data: bytes) } catch {
                    preconditionFailure("twelve bytes are a nonce: \(error)")
                }
            }
        }
    }

    /// Appends the ciphertext and its tag to `output`.
    package func seal(_ plain: ByteBuffer, nonce: Nonce, context: ByteBuffer, into output: inout ByteBuffer) {
        let box: AES.GCM.SealedBox
        do {
            box = try plain.withUnsafeReadableBytes { plainBytes in
                try context.withUnsafeReadableBytes { contextBytes in
                    try AES.GCM.seal(plainBytes, using: key, nonce: nonce.value, authenticating: contextBytes)
                }
            }
        } catch {
            preconditionFailure("sealing in memory cannot fail: \(error)")
        }
        output.writeBytes(box.ciphertext)
        output.writeBytes(box.tag)
    }

    /// The plain bytes, or nil if they are not what was sealed under this key, nonce and context.
    package func open(_ sealed: ByteBuffer, nonce: Nonce, context: ByteBuffer) -> ByteBuffer? {
        let length = sealed.readableBytes - Self.tagBytes
        guard length >= 0 else { return nil }
        return sealed.withUnsafeReadableBytes { bytes in
            let plain = context.withUnsafeReadableBytes { contextBytes -> Data? in
                guard
                    let box = try? AES.GCM.SealedBox(
                        nonce: nonce.value, ciphertext: bytes[..<length], tag: bytes[length...])
                else { return nil }
                return try? AES.GCM.open(box, using: key, authenticating: contextBytes)
            }
            return plain.map { ByteBuffer(bytes: $0) }
        }
    }
}
