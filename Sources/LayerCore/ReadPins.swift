// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// Old LSNs that somebody still reads at: what `CompactionPlan` must keep readable besides the recent history.
///
/// Each is held under a lease, so that a holder that dies does not hold it for ever; a holder that lives renews in time. Times
/// are the caller's monotonic nanoseconds.
package struct ReadPins: Sendable {
    /// The longest lease, nanoseconds, and the most holders.
    package static let leaseMax: Int64 = 600_000_000_000
    package static let holdersMax = 1024

    private struct Holder: Hashable {
        var volume: VolumeID
        var number: UInt64
    }

    private var leases: [Holder: (lsn: LSN, until: Int64)] = [:]

    package init() {}

    /// Holds an LSN until a time, in the place of what the holder held before.
    /// - Returns: false if there are too many holders
    package mutating func hold(_ lsn: LSN, of volume: VolumeID, by number: UInt64, from now: Int64, for lease: Int64)
        -> Bool
    {
        forget(before: now)
        let holder = Holder(volume: volume, number: number)
        guard leases[holder] != nil || leases.count < Self.holdersMax else { return false }
        leases[holder] = (lsn, now + min(lease, Self.leaseMax))
        return true
    }

    package mutating func release(_ volume: VolumeID, by number: UInt64) {
        leases[Holder(volume: volume, number: number)] = nil
    }

    /// Releases all that is held of a volume.
    package mutating func release(_ volume: VolumeID) { leases = leases.filter { $0.key.volume != volume } }

    /// What is held of a volume, ascending.
    package mutating func points(of volume: VolumeID, now: Int64) -> [LSN] {
        forget(before: now)
        return Set(leases.filter { $0.key.volume == volume }.map(\.value.lsn)).sorted()
    }

    private mutating func forget(before now: Int64) {
        if leases.values.contains(where: { $0.until <= now }) { leases = leases.filter { $0.value.until > now } }
    }
}
