// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import LayerCore
internal import LayerStore
internal import SegmentCore
internal import Synchronization
package import VolumeModel

/// What stays readable: the recent history, and the LSNs at which mounts hold a lease.
///
/// Leases are in memory only. So a host that has just started collects nothing before every holder has had the time to renew.
extension StorageHost {
    /// How long a pin lives without being renewed, seconds.
    package static let pinLeaseSeconds: UInt32 = 60
    private static let graceNanoseconds = Int64(pinLeaseSeconds) * 2_000_000_000

    /// Takes, renews or (0 seconds) gives up the lease of a mount.
    /// - Throws: if what it wants to read has been collected, so that no lease brings it back
    func pin(_ volume: VolumeID, _ node: NodeID, holder: UInt64, at lsn: LSN, seconds: UInt32) throws(CallFailure) {
        let now = bx_monotonic_ns()
        try state.withLock { state throws(CallFailure) in
            guard seconds > 0 else { return state.pins.release(volume, by: holder) }
            if !state.pins.points(of: volume, now: now).contains(lsn) {
                for (id, segment) in state.segments where id.volume == volume && id.node == node {
                    guard lsn >= segment.layers.retiredLSN else {
                        throw CallFailure("\(id) has collected what was before \(segment.layers.retiredLSN)")
                    }
                }
            }
            let lease = Int64(seconds) * 1_000_000_000
            guard state.pins.hold(lsn, of: volume, by: holder, from: now, for: lease) else {
                throw CallFailure("too many mounts; end some of them")
            }
        }
    }

    /// The LSN from which on everything stays readable in a segment, and older ones that do, ascending.
    package func readPoints(of id: SegmentID) -> (horizon: LSN, pins: [LSN]) {
        let now = bx_monotonic_ns()
        return state.withLock { state in
            guard now - created >= Self.graceNanoseconds || configuration.startsWithoutPins else { return (.zero, []) }
            let floor = state.segments[id]?.machine.floor.lsn ?? .zero
            let history = configuration.historyBytes
            return (
                LSN(floor.value > history ? floor.value - history : 0), state.pins.points(of: id.volume, now: now)
            )
        }
    }
}
