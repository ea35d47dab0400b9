// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// One record of a segment's journal. The host keeps a batch's payload beside its record.
package enum Durable: Hashable, Sendable {
    /// A part of a batch, and the VDL the segment knew when it took it.
    case batch(BatchHeader, vdl: LSN)
    /// A promise to refuse every older writer, given to one claimant.
    case epoch(VolumeEpoch, claimant: UInt64)
    /// The tenure now in force; it replaces the one before.
    case tenure(Tenure)
    /// Layers hold all history up to here.
    case floor(Floor)

    package var isFloor: Bool { if case .floor = self { true } else { false } }
}

/// Up to where a segment's history is in layers, and how the log goes on from there.
package struct Floor: Hashable, Sendable {
    /// All the group's parts that end at or below this are in layers.
    package var lsn: LSN
    /// The end of the last of them: the next part's `previous`.
    package var previous: LSN
    /// Group 0 only: the end of each other group's last part at or below `lsn`, sorted by group; a group without is left out.
    package var ends: [GroupEnd]

    package init(lsn: LSN = .zero, previous: LSN = .zero, ends: [GroupEnd] = []) {
        self.lsn = lsn
        self.previous = previous
        self.ends = ends
    }
}

/// The end of a group's last part at some point of the log.
package struct GroupEnd: Hashable, Sendable {
    package var group: GroupID
    package var end: LSN

    package init(group: GroupID, end: LSN) {
        self.group = group
        self.end = end
    }
}

extension [GroupEnd] {
    /// Enters the parts that group 0's header of a batch lists.
    package mutating func note(_ header: BatchHeader) {
        for group in header.participants {
            let index = firstIndex { $0.group >= group } ?? count
            if index < count, self[index].group == group {
                self[index].end = header.end
            } else {
                insert(GroupEnd(group: group, end: header.end), at: index)
            }
        }
    }

    /// The end of `group`'s last part; zero before its first.
    package func end(of group: GroupID) -> LSN { first { $0.group == group }?.end ?? .zero }
}

/// Who sent a message to a segment, and so who gets the answer.
package enum Peer: Hashable, Sendable {
    /// A driver's connection, by the host's number for it.
    case driver(UInt64)
    /// The same group's segment on another node.
    case node(NodeID)
}

/// What a segment is told. `append`, `push` and `repair` have the part's payload beside them.
package enum SegmentMessage: Hashable, Sendable {
    /// The writer's next part, its VDL, and the group's membership it works under.
    case append(BatchHeader, vdl: LSN, membership: MembershipEpoch)
    /// A recovering driver of `epoch` brings a part onto a write quorum.
    case push(BatchHeader, epoch: VolumeEpoch)
    /// Gossip fills a hole.
    case repair(BatchHeader)
    /// A driver wants to be the writer of `epoch`. `claimant` is a random number that tells rivals for one epoch apart.
    case claim(VolumeEpoch, claimant: UInt64)
    /// A driver, or gossip, brings a tenure. A host that has no such segment makes one first if the *driver* says "create".
    case install(Tenure)
    /// The writer is alive and its VDL is this; answered with the SCL.
    case vdl(LSN, epoch: VolumeEpoch)
    /// A recovering driver of `epoch` wants the payload of the part that ends at `end`.
    case pull(end: LSN, epoch: VolumeEpoch)
    /// Gossip: what the sender has. The receiver sends what the sender lacks.
    case summary(SegmentSummary)
    /// Gossip's answer when the history asked for is in the sender's layers only, which reach to `floor`.
    case tooOld(floor: LSN)
}

/// What a segment tells its peers about itself.
package struct SegmentSummary: Hashable, Sendable {
    package var scl: LSN
    package var knownVDL: LSN
    package var stamp: Tenure.Stamp
    /// Ends of the parts it holds beyond a hole, ascending, at most ``SegmentMachine/gossipBatches`` of them.
    package var held: [LSN]

    package init(scl: LSN, knownVDL: LSN, stamp: Tenure.Stamp, held: [LSN]) {
        self.scl = scl
        self.knownVDL = knownVDL
        self.stamp = stamp
        self.held = held
    }
}

/// A segment's answer to a driver.
package enum SegmentReply: Hashable, Sendable {
    /// Everything of this group up to `scl` is on disk. Counts only for the driver of `epoch`.
    case acknowledged(epoch: VolumeEpoch, scl: LSN)
    /// The pushed part that ends at `end` is on disk.
    case pushed(epoch: VolumeEpoch, end: LSN)
    /// A tenure at least as new as this is on disk.
    case installed(Tenure.Stamp, scl: LSN)
    /// The promise is on disk, and this is what the segment has.
    case report(SegmentReport)
    /// The part that was pulled, its payload beside it.
    case batch(BatchHeader)
    case refused(Refusal)
}

/// Why a segment does not do what a driver asks.
package enum Refusal: Hashable, Sendable {
    /// A newer driver has claimed: the asker is fenced.
    case staleEpoch(VolumeEpoch)
    /// The segment has not got the asker's tenure yet: install it and send again.
    case needsTenure(Tenure.Stamp)
    /// The asker's own newer membership came first: send again under it.
    case staleMembership(Membership)
    /// The segment is not in its group's membership any more.
    case notMember(Membership)
    /// The node has no such segment; said by the host. Never a promise.
    case noSegment
    /// The part that was asked for is not here, or not readable.
    case missing(LSN)
    case malformed
}

/// What a segment has, told to the claimant it has promised to.
package struct SegmentReport: Hashable, Sendable {
    package var promised: VolumeEpoch
    package var claimant: UInt64
    package var tenure: Tenure
    package var knownVDL: LSN
    /// All durable history up to here is on this segment: what it knows to be history and has without a hole.
    package var complete: LSN
    /// `previous` is the end of the group's last part at or below `complete`; `ends` are group 0's ends at `complete`.
    package var tail: Floor
    /// Headers of all parts on disk that end above `complete`, ascending, whether or not there are holes before them.
    package var headers: [BatchHeader]
    /// Headers of parts above `complete` that were on disk and cannot be read any more.
    package var lost: [BatchHeader]

    package init(
        promised: VolumeEpoch, claimant: UInt64, tenure: Tenure, knownVDL: LSN, complete: LSN, tail: Floor,
        headers: [BatchHeader], lost: [BatchHeader] = []
    ) {
        self.promised = promised
        self.claimant = claimant
        self.tenure = tenure
        self.knownVDL = knownVDL
        self.complete = complete
        self.tail = tail
        self.headers = headers
        self.lost = lost
    }
}

/// What a segment's host is to do, in order.
package enum SegmentAction: Hashable, Sendable {
    /// Append the record to the journal (for `.batch`: with the payload at hand); once it and all before it are on disk,
    /// call ``SegmentMachine/flushed(upTo:into:)``.
    case persist(Durable, token: UInt64)
    case reply(Peer, SegmentReply)
    case send(NodeID, SegmentMessage)
    /// Load the payload and send the part: as `.repair` to a node, as `.batch` to a driver. If it cannot be read, call
    /// ``SegmentMachine/corrupted(end:into:)``.
    case sendBatch(Peer, BatchHeader)
    /// The part does not count any more: forget its payload. Its journal space goes with the floor.
    case discard(BatchHeader)
    /// Copy the layers of that node's segment, then call ``SegmentMachine/installSnapshot(_:into:)`` with their floor.
    case needSnapshot(from: NodeID, after: LSN)
}
