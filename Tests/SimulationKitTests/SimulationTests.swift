// SPDX-License-Identifier: Apache-2.0

import Foundation
import SimulationKit
import Testing

extension Tag {
    @Tag static var simulation: Self
}

/// Seeds to run: `BOREALIS_SEEDS`, else 2,000 in a release build and a sample in a debug build, which is ten times slower.
private let seedCount: UInt64 = {
    if let text = ProcessInfo.processInfo.environment["BOREALIS_SEEDS"], let count = UInt64(text), count > 0 {
        return count
    }
    #if DEBUG
        return 100
    #else
        return 2000
    #endif
}()

private func options(_ rule: String? = nil, _ value: String = "off") -> SimulationOptions {
    var options = SimulationOptions()
    if let rule {
        let isKnown = options.set(rule: rule, to: value)
        precondition(isKnown, "no rule is called that")
    }
    return options
}

@Suite(.tags(.simulation), .serialized) struct SimulationTests {
    @Test func `no seed breaks a promise, and after its faults every seed commits and converges`() async {
        let summary = await SeedRunner.run(1...seedCount, options: options(), failuresMax: 3)
        for failure in summary.failures {
            Issue.record("seed \(failure.seed): \(failure.violation ?? "")")
        }
        #expect(UInt64(summary.seeds) == seedCount || !summary.failures.isEmpty)
        #expect(summary.totals.takeovers >= summary.seeds * 2, "a run that exercises nothing proves nothing")
        #expect(summary.totals.batches >= summary.seeds * 200)
        for (name, path) in SimulationTotals.fields where name != "blocked" && seedCount >= 100 {
            #expect(summary.totals[keyPath: path] > 0, "\(name) never happened")
        }
    }

    @Test func `beyond the promise service may end but nothing is lost in silence`() async {
        var options = options()
        options.beyondPromise = true
        let summary = await SeedRunner.run(1...min(seedCount, 300), options: options, failuresMax: 3)
        for failure in summary.failures {
            Issue.record("seed \(failure.seed): \(failure.violation ?? "")")
        }
        #expect(summary.refused > 0)
    }

    /// The other rules' absence needs more bad luck at once than 500 seeds have; transcripts show what each prevents.
    @Test(arguments: [
        ("refuseOldEpochs", "off"), ("acknowledgeAfterFlush", "off"), ("writeQuorum", "3"),
        ("truncateOnTakeover", "off"),
        ("stopAtHoles", "off"), ("repairBeforeTruncation", "off"), ("jumpOverAllocations", "off"),
        ("vdlNeedsTenure", "off"),
    ])
    func `a missing rule is noticed`(rule: String, value: String) async {
        let summary = await SeedRunner.run(1...500, options: options(rule, value))
        #expect(!summary.failures.isEmpty, "500 seeds without \(rule) found nothing")
    }
}

@Suite(.tags(.simulation)) struct DeterminismTests {
    @Test func `a seed gives the same run twice`() {
        for seed: UInt64 in 1...8 {
            let first = Simulation.run(seed: seed, options: options())
            let second = Simulation.run(seed: seed, options: options())
            #expect(first.digest == second.digest && first.totals == second.totals)
        }
    }

    @Test func `different seeds give different runs`() {
        let digests = Set((1...8).map { Simulation.run(seed: $0, options: options()).digest })
        #expect(digests.count == 8)
    }

    /// Swift seeds its hashing anew in every process: a loop over a dictionary would show here and not within one process.
    @Test func `two processes give the same digest`() throws {
        guard let program = Self.program else { return }
        let outputs = try (0..<2).map { _ in try Self.output(of: program) }
        #expect(outputs[0].contains("digest"))
        #expect(outputs[0] == outputs[1])
    }

    /// The `simulate` program, beside the test bundle, if it has been built.
    private static var program: URL? {
        let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        return [bundle, bundle.deletingLastPathComponent()].map { $0.appendingPathComponent("simulate") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    /// The program's output without its timing.
    private static func output(of program: URL) throws -> String {
        let process = Process()
        process.executableURL = program
        process.arguments = ["--seeds", "1..16"]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard let digest = text.range(of: "digest") else { return "" }
        return String(text[digest.lowerBound...])
    }
}
