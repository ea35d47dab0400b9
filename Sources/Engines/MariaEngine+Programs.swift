// SPDX-License-Identifier: Apache-2.0

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
