// SPDX-License-Identifier: Apache-2.0

import Crypto
import Keyring
import NIOCore
import StorageNode
import Testing
import VolumeModel

/// Records become payloads and come back.
@Suite struct PartSealerTests {
    private let sealer = PartSealer(group: .namespace, dataKey: DataKey(size: .bits256))

    private func header(_ end: UInt64) -> BatchHeader {
        BatchHeader(
            volume: VolumeID(1), group: .namespace, epoch: VolumeEpoch(1), membershipEpoch: MembershipEpoch(1),
            start: LSN(1),
            end: LSN(end), previous: LSN(1))
    }

    private static func noise(_ count: Int) -> ByteBuffer {
        ByteBuffer(bytes: [0, 0, 0, 0] + (0..<count).map { _ in UInt8.random(in: 0...255) })
    }

    @Test(arguments: [0, 1, 255, 256, 257, 4096, 1 << 20])
    func `what is sealed opens to the same bytes`(_ count: Int) throws {
        for records in [ByteBuffer(repeating: 7, count: count), Self.noise(count)] {
            let payload = sealer.seal(records, header(2))
            #expect(sealer.open(payload, header(2)) == records)
            #expect(payload.readableBytes <= records.readableBytes + Sealer.tagBytes)
        }
    }

    @Test func `repetition takes less room`() {
        let payload = sealer.seal(ByteBuffer(repeating: 32, count: 8192), header(2))
        #expect(payload.readableBytes < 128)
    }

    @Test func `a payload opens in its own place only`() {
        let payload = sealer.seal(ByteBuffer(repeating: 32, count: 8192), header(2))
        #expect(sealer.open(payload, header(3)) == nil)
        var damaged = payload
        damaged.setInteger(payload.getInteger(at: 9, as: UInt8.self)! ^ 1, at: 9)
        #expect(sealer.open(damaged, header(2)) == nil)
    }
}
