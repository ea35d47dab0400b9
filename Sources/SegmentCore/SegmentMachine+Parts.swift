// SPDX-License-Identifier: Apache-2.0

internal import VolumeModel

/// Taking parts of batches: from the writer, from a recovering driver, from gossip.
extension SegmentMachine {
    /// What became of a part that was offered.
    enum Taken: Hashable {
        /// On its way to the disk under this token.
        case underWay(UInt64)
        case durable
        /// Annulled, or not of this volume's history: not held.
        case refused
    }

    mutating func append(
        _ header: BatchHeader, vdl: LSN, under epoch: MembershipEpoch, from peer: Peer,
        into actions: inout [SegmentAction]
    ) {
        if header.epoch != tenure.epoch || header.epoch != promised || epoch != tenure.membership.epoch || !isMember {
            if let refusal = refusal(of: header.epoch, under: epoch) {
                return actions.append(.reply(peer, .refused(refusal)))
            }
        }
        writer = (peer, header.epoch)
        learn(vdl: vdl, under: header.epoch)
        switch store(header, into: &actions) {
        case .underWay(let token):
            unacknowledged =
                min(unacknowledged?.lowerBound ?? token, token)...max(unacknowledged?.upperBound ?? token, token)
            if !rules.acknowledgeAfterFlush {
                actions.append(.reply(peer, .acknowledged(epoch: header.epoch, scl: chainEnd)))
            }
        case .durable: actions.append(.reply(peer, .acknowledged(epoch: header.epoch, scl: scl)))
        case .refused: actions.append(.reply(peer, .refused(.malformed)))
        }
    }

    /// Why the writer of `epoch`, working under a membership, may not append; nil if it may.
    private func refusal(of epoch: VolumeEpoch, under membership: MembershipEpoch) -> Refusal? {
        if epoch < promised { return rules.refuseOldEpochs ? .staleEpoch(promised) : nil }
        // A segment that has promised but not been told what the takeover annulled cannot judge its chain yet.
        if epoch > tenure.epoch || membership > tenure.membership.epoch { return .needsTenure(tenure.stamp) }
        if !isMember { return .notMember(tenure.membership) }
        if membership < tenure.membership.epoch { return .staleMembership(tenure.membership) }
        return nil
    }

    mutating func heartbeat(_ vdl: LSN, epoch: VolumeEpoch, from peer: Peer, into actions: inout [SegmentAction]) {
        if let refusal = refusal(of: epoch, under: tenure.membership.epoch) {
            return actions.append(.reply(peer, .refused(refusal)))
        }
        writer = (peer, epoch)
        learn(vdl: vdl, under: epoch)
        toldSCL = scl
        actions.append(.reply(peer, .acknowledged(epoch: epoch, scl: scl)))
    }

    mutating func push(_ header: BatchHeader, epoch: VolumeEpoch, from peer: Peer, into actions: inout [SegmentAction])
    {
        // An acknowledged repair must be visible to every later claim, so it must come before any later promise.
        guard epoch >= promised || !rules.fenceRepairs else {
            return actions.append(.reply(peer, .refused(.staleEpoch(promised))))
        }
        switch store(header, into: &actions) {
        case .underWay(let token):
            // Behind what is queued already: answers leave in token order.
            let due = max(token, waiting.last?.token ?? 0)
            waiting.append(Waiting(token: due, answer: .pushed(epoch, end: header.end), peer: peer))
        case .durable: actions.append(.reply(peer, .pushed(epoch: epoch, end: header.end)))
        case .refused: actions.append(.reply(peer, .refused(.malformed)))
        }
    }

    mutating func pull(_ end: LSN, epoch: VolumeEpoch, from peer: Peer, into actions: inout [SegmentAction]) {
        guard epoch >= promised else { return actions.append(.reply(peer, .refused(.staleEpoch(promised)))) }
        if let entry = entry(endingAt: end), isDurable(entry) {
            actions.append(.sendBatch(peer, entry.header))
        } else {
            actions.append(.reply(peer, .refused(.missing(end))))
        }
    }

    /// A VDL told by somebody who works under the truncations of `epoch`.
    mutating func learn(vdl: LSN, under epoch: VolumeEpoch) {
        if vdl > knownVDL, epoch <= tenure.epoch || !rules.vdlNeedsTenure { knownVDL = vdl }
    }

    // MARK: - The store

