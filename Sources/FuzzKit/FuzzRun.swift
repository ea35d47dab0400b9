// SPDX-License-Identifier: Apache-2.0

package import SimulationKit

/// Something that takes bytes from a network, put under generated ones.
///
/// An input is a whole conversation. Everything it does follows from `random`, so that a seed repeats it.
package protocol FuzzTarget: SendableMetatype {
    static var name: String { get }
    /// Runs one input. Returns what was wrong with the answer; a trap is the other way to fail.
    static func run(_ random: inout SimulationRandom) -> String?
}

/// Runs inputs of all targets in turn.
package enum FuzzRun {
    package struct Failure: Sendable {
        package var target: String
        package var seed: UInt64
        package var violation: String
    }

    package static let targets: [any FuzzTarget.Type] = [
        PostgresRelayFuzz.self, MySQLRelayFuzz.self, PostgresLoginFuzz.self, MySQLLoginFuzz.self, TextFuzz.self,
    ]

    /// The input of one seed; the target is the seed's remainder.
    package static func run(seed: UInt64) -> Failure? {
        let target = targets[Int(seed % UInt64(targets.count))]
        var random = SimulationRandom(seed: seed)
        return target.run(&random).map { Failure(target: target.name, seed: seed, violation: $0) }
    }

    /// Runs seeds in turn up to the first failure. `note` hears of each before it runs, for the word after a trap.
    package static func run(_ seeds: some Sequence<UInt64>, note: (UInt64) -> Void = { _ in }) -> Failure? {
        for seed in seeds {
            note(seed)
            if let failure = run(seed: seed) { return failure }
        }
        return nil
    }
}
