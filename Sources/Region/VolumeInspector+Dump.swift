// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import LogWire
internal import NIOCore
internal import VolumeDriver
internal import VolumeModel

/// The log, one record a line.
extension VolumeInspector {
    private struct Row: Encodable {
        var lsn: UInt64
        var group: UInt32
        var epoch: UInt32
        var kind: String
        var file: UInt64?
        var point: Bool
        var detail: String
    }

    /// Records that are not in layers yet, by LSN.
    func dump(_ view: View, _ order: VolumeOrder, emit: (String) -> Bool) throws {
        let from = LSN(order.fromLSN ?? 0)
        let to = order.toLSN.map { LSN($0) } ?? view.vdl
        var records: [(group: GroupID, record: Record)] = []
        for group in view.groups {
            guard let best = view.members(of: group).max(by: { $0.scl < $1.scl }) else { continue }
            var after = from
            while after < to {
                let (found, end) = try view.reader.log(group: group, node: best.node, after: after)
                guard end > after else { break }
                records += found.filter { $0.header.lsn > from && $0.header.lsn <= to }.map { (group, $0) }
                after = end
            }
        }
        records.sort { $0.record.header.lsn < $1.record.header.lsn }
        for (group, record) in records.prefix(order.limit ?? Int.max) {
            let header = record.header
            let row = Row(
                lsn: header.lsn.value, group: group.value, epoch: header.epoch.value, kind: "\(header.kind)",
                file: header.file == .none ? nil : header.file.value, point: header.isConsistencyPoint,
                detail: Self.describe(record.body))
            let text =
                order.json
                ? try Self.line(row)
                : "\(header.lsn) \(group) \(header.epoch) \(header.kind)\(row.point ? "." : "") \(row.detail)"
                    + (row.file.map { " file \($0)" } ?? "")
            guard emit(text) else { return }
        }
    }

    private static func describe(_ body: Record.Body) -> String {
        switch body {
        case .create(let path, let mode): "\(path) mode \(String(mode, radix: 8))"
        case .write(let ranges):
            ranges.map { "\($0.offset)+\($0.data.readableBytes)" }.joined(separator: " ")
        case .zero(let offset, let length): length == 0 ? "\(offset)+..." : "\(offset)+\(length)"
        case .setSize(let size): "\(size)"
        case .rename(let from, let to): "\(from) to \(to)"
        case .link(let existing, let new): "\(existing) as \(new)"
        case .unlink(let path), .removeDirectory(let path): path
        case .makeDirectory(let path, let mode), .changeMode(let path, let mode):
            "\(path) mode \(String(mode, radix: 8))"
        case .symlink(let target, let path): "\(path) to \(target)"
        case .timestamp(let microseconds):
            Date(timeIntervalSince1970: Double(microseconds) / 1e6).formatted(.iso8601)
        case .marker(let text): text
        case .mapChunk(let chunk, let group): "chunk \(chunk) in \(group)"
        case .drop: ""
        }
    }
}
