// SPDX-License-Identifier: Apache-2.0

package import Engines
internal import Foundation

/// An engine that the region offers, under the name by which AWS's clients ask for it.
package struct EngineOffer: Sendable {
    package var kind: EngineKind
    /// Of the programs that run: `15.14`, `10.11.11`.
    package var version: String
    /// The directory of its programs.
    package var binaries: String

    package init(kind: EngineKind, version: String, binaries: String) {
        self.kind = kind
        self.version = version
        self.binaries = binaries
    }

    /// `aurora-postgresql` or `aurora-mysql`.
    package var name: String { kind.awsName }

    /// `15`, `10.11`: what compatibility goes by.
    package var majorVersion: String {
        let parts = version.split(separator: ".")
        return kind == .postgres ? String(parts.first ?? "") : parts.prefix(2).joined(separator: ".")
    }

    package var family: String { name + majorVersion }
    package var defaultGroup: String { "default.\(family)" }

    /// Whether a client that asks for `wanted` gets this version.
    func satisfies(_ wanted: String) -> Bool { wanted == version || wanted == majorVersion }

    /// The engine's server program.
    static func server(of kind: EngineKind, binaries: String) throws -> String {
        let names = kind == .postgres ? ["postgres"] : ["mariadbd", "mysqld"]
        let candidates = [binaries, "/usr/sbin"].flatMap { directory in names.map { "\(directory)/\($0)" } }
        guard let program = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            throw ControlError("there is no program \(binaries)/\(names[0])", remedy: "install \(kind.package)")
        }
        return program
    }

    /// Asks the engine's server program for its version. Blocks for as long as that runs.
    package static func version(of kind: EngineKind, binaries: String) throws -> String {
        let program = try server(of: kind, binaries: binaries)
        let output = try ProgramRun(program, arguments: ["--version"]).text()
        // The program's own path, which MySQL's family prints first, may hold numbers, too.
        let said = output.range(of: " Ver ").map { output[$0.upperBound...] } ?? output[...]
        guard let match = said.firstMatch(of: /\d+\.\d+(\.\d+)?/) else {
            throw ControlError("\(program) --version does not name a version", remedy: "install \(kind.package) again")
        }
        return String(match.0)
    }
}

extension EngineKind {
    package var awsName: String {
        switch self {
        case .postgres: "aurora-postgresql"
        case .mariadb: "aurora-mysql"
        }
    }

    var defaultAPIPort: Int {
        switch self {
        case .postgres: 5432
        case .mariadb: 3306
        }
    }

    /// Logs that can be exported at AWS.
    var logTypes: [String] {
        switch self {
        case .postgres: ["postgresql"]
        case .mariadb: ["error", "general", "slowquery"]
        }
    }
}
