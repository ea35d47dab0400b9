// SPDX-License-Identifier: Apache-2.0

import Crypto
import Keyring
import LayerCore
import NIOCore
import StorageNode
import Testing
import VolumeModel

/// The nodes of a host share one index, and their layers reach to different LSNs.
@Suite struct GroupTailTests {
    private let tail: GroupTail
    private let headers: [BatchHeader]

    /// Ten parts of ten bytes.
    init() {
        let sealer = PartSealer(group: .namespace, dataKey: DataKey(size: .bits256))
        let tail = GroupTail(volume: VolumeID(1), group: .namespace, sealer: sealer)
        headers = (0..<10).map { (number: UInt64) in
            let start = LSN(number * 10)
            var header = BatchHeader(
                volume: VolumeID(1), group: .namespace, epoch: VolumeEpoch(1), membershipEpoch: MembershipEpoch(1),
                start: start, end: LSN(start.value + 10), previous: start, payloadBytes: 0)
            let payload = sealer.seal(ByteBuffer(repeating: 1, count: 10), header)
            header.payloadBytes = UInt32(payload.readableBytes)
            header.payloadCRC = payload.checksum
            tail.add(header, payload)
            return header
        }
        self.tail = tail
    }

    private func after(_ floor: UInt64) -> [BatchHeader] { headers.filter { $0.end > LSN(floor) } }

    /// As a node sees it whose layers reach to `floor` and which holds the parts up to `end`.
    private func index(from floor: UInt64, upTo end: UInt64 = 100) throws -> TailIndex {
        try tail.index { known in
            (LSN(floor), headers.filter { $0.end > max(known, LSN(floor)) && $0.end <= LSN(end) })
        }
    }

    private func ends(_ index: TailIndex, after floor: UInt64) -> [LSN] {
        index.batches(after: LSN(floor), through: LSN(100)).map { $0.0.end }
    }

    @Test func `a node with a higher floor leaves no gap for one with a lower`() throws {
        _ = try index(from: 20, upTo: 30)
        _ = try index(from: 60)
        let index = try index(from: 30)
        #expect(ends(index, after: 30) == after(30).map(\.end))
    }

    @Test func `a node that comes back with an old floor finds what was dropped`() throws {
        _ = try index(from: 0)
        let payloads = headers.map { tail.payload($0)! }
        tail.drop(upTo: LSN(50))
        for (header, payload) in zip(headers, payloads) { tail.add(header, payload) }
        let index = try index(from: 20)
        #expect(ends(index, after: 20) == after(20).map(\.end))
    }

    @Test func `readers with different floors at once all see everything`() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for reader in 0..<200 {
                let floor = UInt64(reader % 7) * 10
                group.addTask {
                    let index = try index(from: floor)
                    #expect(ends(index, after: floor) == after(floor).map(\.end))
                }
            }
            try await group.waitForAll()
        }
    }
}
