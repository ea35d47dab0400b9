// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation

/// Statements for a running engine, through the engine's own client program. Calls block for seconds at most.
struct EngineSession: Sendable {
    private static let connectSeconds = "5"

    let kind: EngineKind
    /// Where its programs are.
    let binaries: String
    /// With the master user and password.
    let url: String

    /// Rows of fields. The text goes through a pipe, so secrets in it are not seen among the arguments.
    @discardableResult
    func run(_ sql: String, password: String? = nil) throws -> [[String]] {
        guard let parts = URLComponents(string: url), let host = parts.host, let port = parts.port else {
            throw ControlError("the engine's address \(url.prefix(20))… is not valid", remedy: "see `borealis status`")
        }
        let password = password ?? parts.password ?? ""
        let output: String
        switch kind {
        case .postgres:
            output = try ProgramRun(
                "\(binaries)/psql",
                arguments: [
                    "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator", "\t", "--set",
                    "ON_ERROR_STOP=1", "--host", host, "--port", "\(port)", "--username", parts.user ?? "",
                    "--dbname", "postgres", "--file", "-",
                ],
                environment: ["PGPASSWORD": password, "PGCONNECT_TIMEOUT": Self.connectSeconds], input: sql
            ).text()
        case .mariadb:
            output = try ProgramRun(
                FileManager.default.isExecutableFile(atPath: "\(binaries)/mariadb")
                    ? "\(binaries)/mariadb" : "/usr/bin/mariadb",
                arguments: [
                    "--no-defaults", "--batch", "--skip-column-names", "--connect-timeout=\(Self.connectSeconds)",
                    "--protocol=tcp", "--host=\(host)", "--port=\(port)", "--user=\(parts.user ?? "")",
                ],
                environment: ["MYSQL_PWD": password], input: sql
            ).text()
        }
        return output.split(separator: "\n").map { line in
            line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
    }

    /// Whether the engine lets the master user in with a password.
    func accepts(password: String) -> Bool { (try? run("SELECT 1;", password: password)) != nil }

    /// Makes a database unless it is there.
    func ensureDatabase(_ name: String) throws {
        switch kind {
        case .postgres:
            let found = try run("SELECT 1 FROM pg_database WHERE datname = \(Self.literal(name));")
            if found.isEmpty { try run("CREATE DATABASE \"\(name)\";") }
        case .mariadb: try run("CREATE DATABASE IF NOT EXISTS `\(name)`;")
        }
    }

    /// How many statements of clients run at this moment. PostgreSQL only.
    func runningStatements() throws -> Int {
        let rows = try run(
            """
            SELECT count(*) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid();
            """)
        return rows.first?.first.flatMap { Int($0) } ?? 0
    }

    func setPassword(_ password: String, of user: String) throws {
        switch kind {
        case .postgres: try run("ALTER ROLE \"\(user)\" PASSWORD \(Self.literal(password));")
        case .mariadb:
            // The health check's account has the same password; the master's comes last, because it is what is looked at.
            let text = Self.literal(password)
            try run(
                """
                SET sql_mode = 'NO_BACKSLASH_ESCAPES';
                ALTER USER IF EXISTS '\(MariaEngine.watcher)'@'localhost' IDENTIFIED BY \(text);
                ALTER USER '\(user)'@'%' IDENTIFIED BY \(text);
                """)
        }
    }

    /// Changes a running MariaDB; PostgreSQL reads its file again instead.
    func setGlobals(_ settings: [String: String]) throws {
        guard kind == .mariadb else { return }
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) {
            let isNumber = Int64(value) != nil || Double(value) != nil
            try run(
                "SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SET GLOBAL \(name) = \(isNumber ? value : Self.literal(value));"
            )
        }
    }

    private static func literal(_ text: String) -> String { "'\(text.replacing("'", with: "''"))'" }
}

extension EngineSession {
    /// The engine's own list of what can be set.
    func parameterCatalog(of offer: EngineOffer) throws -> ParameterCatalogRecord {
        let question = CatalogQuestion(kind: kind)
        return ParameterCatalogRecord(
            id: offer.family, engineVersion: offer.version, parameters: question.parameters(try run(question.sql + ";"))
        )
    }
}
