// SPDX-License-Identifier: Apache-2.0

internal import SegmentCore
internal import VolumeModel

/// What a recovering driver knows of one group.
struct RecoveringGroup: Sendable {
    let group: GroupID
    var asked: [NodeID]
    /// Of the nodes that have promised, in order of arrival.
    var reports: [(node: NodeID, report: SegmentReport)] = []
    /// Nodes that say they have promised the epoch to somebody else, and the round of asking in which they said so first.
    var refusals: [(node: NodeID, round: Int)] = []
    /// The newest tenure reported.
    var tenure: Tenure?
    var wanted: [Part] = []
    var proposed: Tenure?
    var installed: [NodeID] = []

    /// A part that has to be on a write quorum.
    struct Part: Sendable {
        var header: BatchHeader
        /// Nodes that have it on disk, by their report or by their answer to a push.
        var holders: [NodeID]
        var askedFrom: NodeID?
        var hasPayload = false
        var pushedTo: [NodeID] = []
        var unreadable: [NodeID] = []
    }

    init(group: GroupID, asked: [NodeID]) {
        self.group = group
        self.asked = asked
    }

    func report(of node: NodeID) -> SegmentReport? { reports.first { $0.node == node }?.report }

    /// - Parameter isDecided: the end of the log has been found: a tenure that turns up only now was decided by nobody
    mutating func note(_ report: SegmentReport, of node: NodeID, isDecided: Bool) {
        guard self.report(of: node) == nil else { return }
        reports.append((node, report))
        refusals.removeAll { $0.node == node }
        if !isDecided, tenure.map({ $0.stamp < report.tenure.stamp }) ?? true { tenure = report.tenure }
        for index in wanted.indices where Self.holds(wanted[index].header, report) {
            wanted[index].holders.append(node)
        }
    }

    /// Whether a write quorum of the newest membership has promised and satisfies the predicate.
    func hasQuorum(_ rules: SafetyRules, _ predicate: (SegmentReport) -> Bool) -> Bool {
        guard let tenure else { return false }
        return tenure.membership.hasWriteQuorum(rules) { report(of: $0).map(predicate) ?? false }
    }

    func isOnWriteQuorum(_ part: Part, _ rules: SafetyRules) -> Bool {
        tenure?.membership.hasWriteQuorum(rules) { part.holders.contains($0) } ?? false
    }

    /// Notes that a node has promised the epoch to somebody else.
    /// - Returns: whether that is certain: it said so again when it was asked again, or no write quorum is left
    mutating func refused(by node: NodeID, round: Int, _ rules: SafetyRules) -> Bool {
        guard report(of: node) == nil else { return false }
        if let earlier = refusals.first(where: { $0.node == node }) { return earlier.round < round }
        refusals.append((node, round))
        let membership = tenure?.membership ?? Membership(epoch: MembershipEpoch(0), sets: [asked])
        return !membership.hasWriteQuorum(rules) { node in !refusals.contains { $0.node == node } }
    }

    /// Whether a live part that fits, and that nobody has, may have been on a write quorum: counting those that had it and
    /// lost it, and those that have not reported.
    func mayHaveBeenDurable(_ newest: Tenure, _ rules: SafetyRules, _ fits: (BatchHeader) -> Bool) -> Bool {
        let had = reports.filter { _, report in
            report.lost.contains { fits($0) && !newest.annuls(epoch: $0.epoch, end: $0.end) }
        }.map(\.node)
        guard !had.isEmpty, let tenure else { return false }
        return tenure.membership.hasWriteQuorum(rules) { had.contains($0) || report(of: $0) == nil }
    }

    static func holds(_ header: BatchHeader, _ report: SegmentReport) -> Bool {
        report.complete >= header.end || report.headers.contains { $0.end == header.end && $0.epoch == header.epoch }
    }

    /// Takes up a part that has to be on a write quorum.
    func part(_ header: BatchHeader) -> Part {
        Part(header: header, holders: reports.filter { Self.holds(header, $0.report) }.map(\.node))
    }

    mutating func pulled(_ header: BatchHeader) {
        guard let index = wanted.firstIndex(where: { $0.header == header }) else { return }
        wanted[index].hasPayload = true
    }

    /// The node cannot show the part it reported: it does not count as a holder.
    mutating func unreadable(_ end: LSN, at node: NodeID) {
        guard let index = wanted.firstIndex(where: { $0.header.end == end }) else { return }
        wanted[index].unreadable.append(node)
        wanted[index].holders.removeAll { $0 == node }
        if wanted[index].askedFrom == node { wanted[index].askedFrom = nil }
    }

    /// Whatever was asked and not answered may be asked again, also where it could not be read before.
    mutating func forgetRequests() {
        for index in wanted.indices {
            wanted[index].askedFrom = nil
            wanted[index].pushedTo.removeAll()
        }
    }
}
