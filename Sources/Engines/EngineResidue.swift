// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// What a killed engine leaves in the machine's memory: its ring, POSIX segments in /dev/shm, a System V segment.
///
/// PostgreSQL clears up after its predecessor by the inode of its data directory, which a new attach changes. So what an
/// engine uses is noted in a file while it runs, and removed once every process of it is gone.
package struct EngineResidue: Sendable {
    private struct Note: Codable {
        var ring: String
        var segments: [String]
        var systemV: Int32?
    }

    private let path: String

    /// - Parameter path: the file the note is kept in
    package init(path: String) { self.path = path }

    /// Notes what the processes of an engine have mapped now.
    ///
    /// - Parameter lockFile: postmaster.pid, whose seventh line ends with the System V segment's id; nil without one
    package func note(ring: String, processes: [Int32], lockFile: String?) {
        var segments: Set<String> = []
        for pid in processes {
            let maps = FileManager.default.contents(atPath: "/proc/\(pid)/maps") ?? Data()
            for line in String(decoding: maps, as: UTF8.self).split(separator: "\n") {
                guard let start = line.range(of: "/dev/shm/PostgreSQL.")?.lowerBound, !line.hasSuffix("(deleted)")
                else { continue }
                segments.insert(String(line[start...]))
            }
        }
        let lock = String(
            decoding: lockFile.flatMap { FileManager.default.contents(atPath: $0) } ?? Data(), as: UTF8.self)
        let lines = lock.split(separator: "\n", omittingEmptySubsequences: false)
        let id = lines.count > 6 ? lines[6].split(separator: " ").last.flatMap { Int32($0) } : nil
        let note = Note(ring: ring, segments: segments.sorted(), systemV: id)
        guard let data = try? JSONEncoder().encode(note) else { return }
        try? data.write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    /// Removes what was noted. No process of the engine is left.
    package func remove() {
        guard let data = FileManager.default.contents(atPath: path),
            let note = try? JSONDecoder().decode(Note.self, from: data)
        else { return }
        for file in note.segments + [note.ring] where file.hasPrefix("/dev/shm/") { unlink(file) }
        var status = shmid_ds()
        if let id = note.systemV, shmctl(id, IPC_STAT, &status) == 0, status.shm_nattch == 0, status.shm_segsz < 4096 {
            shmctl(id, IPC_RMID, nil)
        }
        unlink(path)
    }
}
