// SPDX-License-Identifier: Apache-2.0

import CBorealis
import Crypto
import Foundation
import Keyring
import LayerCore
import LayerStore
import LogWire
import NIOCore
import VolumeModel

/// SplitMix64: the tests' only source of chance; a seed reproduces everything.
struct Random: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
    mutating func below(_ n: Int) -> Int { Int(next() % UInt64(n)) }
}

/// What a record does to content, and the naive way to read it back.
struct ContentOperation {
    enum What {
        case write([(offset: UInt64, bytes: [UInt8])])
        case zero(from: UInt64, to: UInt64)
    }
    var file: UInt64
    var lsn: LSN
    var what: What
}

/// Writes a group's log, and remembers it.
struct TestLog {
    static let volume = VolumeID(0x1234)
    var group = GroupID.namespace
    var position = LSN.zero
    var previous = LSN.zero
    var operations: [ContentOperation] = []
    var batches: [(BatchHeader, ByteBuffer)] = []
    private var records: [(inout RecordEncoder, LSN) -> LSN] = []

    mutating func write(_ file: UInt64, _ ranges: [(offset: UInt64, bytes: [UInt8])]) {
        let base = ranges[0].offset
        add { encoder, position in
            let table = ranges.map { bx_range(at: UInt32($0.offset - base), length: UInt32($0.bytes.count)) }
            let data = ranges.flatMap(\.bytes)
            return table.withUnsafeBufferPointer { table in
                data.withUnsafeBytes { data in
                    encoder.write(
                        file: FileID(file), offset: base, ranges: table, data: data, flags: 1, epoch: VolumeEpoch(1),
                        position: position)
                }
            }
        }
        pending.append((file, .write(ranges)))
    }

    mutating func zero(_ file: UInt64, offset: UInt64, length: UInt64) {
        add { encoder, position in
            encoder.zero(
                file: FileID(file), offset: offset, length: length, flags: 1, epoch: VolumeEpoch(1), position: position)
        }
        pending.append((file, .zero(from: offset, to: length == 0 ? .max : offset + length)))
    }

    mutating func drop(_ file: UInt64) {
        add { encoder, position in
            encoder.drop(file: FileID(file), flags: 1, epoch: VolumeEpoch(1), position: position)
        }
        pending.append((file, .zero(from: 0, to: .max)))
    }

    mutating func timestamp(_ microseconds: UInt64) {
        add { encoder, position in
            encoder.timestamp(microseconds: microseconds, flags: 1, epoch: VolumeEpoch(1), position: position)
        }
        pending.append(nil)
    }

    mutating func setSize(_ file: UInt64, _ size: UInt64) {
        add { encoder, position in
            encoder.setSize(file: FileID(file), size: size, flags: 1, epoch: VolumeEpoch(1), position: position)
        }
        pending.append(nil)
    }

    mutating func name(_ kind: RecordKind, _ file: UInt64, mode: UInt32 = 0, _ first: String, _ second: String? = nil) {
        add { encoder, position in
            Array((first + (second.map { "\0" + $0 } ?? "")).utf8).withUnsafeBytes { paths in
                encoder.name(
                    kind, file: FileID(file), mode: mode, paths: paths, flags: 1, epoch: VolumeEpoch(1),
                    position: position)
            }
        }
        pending.append(nil)
    }

    private var pending: [(UInt64, ContentOperation.What)?] = []
    private mutating func add(_ record: @escaping (inout RecordEncoder, LSN) -> LSN) { records.append(record) }

    /// LSNs of all records so far.
    private(set) var recordEnds: [LSN] = []

    /// Ends a batch.
    @discardableResult
    mutating func ship() -> (BatchHeader, ByteBuffer) {
        var encoder = RecordEncoder(reusing: ByteBuffer())
        let start = position
        for (record, what) in zip(records, pending) {
            position = record(&encoder, position)
            recordEnds.append(position)
            if let (file, what) = what { operations.append(ContentOperation(file: file, lsn: position, what: what)) }
        }
        records = []
        pending = []
        let payload = encoder.finished()
        let header = BatchHeader(
            volume: Self.volume, group: group, epoch: VolumeEpoch(1), membershipEpoch: MembershipEpoch(1), start: start,
            end: position, previous: previous, payloadBytes: UInt32(payload.readableBytes))
        previous = position
        batches.append((header, payload))
        return (header, payload)
    }

    /// A block by replaying everything; nil if it is zeros.
    func block(_ file: UInt64, _ block: UInt64, at lsn: LSN) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 8192)
        let start = block * 8192
        for operation in operations where operation.lsn <= lsn && operation.file == file {
            switch operation.what {
            case .write(let ranges):
                for range in ranges {
                    let from = max(range.offset, start)
                    let to = min(range.offset + UInt64(range.bytes.count), start + 8192)
                    if from >= to { continue }
                    bytes.replaceSubrange(
                        Int(from - start)..<Int(to - start),
                        with: range.bytes[Int(from - range.offset)..<Int(to - range.offset)])
                }
            case .zero(let from, let to):
                let low = max(from, start)
                let high = min(to, start + 8192)
                if low >= high { continue }
                bytes.replaceSubrange(
                    Int(low - start)..<Int(high - start), with: repeatElement(0, count: Int(high - low)))
            }
        }
        return bytes.allSatisfy { $0 == 0 } ? nil : bytes
    }
}

/// A directory of its own, removed at the end.
final class Scratch: Sendable {
    let path: String
    init() {
        path = NSTemporaryDirectory() + "/layers-" + UUID().uuidString
        try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    func copy() -> Scratch {
        let other = Scratch()
        try! FileManager.default.removeItem(atPath: other.path)
        try! FileManager.default.copyItem(atPath: path, toPath: other.path)
        return other
    }

    var files: [String] { (try! FileManager.default.contentsOfDirectory(atPath: path)).sorted() }
}

extension SegmentIdentity {
    static func test(_ group: GroupID = .namespace, node: String = "a1") -> SegmentIdentity {
        SegmentIdentity(volume: TestLog.volume, group: group, node: NodeID(node)!)
    }
}

let testKey = SymmetricKey(data: [UInt8](repeating: 7, count: 32))

/// Opens a store with small limits, so that little data makes many layers.
func openStore(
    _ path: String, identity: SegmentIdentity = .test(), cache: ChunkCache = ChunkCache(bytesMax: 1 << 20),
    limits: CompactionLimits = .tiny, onStep: LayerStore.StepHook? = nil
) throws -> LayerStore {
    try LayerStore(
        directory: path, identity: identity, sealer: Sealer(dataKey: testKey, purpose: identity.sealingPurpose),
        cache: cache, limits: limits, onStep: onStep)
}

extension CompactionLimits {
    static var tiny: CompactionLimits {
        var limits = CompactionLimits()
        limits.deltaBytes = 48 << 10
        limits.imageBytes = 200 << 10
        limits.deltas = 6
        limits.mergeWidth = 3
        limits.roundBytes = 256 << 10
        return limits
    }
}