    /// Takes a part into the chain or beside it. In order: O(1).
    /// - Parameter isOnDisk: at start-up, when the part comes from the journal and is not written again
    mutating func store(
        _ header: BatchHeader, isOnDisk: Bool = false, into actions: inout [SegmentAction]
    ) -> Taken {
        guard header.group == group, header.volume == volume, header.start < header.end, header.previous < header.end
        else { return .refused }
        if header.end <= floor.lsn { return .durable }
        if header.epoch < tenure.epoch, isAnnulled(header) { return .refused }
        let end = chainEnd
        if header.previous == end {
            let token = isOnDisk ? 0 : persist(.batch(header, vdl: knownVDL), into: &actions)
            if !lost.isEmpty { lost.removeAll { $0.end == header.end } }
            chain.append(Entry(header: header, token: token))
            if !loose.isEmpty { absorb(into: &actions) }
            return .underWay(token)
        }
        if header.end <= end {
            let index = chain.partition { $0.header.end < header.end }
            // A part within the chain's range that is not in the chain has been annulled by a truncation unknown here:
            // a writer's chain contains all of its history, and later writers' LSNs are all above.
            guard index < chain.count, chain[index].header.end == header.end else { return .refused }
            return isDurable(chain[index]) ? .durable : .underWay(chain[index].token)
        }
        let index = loosePosition(of: header.end)
        if index < loose.count, loose[index].header.end == header.end {
            return isDurable(loose[index]) ? .durable : .underWay(loose[index].token)
        }
        let token = isOnDisk ? 0 : persist(.batch(header, vdl: knownVDL), into: &actions)
        if !lost.isEmpty { lost.removeAll { $0.end == header.end } }
        loose.insert(Entry(header: header, token: token), at: index)
        return .underWay(token)
    }

    func isAnnulled(_ header: BatchHeader) -> Bool {
        rules.truncateOnTakeover && tenure.annuls(epoch: header.epoch, end: header.end)
    }

    /// Moves from `loose` what follows the chain's end, and forgets what cannot follow any more.
    mutating func absorb(into actions: inout [SegmentAction]) {
        var end = chainEnd
        var kept: [Entry] = []
        var index = 0
        while index < loose.count {
            let entry = loose[index]
            if entry.header.previous == end {
                chain.append(entry)
                end = entry.header.end
            } else if entry.header.end <= end {
                // The same part may have come once more while this one waited behind a hole: then it is not to be dropped.
                if !isInChain(entry.header) { actions.append(.discard(entry.header)) }
            } else {
                // Sorted by end: what begins beyond a hole is followed only by what lies further on.
                kept.append(entry)
                if entry.header.previous > end { break }
            }
            index += 1
        }
        if index < loose.count { kept.append(contentsOf: loose[(index + 1)...]) }
        loose = kept
        settle()
    }

    /// Cuts out of the chain and of the loose parts whatever the tenure annuls; what stood behind a cut becomes loose.
    mutating func annul(into actions: inout [SegmentAction]) {
        lost.removeAll(where: isAnnulled)
        rearrange(into: &actions) { [tenure, rules] in
            !(rules.truncateOnTakeover && tenure.annuls(epoch: $0.epoch, end: $0.end))
        }
    }

    /// Builds chain and loose parts again from those that `keep` keeps. O(parts behind the first one dropped).
    mutating func rearrange(into actions: inout [SegmentAction], keeping keep: (BatchHeader) -> Bool) {
        let first = chain.suffix(from: 0).firstIndex { !keep($0.header) }
        let position = first.map { $0 - chain.suffix(from: 0).startIndex } ?? chain.count
        var rest = chain.cut(after: position) + loose
        durableCount = min(durableCount, position)
        rest.removeAll { entry in
            if keep(entry.header) { return false }
            actions.append(.discard(entry.header))
            return true
        }
        loose = rest
        absorb(into: &actions)
    }

    /// Moves the durable mark over what has reached the disk.
    mutating func settle() {
        while durableCount < chain.count, chain[durableCount].token <= flushedToken { durableCount += 1 }
    }

    func loosePosition(of end: LSN) -> Int {
        var low = 0
        var high = loose.count
        // The usual case is the newest part, behind all others.
        if let last = loose.last, last.header.end < end { return high }
        while low < high {
            let middle = (low + high) / 2
            if loose[middle].header.end < end { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func isInChain(_ header: BatchHeader) -> Bool {
        let index = chain.partition { $0.header.end < header.end }
        return index < chain.count && chain[index].header == header
    }

    func entry(endingAt end: LSN) -> Entry? {
        let index = chain.partition { $0.header.end < end }
        if index < chain.count, chain[index].header.end == end { return chain[index] }
        let position = loosePosition(of: end)
        return position < loose.count && loose[position].header.end == end ? loose[position] : nil
    }
}
