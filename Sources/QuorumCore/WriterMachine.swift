// SPDX-License-Identifier: Apache-2.0

package import SegmentCore
package import VolumeModel

/// What the writer's host is to do.
package enum WriterAction: Hashable, Sendable {
    /// A newer driver has claimed the volume: stop the engine. The machine announces nothing any more.
    case fenced(by: VolumeEpoch)
    /// Bring the segment to this tenure; report the answer with `installed`.
    case install(GroupID, NodeID, Tenure)
    /// The same, for a segment that the node is to create if it has none.
    case create(GroupID, NodeID, Tenure)
    /// Send the segment all of ``WriterMachine/undurable(group:node:)`` again.
    case resend(GroupID, NodeID)
    /// Batches may name the group now.
    case opened(GroupID)
    /// A change of members has ended, as asked for or reversed.
    case replaced(GroupID, Membership)
    case reversed(GroupID, Membership)
}

/// One part of a batch to be appended.
package struct BatchPart: Hashable, Sendable {
    package var group: GroupID
    package var payloadBytes: UInt32
    package var payloadCRC: UInt32

    package init(group: GroupID, payloadBytes: UInt32, payloadCRC: UInt32) {
        self.group = group
        self.payloadBytes = payloadBytes
        self.payloadCRC = payloadCRC
    }
}

