// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Runs many seeds, each on one thread, several at once; every seed is independent of all others.
package enum SeedRunner {
    /// What a range of seeds came to.
    package struct Summary: Sendable {
        package var seeds = 0
        package var totals = SimulationTotals()
        /// In order of seed; at most as many as were asked for.
        package var failures: [SimulationResult] = []
        package var refused = 0
        /// Over all seeds' digests, whatever order they ran in.
        package var digest: UInt64 = 0
    }

    /// - Parameters:
    ///   - workers: threads
    ///   - failuresMax: stop after about so many failures
    package static func run(
        _ seeds: ClosedRange<UInt64>, options: SimulationOptions, workers: Int = 2, failuresMax: Int = 1
    ) async -> Summary {
        let work = Work(first: seeds.lowerBound)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<max(1, workers) {
                group.addTask {
                    while let seed = work.take(upTo: seeds.upperBound, failuresMax: failuresMax) {
                        let result = Simulation.run(seed: seed, options: options)
                        work.summary.withLock { $0.add(result) }
                    }
                }
            }
        }
        return work.summary.withLock { summary in
            summary.failures.sort { $0.seed < $1.seed }
            return summary
        }
    }

    /// What the workers share.
    private final class Work: Sendable {
        let next: Mutex<UInt64>
        let summary = Mutex(Summary())

        init(first: UInt64) { next = Mutex(first) }

        func take(upTo last: UInt64, failuresMax: Int) -> UInt64? {
            guard summary.withLock({ $0.failures.count < failuresMax }) else { return nil }
            return next.withLock { next in
                guard next <= last else { return nil }
                defer { next += 1 }
                return next
            }
        }
    }

    /// The first seed of a range that finds a violation, if any does: how many seeds a missing rule stays hidden.
    package static func firstFailure(_ seeds: ClosedRange<UInt64>, options: SimulationOptions) -> SimulationResult? {
        for seed in seeds {
            let result = Simulation.run(seed: seed, options: options)
            if result.violation != nil { return result }
        }
        return nil
    }
}

extension SeedRunner.Summary {
    mutating func add(_ result: SimulationResult) {
        seeds += 1
        totals += result.totals
        digest ^= SimulationRandom.mixed(result.digest ^ result.seed)
        if result.isRefused { refused += 1 }
        if result.violation != nil { failures.append(result) }
    }
}
