// SPDX-License-Identifier: Apache-2.0

package import SegmentCore

/// What to simulate.
package struct SimulationOptions: Sendable {
    package var rules = SafetyRules.all
    /// Lose more copies than the quorums survive. Then service may end, but nothing acknowledged may be lost in silence.
    package var beyondPromise = false
    /// How many batches a seed writes at least before its faults stop.
    package var batches = 300
    package var isVerbose = false

    package init() {}

    /// Switches a rule by name: `off` or `on`, for `writeQuorum` a number.
    /// - Returns: false if there is no such rule or value
    package mutating func set(rule name: String, to value: String) -> Bool {
        if name == "writeQuorum" {
            guard let number = Int(value), (1...6).contains(number) else { return false }
            rules.writeQuorum = number
            return true
        }
        guard let (_, path) = SafetyRules.switches.first(where: { $0.name == name }), value == "on" || value == "off"
        else { return false }
        rules[keyPath: path] = value == "on"
        return true
    }
}

/// What a seed's run came to.
package struct SimulationResult: Sendable {
    package var seed: UInt64
    /// What was violated; nil if nothing was.
    package var violation: String?
    /// Over all events, their times and what the machines did: equal for equal seeds and equal code.
    package var digest: UInt64 = 0
    package var totals = SimulationTotals()
    /// Beyond the promise only: the volume was never served again.
    package var isRefused = false
    package var trace: [String] = []
}

/// Counts, so that a run that exercised nothing is seen.
package struct SimulationTotals: Sendable, Hashable {
    package var events = 0
    package var batches = 0
    package var durableBatches = 0
    package var takeovers = 0
    package var attempts = 0
    package var blocked = 0
    package var fenced = 0
    package var driverCrashes = 0
    package var driverPauses = 0
    package var nodeCrashes = 0
    package var lostMessages = 0
    package var doubledMessages = 0
    package var lateMessages = 0
    package var partitions = 0
    package var slowNodes = 0
    package var powerFailures = 0
    package var tornRecords = 0
    package var failedFlushes = 0
    package var fullDisks = 0
    package var rottenRecords = 0
    package var lostDisks = 0
    package var replacements = 0
    package var reversals = 0
    package var groups = 0
    package var snapshots = 0
    package var layered = 0
    package var truncated = 0
    package var repaired = 0
    package var reads = 0

    package init() {}

    /// By name, in a fixed order.
    package static let fields: [(name: String, path: any WritableKeyPath<SimulationTotals, Int> & Sendable)] = [
        ("events", \.events), ("batches", \.batches), ("durableBatches", \.durableBatches), ("takeovers", \.takeovers),
        ("attempts", \.attempts), ("blocked", \.blocked), ("fenced", \.fenced), ("driverCrashes", \.driverCrashes),
        ("driverPauses", \.driverPauses), ("nodeCrashes", \.nodeCrashes), ("lostMessages", \.lostMessages),
        ("doubledMessages", \.doubledMessages), ("lateMessages", \.lateMessages), ("partitions", \.partitions),
        ("slowNodes", \.slowNodes), ("powerFailures", \.powerFailures), ("tornRecords", \.tornRecords),
        ("failedFlushes", \.failedFlushes), ("fullDisks", \.fullDisks),
        ("rottenRecords", \.rottenRecords), ("lostDisks", \.lostDisks), ("replacements", \.replacements),
        ("reversals", \.reversals), ("groups", \.groups), ("snapshots", \.snapshots), ("layered", \.layered),
        ("truncated", \.truncated), ("repaired", \.repaired), ("reads", \.reads),
    ]

    package static func += (a: inout SimulationTotals, b: SimulationTotals) {
        for (_, path) in fields { a[keyPath: path] += b[keyPath: path] }
    }
}
