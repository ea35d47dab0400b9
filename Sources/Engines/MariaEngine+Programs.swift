// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

extension MariaEngine {
    /// Where Debian puts the server.
    static let standardDirectory = "/usr/sbin"

    /// MariaDB's script that fills a data directory; MySQL's server does it by itself.
    static let installer = "mariadb-install-db"

    /// A program in the directory or in those beside it: Debian's server is in sbin and its script in bin, a tarball has
    /// the script in scripts.
    static func program(_ name: String, in directory: String) -> String? {
        ["", "/../sbin", "/../bin", "/../libexec", "/../scripts"].map { "\(directory)\($0)/\(name)" }
            .first { access($0, X_OK) == 0 }
    }

    /// Finds the directory of MariaDB's or MySQL's server: what was asked for, or else $BOREALIS_MARIADB_BIN, Debian's.
    ///
    /// Throws an error that says what to install.
    package static func locateBinaries(requested: String?, environment: [String: String]) throws -> String {
        let named = requested ?? environment["BOREALIS_MARIADB_BIN"]
        for directory in named.map({ [$0] }) ?? [standardDirectory, "/usr/local/mysql/bin", "/usr/local/bin"] {
            guard let found = MySQLServer.find(in: directory) else { continue }
            if let obstacle = found.server.obstacle {
                throw EngineError(
                    "\(found.path) cannot be used: \(obstacle)",
                    remedy: "use MariaDB 10.4 or newer, or MySQL 8.0 or newer")
            }
            guard found.server.flavour == .mysql || program(installer, in: directory) != nil else {
                throw EngineError(
                    "there is no program \(installer) in or beside \(directory)",
                    remedy: "install the whole server, or name its directory with --mariadb-bin")
            }
            return directory
        }
        guard let named else {
            throw EngineError(
                "MariaDB's server programs are not installed",
                remedy: "run `apt-get install mariadb-server`, or name their directory with --mariadb-bin")
        }
        throw EngineError(
            "there is no program mariadbd or mysqld in or beside \(named) that tells its version",
            remedy: "name the directory of the server with --mariadb-bin or BOREALIS_MARIADB_BIN")
    }
}
