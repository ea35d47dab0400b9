// SPDX-License-Identifier: Apache-2.0

internal import QuorumCore
internal import SegmentCore
internal import VolumeModel

/// A storage node: segments that share a flush, a clock and a fate.
final class SimulatedNode {
    let id: NodeID
    /// By group.
    var segments: [SimulatedSegment?] = Array(repeating: nil, count: Simulation.groupsMax)
    var isUp = true
    /// Counts restarts: timers and flushes of an earlier life are void.
    var life = 0
    /// Counts lost disks: connections do not survive one.
    var disk = 0
    var isFlushing = false
    var isFlushWanted = false
    /// No flush ends before this: the disk is full.
    var fullUntil: UInt64 = 0
    /// Until then each message from or to it takes up to `slowness` longer.
    var slowUntil: UInt64 = 0
    var slowness = 0
    /// How long its flushes take at most.
    var flushTime = 900
    /// Its clock's rate, in quarters.
    var clockRate = 4

    init(id: NodeID) { self.id = id }
}

/// A driver: first recovering, then writing, at last stopped.
final class SimulatedDriver {
    let id: Int
    var epoch: VolumeEpoch
    var recovery: RecoveryMachine?
    var writer: WriterMachine?
    var isStopped = false
    var pausedUntil: UInt64 = 0
    /// Payloads pulled by the recovery, by group and end.
    var pulled: [GroupID: [LSN: UInt64]] = [:]
    /// Whether the oracle has been told of the end found.
    var hasDecided = false
    /// Members that answered that they have no such segment.
    var forgetful: [(group: GroupID, node: NodeID)] = []
    var attempts = 0
    /// What its recovery could not find.
    var obstacle: RecoveryObstacle?
    /// Where its first batch starts, and the end of the batch before that.
    var firstStart = LSN.zero
    var firstPast = LSN.zero

    init(id: Int, epoch: VolumeEpoch) {
        self.id = id
        self.epoch = epoch
    }
}

/// What travels through the network.
enum Parcel {
    case toSegment(GroupID, SegmentMessage, payload: UInt64, from: Peer)
    /// Like an `install` from a driver, but the node makes the segment if it has none.
    case create(GroupID, Tenure, from: Peer)
    case toDriver(Int, GroupID, NodeID, SegmentReply, payload: UInt64)
}

/// What happens at a point of virtual time.
enum SimulationEvent {
    /// `disk` is the disk's number of the node concerned when the parcel was sent.
    case deliver(Parcel, node: Int, disk: Int)
    case flushed(node: Int, life: Int)
    case nodeTick(node: Int, life: Int)
    case driverTick(Int)
    case driverAppend(Int)
    case restart(node: Int, life: Int)
    case snapshot(node: Int, life: Int, GroupID, from: Int)
    case fault
    case spawn
}
