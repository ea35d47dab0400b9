// SPDX-License-Identifier: Apache-2.0

internal import VolumeModel

/// Whether a cluster's writer is lost, and which reader takes its place. A value without a clock: times come in as facts.
///
/// Losing the wrong one costs a second or two of service, never data: the new writer takes the volume's next epoch, after
/// which nothing of the old one can be acknowledged.
package struct FailoverPolicy {
    /// An engine that has committed nothing, or a process that has said nothing, for so long is taken for frozen or cut off.
    ///
    /// The writer commits once a second, so five commits in a row are missing. The longest pause of a healthy engine on a
    /// machine that is three times overloaded was well below two seconds; with five, a failover takes less than ten.
    package static let silenceLimitMilliseconds = 5000
    /// A writer whose log goes on is busy: its commits queue behind a bulk load's writes, or disks are slow. So it may be
    /// silent for longer, but not for ever.
    package static let busyLimitMilliseconds = 60_000
    /// A writer that has not come up although a reader could is given up after so long. It may be replaying its log: that
    /// does not count.
    package static let absenceLimitMilliseconds = 20_000
    /// Fewer answers than a write quorum: the driver is cut off, if others are not.
    private static let quorum = Membership.writeQuorum

    /// What is known of one instance at a moment.
    package struct Member: Sendable {
        package var id: String
        package var zone: String
        package var tier: Int
        package var memoryBytes: Int
        package var sight: Sight

        package init(id: String, zone: String, tier: Int, memoryBytes: Int, sight: Sight) {
            self.id = id
            self.zone = zone
            self.tier = tier
            self.memoryBytes = memoryBytes
            self.sight = sight
        }
    }

    package enum Sight: Sendable {
        /// It is not to run, or its fault is in force and nobody looks at it.
        case away
        /// It has no process that speaks; since when, milliseconds, and whether clients were let in before.
        case gone(forMilliseconds: Int, wasAvailable: Bool)
        /// What its process said, and how long ago, milliseconds.
        case seen(InstanceStatus, agoMilliseconds: Int)
    }

    package let members: [Member]
    package let writer: String

    package init(members: [Member], writer: String) {
        self.members = members
        self.writer = writer
    }

    /// Why the writer has to be replaced; nil: it has not, or nobody could take its place.
    package var loss: String? {
        guard let member = members.first(where: { $0.id == writer }), candidate != nil else { return nil }
        switch member.sight {
        case .away: return nil
        case .gone(let milliseconds, let wasAvailable):
            if wasAvailable { return "its process ended" }
            return milliseconds > Self.absenceLimitMilliseconds ? "it does not start" : nil
        case .seen(let status, let ago):
            if ago > Self.silenceLimitMilliseconds { return "its process has said nothing for \(ago) ms" }
            if let lost = status.watch.lost { return lost }
            guard let silent = status.watch.silentMilliseconds, silent + ago > Self.silenceLimitMilliseconds else {
                return nil
            }
            return stall(status, silent + ago, processSilent: ago)
        }
    }

    /// An engine that commits nothing is at fault itself, unless its storage is.
    private func stall(_ status: InstanceStatus, _ silent: Int, processSilent: Int) -> String? {
        // An instance that lives speaks twice a second, and asks its nodes well before the limit is reached.
        guard let answering = status.watch.answeringNodes else {
            return processSilent > Self.silenceLimitMilliseconds / 2 ? "its process and its engine are silent" : nil
        }
        // While its log goes on it is neither frozen nor cut off, however long nodes with slow disks take to answer it.
        let isStill = status.watch.stillMilliseconds.map { $0 + processSilent > Self.silenceLimitMilliseconds } ?? true
        guard isStill || silent > Self.busyLimitMilliseconds else { return nil }
        if status.watch.commitsWait || answering < Self.quorum {
            // With fewer nodes than a quorum for everybody, or slow ones, another writer would wait as well.
            guard answering < Self.quorum, ranked.contains(where: { reaches($0) }) else { return nil }
            return "it reaches \(answering) of 6 storage nodes, others reach more"
        }
        return "its engine has committed nothing for \(silent) ms"
    }

    /// The reader to promote: promotion tier, then larger class, then another zone than the writer's, then lowest name.
    package var candidate: Member? { ranked.first { reaches($0) } ?? ranked.first }

    private var ranked: [Member] {
        let zone = members.first { $0.id == writer }?.zone
        return members.filter { $0.id != writer && Self.isReady($0) }.sorted { left, right in
            if left.tier != right.tier { return left.tier < right.tier }
            if left.memoryBytes != right.memoryBytes { return left.memoryBytes > right.memoryBytes }
            if (left.zone == zone) != (right.zone == zone) { return right.zone == zone }
            return left.id < right.id
        }
    }

    private static func isReady(_ member: Member) -> Bool {
        guard case .seen(let status, let ago) = member.sight else { return false }
        return status.part == .reader && status.phase == .available && status.watch.lost == nil
            && ago + (status.watch.silentMilliseconds ?? 0) < silenceLimitMilliseconds
    }

    private func reaches(_ member: Member) -> Bool {
        guard case .seen(let status, _) = member.sight else { return false }
        return status.watch.answeringNodes ?? 0 >= Self.quorum
    }
}
