// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

extension PostgresEngine {
    /// Programs without which there is no instance.
    private static let needed = ["postgres", "initdb"]

    /// Finds the directory of PostgreSQL's programs: what was asked for, or else $BOREALIS_PG_BIN, pg_config's, Debian's.
    ///
    /// Throws an error that says what to install.
    package static func locateBinaries(requested: String?, environment: [String: String]) throws -> String {
        if let named = requested ?? environment["BOREALIS_PG_BIN"] {
            if let missing = firstMissing(in: named) {
                throw EngineError(
                    "there is no program \(named)/\(missing)",
                    remedy: "name the directory of PostgreSQL 15's programs with --pg-bin or BOREALIS_PG_BIN")
            }
            return named
        }
        for candidate in ["/usr/lib/postgresql/15/bin"] + configuredDirectory() where firstMissing(in: candidate) == nil
        {
            return candidate
        }
        throw EngineError(
            "PostgreSQL's server programs are not installed",
            remedy: "run `apt-get install postgresql-15`, or name their directory with --pg-bin")
    }

    private static func firstMissing(in directory: String) -> String? {
        needed.first { access("\(directory)/\($0)", X_OK) != 0 }
    }

    private static func configuredDirectory() -> [String] {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["pg_config", "--bindir"]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return [] }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let directory = text.trimmingCharacters(in: .whitespacesAndNewlines)
        return directory.isEmpty ? [] : [directory]
    }
}
