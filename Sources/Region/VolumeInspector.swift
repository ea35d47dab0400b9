// SPDX-License-Identifier: Apache-2.0

internal import Keyring
internal import VolumeDriver
internal import VolumeModel

/// Looks into a volume while it is in use: what `borealis volume dump | stat | verify` print.
///
/// It only reads, and reads from the storage nodes, not from the driver's cache.
struct VolumeInspector {
    let volume: VolumeID
    let access: StorageAccess
    let keys: any VolumeKeySource

    /// Does what the order says.
    ///
    /// - Parameters:
    ///   - emit: takes one line of the report; false when nobody reads any more
    ///   - progress: takes what long work is doing now
    func perform(_ order: VolumeOrder, emit: (String) -> Bool, progress: (String) -> Bool) throws {
        switch order.action {
        case .dump: try dump(from: order.fromLSN, to: order.toLSN, limit: order.limit, json: order.json, emit: emit)
        case .stat: try stat(json: order.json, emit: emit)
        case .verify: try verify(json: order.json, emit: emit, progress: progress)
        case .detachCache, nil: preconditionFailure("not an inspection")
        }
    }

    /// One line a record.
    func dump(from: UInt64?, to: UInt64?, limit: Int?, json: Bool, emit: (String) -> Bool) throws { throw Self.missing }

    /// Bytes, groups, layers and copies.
    func stat(json: Bool, emit: (String) -> Bool) throws { throw Self.missing }

    /// Reads every block from every copy and checks that they are whole and agree.
    func verify(json: Bool, emit: (String) -> Bool, progress: (String) -> Bool) throws { throw Self.missing }

    private static let missing = RegionError("this is not built yet", remedy: "see the table in README.md")
}
