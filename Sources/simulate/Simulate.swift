// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import SimulationKit

/// Runs seeds of the storage simulator and says what it found; exit code 1 if a promise was broken.
@main
struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the quorum, recovery, gossip and membership machines on a simulated network and disk.",
        discussion: "A failure prints its seed, and `--seeds N --verbose` replays it.")

    @Option(help: "A seed, or a range like 1..2000.")
    var seeds = "1..2000"

    @Option(help: "Switch a safety rule: NAME=off, or writeQuorum=3. May be repeated.")
    var rule: [String] = []

    @Option(help: "Threads.")
    var workers = 2

    @Option(help: "Batches that a seed writes at least.")
    var batches = 300

    @Option(help: "Stop after so many failures.")
    var failures = 1

    @Flag(help: "Lose more copies than the quorums survive: service may end, data must not be lost in silence.")
    var beyondPromise = false

    @Flag(help: "Print the result as one JSON object.")
    var json = false

    @Flag(help: "Print what happened in each failing seed, and in a single seed always.")
    var verbose = false

    func run() async throws {
        var options = SimulationOptions()
        options.batches = batches
        options.isVerbose = verbose
        options.beyondPromise = beyondPromise
        for rule in rule {
            let parts = rule.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, options.set(rule: parts[0], to: parts[1]) else {
                throw ValidationError("no such rule: \(rule)")
            }
        }
        guard let range = Self.range(seeds) else { throw ValidationError("not a range of seeds: \(seeds)") }
        if !json { print("seeds \(range.lowerBound)..\(range.upperBound)") }
        if verbose, range.count == 1 {
            for line in Simulation.run(seed: range.lowerBound, options: options).trace { print(line) }
        }
        let clock = ContinuousClock()
        let start = clock.now
        let summary = await SeedRunner.run(range, options: options, workers: workers, failuresMax: failures)
        let took = clock.now - start
        let seconds = Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18
        if json { Self.printJSON(summary, seconds) } else { report(summary, seconds, isRange: range.count > 1) }
        if !summary.failures.isEmpty { throw ExitCode(1) }
    }

    static func range(_ text: String) -> ClosedRange<UInt64>? {
        let bounds = text.split(separator: "..", omittingEmptySubsequences: false).map { UInt64($0) }
        guard bounds.count <= 2, let first = bounds[0], let last = bounds[bounds.count - 1], first <= last else {
            return nil
        }
        return first...last
    }

    private func report(_ summary: SeedRunner.Summary, _ seconds: Double, isRange: Bool) {
        for failure in summary.failures {
            if isRange { for line in failure.trace { print(line) } }
            print("seed \(failure.seed): \(failure.violation ?? "")")
        }
        let digest = String(summary.digest, radix: 16)
        print("\(summary.seeds) seeds in \(Int(seconds * 1000)) ms, digest \(digest), \(summary.failures.count) failed")
        if beyondPromise { print("\(summary.refused) never served again") }
        for (name, path) in SimulationTotals.fields { print("  \(name) \(summary.totals[keyPath: path])") }
    }

    private static func printJSON(_ summary: SeedRunner.Summary, _ seconds: Double) {
        // Violations are of our own making: letters, digits and punctuation without quotes or backslashes.
        let failures = summary.failures.map { "{\"seed\":\($0.seed),\"violation\":\"\($0.violation ?? "")\"}" }
        let totals = SimulationTotals.fields.map { "\"\($0.name)\":\(summary.totals[keyPath: $0.path])" }
        print(
            "{\"seeds\":\(summary.seeds),\"seconds\":\(seconds),\"digest\":\"\(String(summary.digest, radix: 16))\","
                + "\"refused\":\(summary.refused),\"failures\":[\(failures.joined(separator: ","))],"
                + "\"totals\":{\(totals.joined(separator: ","))}}")
    }
}
