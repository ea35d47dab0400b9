// SPDX-License-Identifier: Apache-2.0

internal import VolumeModel

/// Promises and tenures: who may write here, and under which truncations and members.
extension SegmentMachine {
    /// Promises `epoch` to a claimant unless as much was promised before; the report follows once that is on disk.
    mutating func claim(
        _ epoch: VolumeEpoch, by claimant: UInt64, from peer: Peer, into actions: inout [SegmentAction]
    ) {
        // Before its first tenure a segment is in no membership: its promise would count for nothing.
        guard tenure.revision > 0 else { return actions.append(.reply(peer, .refused(.noSegment))) }
        if epoch > promised {
            promised = epoch
            self.claimant = claimant
            promisee = peer
            persist(.epoch(epoch, claimant: claimant), into: &actions)
        } else if epoch < promised || claimant != self.claimant {
            // The same driver has tried again above this: a refusal would look like an answer to that.
            if epoch < promised, peer == promisee { return }
            return actions.append(.reply(peer, .refused(.staleEpoch(promised))))
        }
        // Everything taken before the promise must be in the report, so it waits for all of it.
        answer(.report(epoch), to: peer, into: &actions)
    }

    /// Takes a tenure that is newer than ours and that our promise allows, whoever brings it.
    mutating func install(_ offered: Tenure, from peer: Peer, into actions: inout [SegmentAction]) {
        let fromDriver = if case .driver = peer { true } else { false }
        guard offered.isWellFormed else {
            if fromDriver { actions.append(.reply(peer, .refused(.malformed))) }
            return
        }
        if offered.epoch < promised, fromDriver || rules.tenureHonoursPromise {
            if fromDriver { actions.append(.reply(peer, .refused(.staleEpoch(promised)))) }
            return
        }
        if offered.stamp > tenure.stamp {
            adopt(offered)
            persist(.tenure(offered), into: &actions)
            annul(into: &actions)
        }
        if fromDriver { answer(.installed, to: peer, into: &actions) }
    }

    /// Makes a tenure ours, but for the parts that it annuls.
    mutating func adopt(_ offered: Tenure) {
        if offered.epoch > promised {
            promised = offered.epoch
            // The rightful claimant is through with claiming; nobody else may claim this epoch.
            claimant = 0
            promisee = nil
        }
        tenure = offered
        // A truncation is written only after everything up to it was brought onto a write quorum.
        if let last = offered.truncations.last { knownVDL = max(knownVDL, last.from) }
    }

    /// Queues an answer until all that has been handed to the disk so far is there; at once if it is.
    private mutating func answer(_ answer: Waiting.Answer, to peer: Peer, into actions: inout [SegmentAction]) {
        if lastToken <= flushedToken {
            deliver(Waiting(token: lastToken, answer: answer, peer: peer), into: &actions)
        } else {
            waiting.append(Waiting(token: lastToken, answer: answer, peer: peer))
        }
    }

    func deliver(_ due: Waiting, into actions: inout [SegmentAction]) {
        switch due.answer {
        case .pushed(let epoch, let end): actions.append(.reply(due.peer, .pushed(epoch: epoch, end: end)))
        case .installed: actions.append(.reply(due.peer, .installed(tenure.stamp, scl: scl)))
        case .report(let epoch):
            if promised == epoch {
                actions.append(.reply(due.peer, .report(report())))
            } else if due.peer != promisee {
                actions.append(.reply(due.peer, .refused(.staleEpoch(promised))))
            }
        }
    }

    /// What is on disk here. Cost: the parts above `complete`, and in group 0 those above the floor.
    package func report() -> SegmentReport {
        let complete = complete
        let count = chain.partition { $0.header.end <= complete }
        var tail = Floor(
            lsn: complete, previous: count > 0 ? chain[count - 1].header.end : floor.previous, ends: floor.ends)
        for entry in chain.suffix(from: 0).prefix(count) { tail.ends.note(entry.header) }
        let headers = chain.suffix(from: count).filter(isDurable) + loose.filter(isDurable)
        return SegmentReport(
            promised: promised, claimant: claimant, tenure: tenure, knownVDL: knownVDL, complete: complete, tail: tail,
            headers: headers.map(\.header), lost: lost.filter { $0.end > complete })
    }
}