/// The writer's bookkeeping: cuts no batch itself, but gives each its place in the log and says when it is durable.
///
/// A batch is durable when each group it has a part in has all its parts up to there on a write quorum, and all batches
/// before it are durable; the VDL is the end of the last such batch. Only positive knowledge moves it (an SCL acknowledged
/// by a segment that had promised this epoch), so acknowledgements may be late, doubled or reordered.
/// `append` and `acknowledged` are amortised O(1) in the batches under way.
package struct WriterMachine: Sendable {
    package let volume: VolumeID
    package let epoch: VolumeEpoch
    package let rules: SafetyRules
    /// How far beyond the VDL an LSN may be assigned (the log allocation limit), bytes.
    package let lal: Int
    let start: LSN
    /// The end of the last batch assigned, and of the last one that is durable.
    package private(set) var end: LSN
    package private(set) var vdl: LSN
    package private(set) var isFenced = false

    var groups: [WriterGroup]
    private var places: [GroupID: Int] = [:]
    private var batches = Window<(end: LSN, places: [Int])>()
    private var lastTick: (vdl: LSN, end: LSN)

    /// - Parameter lal: at most what the recovery was told
    package init(_ recovered: RecoveredVolume, lal: Int, rules: SafetyRules = .all) {
        volume = recovered.volume
        epoch = recovered.epoch
        self.rules = rules
        self.lal = lal
        start = recovered.start
        end = recovered.start
        vdl = recovered.vdl
        groups = recovered.groups.map { WriterGroup($0) }
        lastTick = (vdl, end)
        for (place, group) in groups.enumerated() {
            places[group.group] = place
            // A change of members that the last writer left half-way is carried on.
            if group.tenure.membership.sets.count == 2 { resume(place) }
        }
    }

    // MARK: - Batches

    /// Whether the log may grow by `bytes` now; if not, wait for the VDL.
    package func canAppend(bytes: Int) -> Bool {
        !isFenced && end.advanced(by: bytes) <= max(vdl, start).advanced(by: lal)
    }

    /// Gives the next batch its place.
    /// - Parameters:
    ///   - parts: one for each open group that has records in it, each group once
    ///   - end: above the last batch's end, and within what `canAppend` allows
    /// - Returns: a header for each part, in order; and, if no part is group 0's, then last a header for it, without payload
    package mutating func append(parts: [BatchPart], end: LSN) -> [BatchHeader] {
        precondition(end > self.end, "a batch ends above the one before")
        var headers: [BatchHeader] = []
        var touched: [Int] = []
        headers.reserveCapacity(parts.count + 1)
        touched.reserveCapacity(parts.count + 1)
        var others: [GroupID] = []
        for part in parts where part.group != .namespace { others.append(part.group) }
        if others.count > 1 { others.sort() }
        var hasNamespace = false
        for part in parts {
            if part.group == .namespace { hasNamespace = true }
            headers.append(place(part, end: end, participants: others, touched: &touched))
        }
        if !hasNamespace {
            let empty = BatchPart(group: .namespace, payloadBytes: 0, payloadCRC: 0)
            headers.append(place(empty, end: end, participants: others, touched: &touched))
        }
        batches.append((end, touched))
        self.end = end
        return headers
    }

    private mutating func place(
        _ part: BatchPart, end: LSN, participants: [GroupID], touched: inout [Int]
    ) -> BatchHeader {
        guard let index = places[part.group], groups[index].isOpen else {
            preconditionFailure("a batch names a group that is not open")
        }
        let header = BatchHeader(
            volume: volume, group: part.group, epoch: epoch, membershipEpoch: groups[index].tenure.membership.epoch,
            start: self.end, end: end, previous: groups[index].end,
            participants: part.group == .namespace ? participants : [], payloadBytes: part.payloadBytes,
            payloadCRC: part.payloadCRC)
        groups[index].end = end
        groups[index].parts.append(header)
        touched.append(index)
        return header
    }

    /// A segment says that it has all of its group up to `scl` on disk.
    /// - Returns: the new VDL, if it advanced
    package mutating func acknowledged(group: GroupID, node: NodeID, epoch: VolumeEpoch, scl: LSN) -> LSN? {
        guard !isFenced, epoch == self.epoch, let place = places[group], let index = groups[place].index(of: node)
        else { return nil }
        groups[place].nodes[index].isKnown = true
        guard scl > groups[place].nodes[index].scl else { return nil }
        groups[place].nodes[index].scl = scl
        guard scl > groups[place].pgcl else { return nil }
        return advance(place)
    }

    mutating func advance(_ place: Int) -> LSN? {
        let reached = groups[place].quorumLSN(rules)
        guard reached > groups[place].pgcl else { return nil }
        groups[place].pgcl = reached
        let before = vdl
        while let batch = batches.first, batch.places.allSatisfy({ groups[$0].pgcl >= batch.end }) {
            for place in batch.places {
                groups[place].parts.dropFirst(1)
                groups[place].durableEnd = batch.end
            }
            vdl = batch.end
            batches.dropFirst(1)
        }
        return vdl > before ? vdl : nil
    }

    /// The connection to a segment is gone: what it said may not be so any more (it may come back without its disk).
    package mutating func disconnected(group: GroupID, node: NodeID) {
        guard let place = places[group], let index = groups[place].index(of: node) else { return }
        groups[place].nodes[index].scl = .zero
        groups[place].nodes[index].isKnown = false
    }

    // MARK: - What it knows

    package func membership(of group: GroupID) -> Membership? { places[group].map { groups[$0].tenure.membership } }
    package func tenure(of group: GroupID) -> Tenure? { places[group].map { groups[$0].tenure } }
    package var openGroups: [GroupID] { groups.filter(\.isOpen).map(\.group) }
    package func isOpen(_ group: GroupID) -> Bool { places[group].map { groups[$0].isOpen } ?? false }
    /// The highest LSN that a write quorum of the group has.
    package func pgcl(of group: GroupID) -> LSN? { places[group].map { groups[$0].pgcl } }

    /// Parts that are not durable and that the segment has not acknowledged, oldest first: what to send it on reconnecting.
    package func undurable(group: GroupID, node: NodeID) -> [BatchHeader] {
        guard let place = places[group], let index = groups[place].index(of: node) else { return [] }
        let scl = groups[place].nodes[index].scl
        let parts = groups[place].parts
        return Array(parts.suffix(from: parts.partition { $0.end <= scl }))
    }

    /// Members that have not acknowledged all that is durable, and up to where they are.
    package func lagging(group: GroupID) -> [(node: NodeID, scl: LSN)] {
        guard let place = places[group] else { return [] }
        let group = groups[place]
        return group.nodes.filter { $0.scl < group.durableEnd }.map { ($0.node, $0.scl) }
    }

    func place(of group: GroupID) -> Int? { places[group] }

    mutating func add(_ group: WriterGroup) {
        places[group.group] = groups.count
        groups.append(group)
    }

    // MARK: - Refusals and time

    package mutating func refused(group: GroupID, node: NodeID, _ refusal: Refusal) -> [WriterAction] {
        guard !isFenced, let place = places[group], let index = groups[place].index(of: node) else { return [] }
        let tenure = groups[place].tenure
        switch refusal {
        case .staleEpoch(let promised):
            // Our own epoch comes back if a claim of ours was doubled on its way.
            guard promised > epoch else { return [] }
            isFenced = true
            return [.fenced(by: promised)]
        case .needsTenure(let stamp):
            return stamp < tenure.stamp ? [.install(group, node, tenure), .resend(group, node)] : []
        case .staleMembership: return [.resend(group, node)]
        case .notMember: return []
        case .noSegment:
            // Only a segment that has never answered may be made: one that has lost its disk has forgotten its promises.
            let mayCreate = groups[place].nodes[index].isFresh || !rules.forgetfulNodesStayOut
            return mayCreate ? [.create(group, node, tenure)] : []
        case .missing, .malformed: return []
        }
    }

    /// Called every now and then: repeats what may have been lost on the way, and takes the next step of a change.
    package mutating func tick() -> [WriterAction] {
        guard !isFenced else { return [] }
        var actions: [WriterAction] = []
        for place in groups.indices {
            let group = groups[place]
            for member in group.nodes where member.revision < group.tenure.revision && !group.pending.isEmpty {
                actions.append(propose(to: member, of: group))
            }
            step(place, repeating: true, into: &actions)
            guard vdl == lastTick.vdl, let oldest = group.parts.first, oldest.end <= lastTick.end else { continue }
            for member in group.nodes where member.scl < oldest.end {
                actions.append(.resend(group.group, member.node))
            }
        }
        lastTick = (vdl, end)
        return actions
    }
}
