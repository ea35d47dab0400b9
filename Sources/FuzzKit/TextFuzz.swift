// SPDX-License-Identifier: Apache-2.0

import ProxyCore
package import SimulationKit

/// The classifiers, fingerprints and token parser under texts of any kind.
package enum TextFuzz: FuzzTarget {
    package static let name = "text"

    package static func run(_ random: inout SimulationRandom) -> String? {
        var bytes = Array(SQLGenerator.soup(&random).utf8)
        if random.chance(1, in: 3) { bytes += (0..<random.pick(0...20)).map { _ in UInt8(random.pick(0...255)) } }
        if !bytes.isEmpty, random.chance(1, in: 3) { bytes.removeLast(random.pick(0...(bytes.count - 1))) }
        var mode = MySQLScanner.Mode()
        mode.ansiQuotes = random.chance(1, in: 4)
        mode.noBackslashEscapes = random.chance(1, in: 4)
        let truncated = random.chance(1, in: 4)
        let (first, second) = bytes.withUnsafeBytes { text in
            (results(text, mode, truncated), results(text, mode, truncated))
        }
        if first != second { return "two classifications of one text differ" }
        _ = try? IAMToken(parsing: String(decoding: bytes, as: UTF8.self))
        return first.fingerprints.allSatisfy { $0.utf8.count <= 4 * Fingerprint.limit } ? nil : "a fingerprint is long"
    }

    private struct Results: Equatable {
        var postgres: ScriptEffects
        var mysql: MySQLEffects
        var fingerprints: [String]
    }

    private static func results(
        _ text: UnsafeRawBufferPointer, _ mode: MySQLScanner.Mode, _ truncated: Bool
    ) -> Results {
        Results(
            postgres: StatementClassifier().classify(text),
            mysql: MySQLClassifier().effects(of: text, mode: mode, truncated: truncated),
            fingerprints: [Fingerprint.of(text), Fingerprint.ofMySQL(text)])
    }
}
