// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// Copies of the metadata beside the storage nodes, so that losing `metadata.sqlite` loses nothing.
///
/// Each storage process's directory on this machine holds one; all are written anew whenever a process is told something new.
/// They hold what the metadata holds: data keys and passwords are sealed, so the key ring is needed as well, and is in no copy.
/// The map of protection groups needs neither: group 0's segments have it, and every attach reads it there.
struct MetadataCopies {
    private static let name = "metadata.sqlite"
    private static let revision = "revision"

    let directory: DataDirectory

    /// Writes a copy to every storage process's directory. One that cannot be written keeps the older one.
    func save(_ metadata: MetadataStore) throws {
        try metadata.set(Self.revision, to: "\(try Self.number(of: metadata) + 1)")
        for path in storageDirectories() { try? metadata.copy(to: "\(path)/\(Self.name)") }
    }

    /// Puts the newest copy in the place of metadata that are gone.
    ///
    /// - Returns: where it was found; nil if there was never anything here
    /// - Throws: if storage nodes have data but no copy can be read: a new region must not be made over them
    func restore() throws -> String? {
        var best: (path: String, revision: Int)?
        for path in storageDirectories().map({ "\($0)/\(Self.name)" }) {
            guard let store = try? MetadataStore(path: path, isReadOnly: true), let number = try? Self.number(of: store)
            else { continue }
            if number > best?.revision ?? -1 { best = (path, number) }
        }
        if let best {
            // The write-ahead files of the lost database would be taken for the copy's.
            for suffix in ["-wal", "-shm", "-journal"] { unlink(directory.metadata + suffix) }
            try MetadataStore(path: best.path, isReadOnly: true).copy(to: directory.metadata)
            return best.path
        }
        let used = storageDirectories().first { FileManager.default.fileExists(atPath: "\($0)/journal") }
        guard let used else { return nil }
        throw RegionError(
            "\(directory.metadata) is gone, but \(used) holds volumes",
            remedy: "restore it from a backup: the volumes' keys are in it; or choose another --data")
    }

    private func storageDirectories() -> [String] {
        let root = "\(directory.path)/storage"
        return ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).sorted().map { "\(root)/\($0)" }
    }

    private static func number(of metadata: MetadataStore) throws -> Int {
        try metadata.setting(revision).flatMap { Int($0) } ?? 0
    }
}
