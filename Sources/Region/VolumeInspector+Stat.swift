// SPDX-License-Identifier: Apache-2.0

internal import NamespaceCore
internal import StorageNode
internal import VolumeDriver
internal import VolumeModel

/// Bytes, groups, layers and copies.
extension VolumeInspector {
    struct Figures: Encodable {
        struct Copy: Encodable {
            var node: String
            var scl: UInt64
            var layered: UInt64
            var layers: Int
            var layerBytes: Int64
        }
        struct Group: Encodable {
            var group: UInt32
            /// The membership epoch, and the members: one set of six, or two while a node is being replaced.
            var members: UInt32
            var sets: [[String]]
            var copies: [Copy]
        }
        var volume: String
        var vdl: UInt64
        var files: Int
        var directories: Int
        var fileBytes: UInt64
        var earliestTime: Double?
        var groups: [Group]
        var silent: [String]
        var damaged: Int
        var repaired: Int
    }

    func stat(_ view: View, json: Bool, emit: (String) -> Bool) throws {
        let namespace = try view.reader.namespace(
            at: view.vdl, from: view.members(of: .namespace).map(\.node), complete: view.complete(.namespace))
        let groups = view.groups.map { group in
            let copies = view.segments.filter { $0.segment.group == group.value }
            let newest = copies.max { $0.segment.membership < $1.segment.membership }?.segment
            return Figures.Group(
                group: group.value, members: newest?.membership ?? 0,
                sets: newest?.sets.map { $0.map(\.description) } ?? [],
                copies: copies.map { node, segment in
                    Figures.Copy(
                        node: node.description, scl: segment.scl, layered: segment.layered, layers: segment.layers,
                        layerBytes: segment.bytes)
                })
        }
        let bytes = namespace.fileIDs.reduce(UInt64(0)) { $0 + (namespace.size(of: $1) ?? 0) }
        let first = view.members(of: .namespace).first.flatMap { try? view.reader.timeline(node: $0.node).first }
        let figures = Figures(
            volume: volume.description, vdl: view.vdl.value, files: namespace.fileCount,
            directories: namespace.directoryCount, fileBytes: bytes,
            earliestTime: first.map { Double($0.microseconds) / 1e6 }, groups: groups,
            silent: view.silent.map(\.description), damaged: view.nodes.reduce(0) { $0 + $1.damaged },
            repaired: view.nodes.reduce(0) { $0 + $1.repaired })
        guard !json else {
            _ = emit(try Self.line(figures))
            return
        }
        _ = emit("volume \(figures.volume): VDL \(view.vdl), \(figures.files) files, \(Self.size(bytes)) of content")
        for group in figures.groups {
            let sets = group.sets.map { $0.joined(separator: " ") }.joined(separator: " and ")
            _ = emit("protection group \(group.group): members \(sets), membership epoch \(group.members)")
            for copy in group.copies {
                _ = emit(
                    "  \(copy.node)  SCL \(LSN(copy.scl))  layered to \(LSN(copy.layered))  \(copy.layers) layers, "
                        + Self.size(UInt64(max(0, copy.layerBytes))))
            }
        }
        if !figures.silent.isEmpty { _ = emit("no answer from \(figures.silent.joined(separator: ", "))") }
        if figures.damaged > 0 { _ = emit("\(figures.damaged) damaged copies found, \(figures.repaired) repaired") }
    }

    static func size(_ bytes: UInt64) -> String {
        if bytes < 10 << 10 { return "\(bytes) bytes" }
        if bytes < 10 << 20 { return "\(bytes >> 10) KiB" }
        return bytes < 10 << 30 ? "\(bytes >> 20) MiB" : "\(bytes >> 30) GiB"
    }
}
