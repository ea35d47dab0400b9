// SPDX-License-Identifier: Apache-2.0

internal import Keyring
internal import NIOCore
internal import StorageNode
internal import Synchronization
internal import VolumeModel

/// Seals and opens log parts of a volume's groups, each group under its own derived key.
final class Sealers: Sendable {
    private let dataKey: DataKey
    private let byGroup = Mutex<[GroupID: PartSealer]>([:])

    init(dataKey: DataKey) { self.dataKey = dataKey }

    private func sealer(_ group: GroupID) -> PartSealer {
        byGroup.withLock { known in
            if let found = known[group] { return found }
            let made = PartSealer(group: group, dataKey: dataKey)
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
        return sealer(group).seal(plain, header)
    }
}

extension BatchHeader {
    /// Bytes that a part costs on the wire besides its payload: frame, message and header without participants.
    static let wireBytes = 4 + 2 + 12 + 13 + 56
}
