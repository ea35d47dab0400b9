// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import StorageNode
internal import VolumeDriver
internal import VolumeModel

/// Looks into a volume while it is in use: what `borealis volume dump | stat | verify` print.
///
/// It only reads, and reads from the storage nodes, not from the driver's cache.
struct VolumeInspector {
    let volume: VolumeID
    let access: StorageAccess
    let chunkBytes: UInt64

    /// Does what the order says.
    ///
    /// - Parameters:
    ///   - emit: takes one line of the report; false when nobody reads any more
    ///   - progress: takes what long work is doing now
    func perform(_ order: VolumeOrder, emit: (String) -> Bool, progress: (String) -> Bool) throws {
        let reader = try VolumeReader(volume: volume, access: access, logger: Logger(label: "inspector"))
        defer { reader.close() }
        let view = try View(reader)
        switch order.action {
        case .dump: try dump(view, order, emit: emit)
        case .stat: try stat(view, json: order.json, emit: emit)
        case .verify: try verify(view, json: order.json, emit: emit, progress: progress)
        case .detachCache, nil: preconditionFailure("not an inspection")
        }
    }

    /// One moment's picture of the volume's segments.
    struct View {
        let reader: VolumeReader
        let nodes: [NodeStatus]
        let silent: [NodeID]
        let segments: [(node: NodeID, segment: NodeStatus.Segment)]

        init(_ reader: VolumeReader) throws {
            self.reader = reader
            // Connections to other processes take a moment.
            var found = reader.survey()
            for _ in 0..<20 where !found.silent.isEmpty {
                Thread.sleep(forTimeInterval: 0.05)
                found = reader.survey()
            }
            (nodes, silent) = found
            segments = reader.segments(of: nodes)
            guard !segments.isEmpty else {
                throw RegionError("no storage node that is up has the volume", remedy: "see `borealis status`")
            }
        }

        /// The highest durable LSN that any node knows.
        var vdl: LSN { LSN(segments.map(\.segment.vdl).max() ?? 0) }
        var groups: [GroupID] { Set(segments.map { GroupID($0.segment.group) }).sorted() }

        func members(of group: GroupID) -> [(node: NodeID, scl: LSN)] {
            segments.filter { $0.segment.group == group.value }.map { ($0.node, LSN($0.segment.scl)) }
        }

        /// The nodes that are to have a copy of the group, as its newest membership says.
        func wanted(_ group: GroupID) -> [NodeID] {
            let copies = segments.filter { $0.segment.group == group.value }.map(\.segment)
            let newest = copies.max { $0.membership < $1.membership }
            return Set(newest?.sets.flatMap { $0 } ?? []).sorted()
        }

        /// Up to where a segment of the group has to be complete to answer for the VDL.
        func complete(_ group: GroupID) -> LSN { members(of: group).map(\.scl).max() ?? .zero }
    }

    /// A line of JSON with sorted keys.
    static func line(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}
