// SPDX-License-Identifier: Apache-2.0

internal import Keyring
internal import NIOCore
internal import StorageNode
internal import Synchronization
internal import VolumeModel

/// Seals and opens log parts of a volume's groups, each group under its own derived key.
final class Sealers: Sendable {
    private let dataKey: DataKey
    private let byGroup = Mutex<[GroupID: Sealer]>([:])

    init(dataKey: DataKey) { self.dataKey = dataKey }

    private func sealer(_ group: GroupID) -> Sealer {
        byGroup.withLock { known in
            if let found = known[group] { return found }
            let made = Sealer(log: group, dataKey: dataKey)
            known[group] = made
            return made
        }
    }

    func seal(
        _ plain: ByteBuffer, volume: VolumeID, group: GroupID, epoch: VolumeEpoch, start: LSN, end: LSN
    ) -> ByteBuffer {
        let header = BatchHeader(
            volume: volume, group: group, epoch: epoch, membershipEpoch: MembershipEpoch(0), start: start, end: end,
            previous: .zero)
        var output = ByteBuffer()
        output.reserveCapacity(plain.readableBytes + Sealer.tagBytes)
        sealer(group).seal(plain, nonce: .init(of: header), context: header.sealingContext, into: &output)
        return output
    }
}

extension BatchHeader {
    /// Bytes that a part costs on the wire besides its payload: frame, message and header without participants.
    static let wireBytes = 4 + 2 + 12 + 13 + 56
}
