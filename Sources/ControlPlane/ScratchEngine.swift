// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Glibc

/// An engine on an empty directory that is thrown away, without a network: it says what can be set before there is a cluster
/// to ask. Takes a second or two.
struct ScratchEngine {
    private static let patience: Duration = .seconds(60)

    let offer: EngineOffer

    /// Blocks until the engine has answered and ended.
    func parameterCatalog() throws -> ParameterCatalogRecord {
        let account = try EngineAccount.resolve(requested: nil, for: offer.kind)
        let directory = try makeDirectory(for: account)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let question = CatalogQuestion(kind: offer.kind)
        let sql = question.sql.replacing("\n", with: " ")
        switch offer.kind {
        case .postgres: try runPostgres(sql, in: directory, account)
        case .mariadb: try runMaria(sql, in: directory, account)
        }
        let answer = try String(contentsOfFile: Self.answer(directory), encoding: .utf8)
        let rows = answer.split(separator: "\n").map {
            $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        }
        return ParameterCatalogRecord(
            id: offer.family, engineVersion: offer.version, parameters: question.parameters(rows))
    }

    private static func answer(_ directory: String) -> String { "\(directory)/answer" }

    /// PostgreSQL's single-user mode reads statements from its input, one a line.
    private func runPostgres(_ sql: String, in directory: String, _ account: EngineAccount?) throws {
        let (data, statements) = ("\(directory)/data", "\(directory)/statements")
        try run(
            "\(offer.binaries)/initdb",
            ["--pgdata", data, "--no-sync", "--auth", "trust", "--locale", "C.UTF-8", "--no-instructions"], directory,
            account)
        try write("COPY (\(sql)) TO '\(Self.answer(directory))';\n", to: statements, account)
        try run(
            "/bin/sh",
            ["-c", "exec \"$0\" --single -D \"$1\" postgres <\"$2\"", "\(offer.binaries)/postgres", data, statements],
            directory, account)
    }

    /// MariaDB runs the statements of its init file, one a line; the last one ends it.
    private func runMaria(_ sql: String, in directory: String, _ account: EngineAccount?) throws {
        let (data, statements) = ("\(directory)/data", "\(directory)/statements")
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: false)
        try give(data, to: account)
        try write("\(sql) INTO OUTFILE '\(Self.answer(directory))';\nSHUTDOWN;\n", to: statements, account)
        let server = try EngineOffer.server(of: offer.kind, binaries: offer.binaries)
        let base =
            ["/usr/sbin", "/usr/bin"].contains { server.hasPrefix($0 + "/") }
            ? [] : ["--basedir=\((offer.binaries as NSString).deletingLastPathComponent)"]
        try run(
            server,
            ["--no-defaults"] + base + [
                "--skip-grant-tables", "--skip-networking", "--skip-log-bin", "--innodb-log-file-size=4M",
                "--socket=\(directory)/socket", "--pid-file=\(directory)/pid", "--datadir=\(data)",
                "--tmpdir=\(directory)", "--init-file=\(statements)",
            ], directory, account)
    }

    // MARK: - Files and processes

    private func makeDirectory(for account: EngineAccount?) throws -> String {
        let usual = NSTemporaryDirectory()
        let base = account?.obstacle(on: usual) == nil ? usual : "/tmp"
        var template = Array("\(base)/borealis-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw ControlError("no temporary directory: \(String(cString: strerror(errno)))", remedy: "check $TMPDIR")
        }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try give(path, to: account)
        return path
    }

    private func write(_ text: String, to path: String, _ account: EngineAccount?) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try give(path, to: account)
    }

    private func give(_ path: String, to account: EngineAccount?) throws {
        guard let account, chown(path, uid_t(account.uid), gid_t(account.gid)) != 0 else { return }
        throw ControlError(
            "cannot give \(path) to \(account.name): \(String(cString: strerror(errno)))", remedy: "check $TMPDIR")
    }

    private func run(_ program: String, _ arguments: [String], _ directory: String, _ account: EngineAccount?) throws {
        var launch = Launch(
            path: program, arguments: arguments,
            environment: [
                "PATH": "\(offer.binaries):/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": directory,
            ])
        launch.directory = directory
        launch.account = account
        launch.outputFile = "\(directory)/log"
        let process = try ChildProcess.spawn(launch)
        let end = ContinuousClock.now + Self.patience
        while process.poll() == nil {
            if ContinuousClock.now > end { process.signal(SIGKILL) }
            usleep(10_000)
        }
        guard process.wait() == .code(0) else {
            let log = (try? String(contentsOfFile: "\(directory)/log", encoding: .utf8)) ?? ""
            let last = log.split(separator: "\n").last.map(String.init) ?? "it printed nothing"
            throw ControlError("\(program) ended with \(process.wait()): \(last)", remedy: "install it again")
        }
    }
}

/// Asks engines that have not run yet, each once however many requests want to know.
actor ScratchCatalogs {
    private var asked: [String: Task<ParameterCatalogRecord, any Error>] = [:]

    func catalog(of offer: EngineOffer) async throws -> ParameterCatalogRecord {
        if let task = asked[offer.family] { return try await task.value }
        let task = Task { try await Blocking.run { try ScratchEngine(offer: offer).parameterCatalog() } }
        asked[offer.family] = task
        defer { asked[offer.family] = nil }
        return try await task.value
    }
}
