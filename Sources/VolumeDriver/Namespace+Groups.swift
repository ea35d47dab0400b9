// SPDX-License-Identifier: Apache-2.0

internal import NamespaceCore
internal import VolumeModel

/// Which groups hold what, by the rule that a chunk which is mapped nowhere is in group 0.
extension Namespace {
    /// Groups that may hold content of the file's bytes [`from`, `to`), each once, sorted.
    func groups(of id: FileID, from: UInt64, to: UInt64, chunkBytes: UInt64) -> [GroupID] {
        guard let file = file(id), from < to else { return [] }
        let first = from / chunkBytes
        let last = (to - 1) / chunkBytes
        let mapped = file.chunks.filter { (first...last).contains($0.chunk) }
        var groups = Set(mapped.map(\.group))
        if UInt64(mapped.count) < last - first + 1 { groups.insert(.namespace) }
        return groups.sorted()
    }

    /// File bytes that live in a group, holes included.
    func contentBytes(of group: GroupID, chunkBytes: UInt64) -> UInt64 {
        var bytes: UInt64 = 0
        for id in fileIDs {
            guard let file = file(id) else { continue }
            var elsewhere: UInt64 = 0
            var here: UInt64 = 0
            for place in file.chunks {
                let start = place.chunk * chunkBytes
                let held = start < file.size ? min(chunkBytes, file.size - start) : 0
                if place.group == group { here += held }
                elsewhere += held
            }
            bytes += group == .namespace ? file.size - min(file.size, elsewhere) + here : here
        }
        return bytes
    }
}
