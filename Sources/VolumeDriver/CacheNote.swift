// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc
internal import VolumeModel

/// Written beside the local cache when a volume is let go cleanly: what the cache holds is the volume as of an LSN.
///
/// The next attach takes the note away first, so whatever crashes afterwards finds none, and trusts it only if nothing was
/// written since and the machine has not been started anew: the cache is never flushed, so a power failure may have torn it.
struct CacheNote: Codable, Equatable {
    var volume: String
    var vdl: UInt64
    /// Account that owns the files.
    var owner: Int32
    var boot: String

    /// - Returns: nil where the system does not tell one boot from another
    init?(_ configuration: DriverConfiguration, vdl: LSN) {
        guard let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8) else {
            return nil
        }
        volume = configuration.volume.description
        self.vdl = vdl.value
        owner = configuration.owner.uid
        self.boot = boot.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static func path(_ directory: String) -> String { "\(directory)/cache.json" }

    /// The note of the last detach, if there is one. It is gone when this returns.
    static func take(from directory: String) -> CacheNote? {
        let bytes = FileManager.default.contents(atPath: path(directory))
        guard unlink(path(directory)) == 0, let bytes else { return nil }
        return try? JSONDecoder().decode(CacheNote.self, from: bytes)
    }

    /// A note that cannot be written costs a cold cache and nothing else.
    func leave(in directory: String) {
        guard let bytes = try? JSONEncoder().encode(self) else { return }
        _ = FileManager.default.createFile(
            atPath: Self.path(directory), contents: bytes, attributes: [.posixPermissions: 0o600])
    }
}
