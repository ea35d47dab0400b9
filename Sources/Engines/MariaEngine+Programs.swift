// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

extension MariaEngine {
    /// Where Debian puts the server.
    static let standardDirectory = "/usr/sbin"

    /// Programs without which there is no instance.
    private static let needed = ["mariadbd", "mariadb-install-db"]

    /// A program in the directory or in those beside it: Debian's server is in sbin and its script in bin, a tarball has
    /// the script in scripts.
    static func program(_ name: String, in directory: String) -> String? {
        ["", "/../sbin", "/../bin", "/../libexec", "/../scripts"].map { "\(directory)\($0)/\(name)" }
            .first { access($0, X_OK) == 0 }
    }

    /// A release series, such as 10.11.
    struct Version: Equatable {
        var major: Int
        var minor: Int
        /// Grows with the version.
        var number: Int { major * 1000 + minor }

        /// From what `mariadbd --version` prints: `mariadbd  Ver 10.11.6-MariaDB for ...`.
        init?(printed text: String) {
            guard let mark = text.range(of: " Ver ") else { return nil }
            let parts = text[mark.upperBound...].prefix { $0.isNumber || $0 == "." }.split(separator: ".")
            guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1]) else { return nil }
            (self.major, self.minor) = (major, minor)
        }
    }

    /// Asks a server for its version; nil if it does not say.
    static func version(of program: String) -> Version? {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["--no-defaults", "--version"]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Version(printed: text)
    }

    /// Finds the directory of MariaDB's server: what was asked for, or else $BOREALIS_MARIADB_BIN, Debian's.
    ///
    /// Throws an error that says what to install.
    package static func locateBinaries(requested: String?, environment: [String: String]) throws -> String {
        let named = requested ?? environment["BOREALIS_MARIADB_BIN"]
        for directory in named.map({ [$0] }) ?? [standardDirectory, "/usr/local/mysql/bin", "/usr/local/bin"] {
            if needed.allSatisfy({ program($0, in: directory) != nil }) { return directory }
        }
        guard let named, let missing = needed.first(where: { program($0, in: named) == nil }) else {
            throw EngineError(
                "MariaDB's server programs are not installed",
                remedy: "run `apt-get install mariadb-server`, or name their directory with --mariadb-bin")
        }
        throw EngineError(
            "there is no program \(missing) in or beside \(named)",
            remedy: "name the directory of mariadbd with --mariadb-bin or BOREALIS_MARIADB_BIN")
    }
}
