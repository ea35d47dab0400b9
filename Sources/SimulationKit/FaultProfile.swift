// SPDX-License-Identifier: Apache-2.0

/// What kind of bad luck a seed has. Seeds take turns: some bugs hide behind another fault's noise.
struct FaultProfile: Sendable {
    enum Kind: Hashable, Sendable {
        case crash, crashZone, powerFailure, partition, split, takeOver, pause, rot, loseDisk, fillDisk, slowDown
        case changeMembers, grow
    }

    /// Chances in 10,000 messages.
    struct Network: Sendable {
        var lost = 0
        var doubled = 0
        var late = 0
    }

    /// Microseconds between two faults.
    var interval: ClosedRange<Int>
    /// Chances in 10,000 of losing a message, of which a seed picks one.
    var lost: [Int]
    /// How likely a driver is to die in the middle of a takeover or of a change of members.
    var deaths: Int
    var weights: [(kind: Kind, weight: Int)]

    static let all = [mixed, restless, mixed, moving]

    /// A bit of everything.
    static let mixed = FaultProfile(
        interval: 2000...30000, lost: [0, 10, 100, 400], deaths: 1,
        weights: [
            (.crash, 14), (.crashZone, 4), (.powerFailure, 3), (.partition, 10), (.split, 7), (.takeOver, 16),
            (.pause, 5),
            (.rot, 10), (.loseDisk, 5), (.fillDisk, 5), (.slowDown, 5), (.changeMembers, 8), (.grow, 8),
        ])

    /// Drivers come and go on a network that loses much: the log's tail lies about on few segments.
    static let restless = FaultProfile(
        interval: 1000...8000, lost: [1000, 2500, 4000], deaths: 6,
        weights: [
            (.crash, 4), (.partition, 8), (.split, 8), (.takeOver, 40), (.rot, 6), (.slowDown, 12), (.changeMembers, 2),
            (.grow, 2),
        ])

    /// Members come and go while some segments lag.
    static let moving = FaultProfile(
        interval: 800...6000, lost: [100, 1000, 2500], deaths: 1,
        weights: [
            (.crash, 6), (.partition, 4), (.split, 5), (.takeOver, 8), (.rot, 6), (.loseDisk, 8), (.slowDown, 12),
            (.changeMembers, 50), (.grow, 1),
        ])
}
