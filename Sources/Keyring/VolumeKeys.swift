// SPDX-License-Identifier: Apache-2.0

package import Crypto
internal import Foundation
internal import Synchronization
package import VolumeModel

/// Gives a process the data keys of the volumes it serves.
package protocol VolumeKeySource: Sendable {
    /// The 32-byte data key of a volume. Throws a readable error if there is none or it does not open.
    func dataKey(volume: VolumeID) throws -> SymmetricKey
}

/// Data keys unwrapped on first use and kept in memory for the life of the process.
package final class VolumeKeys: VolumeKeySource {
    private let provider: any KeyProvider
    private let wrapped: Mutex<[VolumeID: WrappedKey]>
    private let plain = Mutex<[VolumeID: SymmetricKey]>([:])

    package init(provider: any KeyProvider, wrapped: [VolumeID: WrappedKey]) {
        self.provider = provider
        self.wrapped = Mutex(wrapped)
    }

    /// Takes the key of a volume that was made since the process started. A key that is known stays.
    package func add(_ key: WrappedKey, of volume: VolumeID) {
        wrapped.withLock { if $0[volume] == nil { $0[volume] = key } }
    }

    package func dataKey(volume: VolumeID) throws -> SymmetricKey {
        try plain.withLock { cache in
            if let key = cache[volume] { return key }
            guard let sealed = wrapped.withLock({ $0[volume] }) else {
                throw KeyringError(
                    "there is no data key for \(volume)",
                    remedy: "the process was started without it: restart the region")
            }
            let key = try provider.unwrap(sealed, context: Self.context(volume))
            cache[volume] = key
            return key
        }
    }

    /// What a volume's data key is bound to.
    package static func context(_ volume: VolumeID) -> String { "volume \(volume)" }
}

/// The same key for every volume: for tests.
package struct FixedVolumeKey: VolumeKeySource {
    private let key: SymmetricKey
    package init(_ key: SymmetricKey) { self.key = key }
    package func dataKey(volume: VolumeID) throws -> SymmetricKey { key }
}
