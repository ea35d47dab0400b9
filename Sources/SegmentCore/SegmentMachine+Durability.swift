// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// The journal's side of a segment: start-up, flushes, floors and lost parts.
extension SegmentMachine {
    /// Start-up: the journal's records in order. Records that the host cannot read are left out, except that a segment
    /// whose promises, tenures or floor cannot be read is a segment lost: those the host must keep twice.
    package mutating func replay(_ record: Durable) {
        var ignored: [SegmentAction] = []
        switch record {
        case .batch(let header, let vdl):
            knownVDL = max(knownVDL, vdl)
            _ = store(header, isOnDisk: true, into: &ignored)
        case .epoch(let epoch, let claimant):
            if epoch > promised { (promised, self.claimant) = (epoch, claimant) }
        case .tenure(let tenure):
            guard tenure.stamp > self.tenure.stamp else { return }
            adopt(tenure)
            annul(into: &ignored)
        case .floor(let floor): apply(floor, into: &ignored)
        }
        settle()
    }

    /// Start-up: a part's record is there but its payload cannot be read, nor can a later copy of it.
    package mutating func replayUnreadable(_ header: BatchHeader) {
        guard header.end > floor.lsn, !isAnnulled(header), entry(endingAt: header.end) == nil, !lost.contains(header)
        else { return }
        lost.append(header)
    }

    /// All records with tokens up to `token` are on disk.
    package mutating func flushed(upTo token: UInt64, into actions: inout [SegmentAction]) {
        guard token > flushedToken else { return }
        flushedToken = min(token, lastToken)
        if let arriving = arrivingFloor, arriving.token <= flushedToken {
            arrivingFloor = nil
            apply(arriving.floor, into: &actions)
        }
        settle()
        var due = 0
        while due < waiting.count, waiting[due].token <= flushedToken {
            deliver(waiting[due], into: &actions)
            due += 1
        }
        waiting.dropFirst(due)
        acknowledge(into: &actions)
    }

    /// One acknowledgement a flush, whatever number of parts it covers; also when gossip has closed a hole.
    private mutating func acknowledge(into actions: inout [SegmentAction]) {
        var isDue = scl > toldSCL
        if let range = unacknowledged, range.lowerBound <= flushedToken {
            isDue = true
            unacknowledged = range.upperBound > flushedToken ? (flushedToken + 1)...range.upperBound : nil
        }
        guard isDue, let (peer, epoch) = writer, epoch == promised || !rules.refuseOldEpochs else { return }
        toldSCL = scl
        actions.append(.reply(peer, .acknowledged(epoch: epoch, scl: scl)))
    }

    // MARK: - Floors

    /// Layers hold all history up to `lsn`, or as much of that as is history here: the parts up to there are dropped.
    ///
    /// The host may recycle their journal space once the `.floor` record that this persists is on disk.
    /// - Returns: the headers dropped, oldest first
    package mutating func layered(upTo lsn: LSN, into actions: inout [SegmentAction]) -> [BatchHeader] {
        let lsn = min(lsn, complete)
        guard lsn > floor.lsn else { return [] }
        let count = min(chain.partition { $0.header.end <= lsn }, durableCount)
        let dropped = chain.suffix(from: 0).prefix(count).map(\.header)
        for header in dropped { floor.ends.note(header) }
        floor.lsn = lsn
        floor.previous = dropped.last?.end ?? floor.previous
        lost.removeAll { $0.end <= lsn }
        chain.dropFirst(count)
        durableCount -= count
        persist(.floor(floor), into: &actions)
        return dropped
    }

    /// A peer's layers up to its floor have been copied and are on disk.
    /// - Returns: false if they are of no use any more; the host may delete them.
    package mutating func installSnapshot(_ snapshot: Floor, into actions: inout [SegmentAction]) -> Bool {
        guard snapshot.lsn > complete, arrivingFloor == nil else { return false }
        persist(.floor(snapshot), into: &actions)
        arrivingFloor = (snapshot, lastToken)
        return true
    }

    private mutating func apply(_ floor: Floor, into actions: inout [SegmentAction]) {
        guard floor.lsn > self.floor.lsn else { return }
        let rest = chain.cut(after: 0) + loose
        // A floor is history, but it does not raise `knownVDL`: a snapshot may come from a peer with newer truncations, and
        // whoever heard of its LSN from us, at our older tenure, would take annulled parts of its own for history.
        self.floor = floor
        lost.removeAll { $0.end <= floor.lsn }
        durableCount = 0
        for entry in rest where entry.header.end <= floor.lsn { actions.append(.discard(entry.header)) }
        loose = rest.filter { $0.header.end > floor.lsn }
        absorb(into: &actions)
    }

    /// The payload of the part that ends at `end` cannot be read: the part is a hole until gossip brings it again. The host
    /// keeps its journal record until then, for ``replayUnreadable(_:)``. O(parts behind it).
    package mutating func corrupted(end: LSN, into actions: inout [SegmentAction]) {
        guard let bad = entry(endingAt: end) else { return }
        rearrange(into: &actions) { $0 != bad.header }
        lost.append(bad.header)
        toldSCL = min(toldSCL, scl)
    }
}
