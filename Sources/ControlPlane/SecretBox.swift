// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import Engines
package import Foundation

/// Seals the few secrets that the desired state has to hold for a while, under a key of its own.
package struct SecretBox: Sendable {
    private let key: SymmetricKey

    /// - Parameter key: 32 bytes
    package init(key: Data) { self.key = SymmetricKey(data: key) }

    /// - Parameter context: what the secret belongs to; it opens for nothing else
    func seal(_ text: String, context: String) throws -> Data {
        let box = try AES.GCM.seal(Data(text.utf8), using: key, authenticating: Data(context.utf8))
        guard let combined = box.combined else {
            throw ControlError("a secret was not sealed", remedy: "report this as a bug")
        }
        return combined
    }

    func open(_ sealed: Data, context: String) throws -> String {
        let box = try AES.GCM.SealedBox(combined: sealed)
        let plain = try AES.GCM.open(box, using: key, authenticating: Data(context.utf8))
        return String(decoding: plain, as: UTF8.self)
    }
}
