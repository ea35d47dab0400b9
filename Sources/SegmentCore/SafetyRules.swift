// SPDX-License-Identifier: Apache-2.0

/// The rules that safety rests on, each with a switch, so that the simulator can prove that it notices when one is missing.
///
/// Production code always uses ``all``. A simulator that finds nothing when a rule is off is blind, not lucky.
package struct SafetyRules: Hashable, Sendable {
    /// A segment refuses the appends of an epoch below its promise.
    package var refuseOldEpochs = true
    /// A segment acknowledges what is on its disk, not what it has received.
    package var acknowledgeAfterFlush = true
    /// An SCL stops at the first hole.
    package var stopAtHoles = true
    /// Segments of a write quorum, for acknowledging as well as for claiming, repairing and installing.
    package var writeQuorum = 4
    /// A batch annulled by a tenure's truncations is dropped and never taken again.
    package var truncateOnTakeover = true
    /// A takeover brings all that it found durable onto a write quorum before it writes its truncation anywhere.
    package var repairBeforeTruncation = true
    /// A new writer starts above everything that an older one can have assigned.
    package var jumpOverAllocations = true
    /// A segment takes a gossiped tenure only if its promise allows the tenure's epoch.
    package var tenureHonoursPromise = true
    /// A VDL counts only at a segment whose truncations are as new as the teller's.
    package var vdlNeedsTenure = true
    /// A recovering driver's repairs are refused once a newer driver has claimed.
    package var fenceRepairs = true
    /// During a change of members a quorum is needed in both sets.
    package var bothSetsDuringChange = true
    /// A change of members is finished only when the new member has caught up.
    package var catchUpBeforeFinish = true
    /// A segment that lost its disk is never counted again before it has been taken out of the membership.
    package var forgetfulNodesStayOut = true

    package init() {}

    package static let all = SafetyRules()

    /// The switches by name, for the command line of the simulator.
    package static let switches: [(name: String, path: any WritableKeyPath<SafetyRules, Bool> & Sendable)] = [
        ("refuseOldEpochs", \.refuseOldEpochs), ("acknowledgeAfterFlush", \.acknowledgeAfterFlush),
        ("stopAtHoles", \.stopAtHoles), ("truncateOnTakeover", \.truncateOnTakeover),
        ("repairBeforeTruncation", \.repairBeforeTruncation), ("jumpOverAllocations", \.jumpOverAllocations),
        ("tenureHonoursPromise", \.tenureHonoursPromise), ("vdlNeedsTenure", \.vdlNeedsTenure),
        ("fenceRepairs", \.fenceRepairs), ("bothSetsDuringChange", \.bothSetsDuringChange),
        ("catchUpBeforeFinish", \.catchUpBeforeFinish), ("forgetfulNodesStayOut", \.forgetfulNodesStayOut),
    ]
}
