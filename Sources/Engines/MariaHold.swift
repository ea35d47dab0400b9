// SPDX-License-Identifier: Apache-2.0

/// Has the writer's commits wait for some milliseconds, so that a reader can be mounted between two of them.
///
/// `BACKUP STAGE BLOCK_COMMIT` lets what runs come to an end and holds back what comes next: commits, XA, DDL, accounts,
/// tables without transactions. `FLUSH BINARY LOGS` then syncs, so that all of it is durable. At an LSN of this moment,
/// whatever is in the binlog is in the tables and the reverse. The server lets go when the session ends, however it ends.
struct MariaHold {
    /// How long the writer may take to come to rest, seconds, while other statements wait behind the hold: a long statement on
    /// a table without transactions is not waited for.
    private static let restSeconds = 2

    let source: ReplicationSource
    let account: ReplicationAccount

    /// Runs `body`, while the writer is held if it came to rest in time.
    ///
    /// - Returns: what `body` found, and why the writer was not held; nil: it was
    func run<R>(_ body: () throws -> R) throws -> (found: R, obstacle: String?) {
        let session = try MariaSession(
            .remote(source.host, port: source.port), user: account.user, password: account.password,
            timeoutMilliseconds: (Self.restSeconds + 3) * 1000)
        defer { session.leave() }
        // Without one there is nothing to replicate from: the writer restarts to turn it on.
        guard try session.run("SELECT @@GLOBAL.log_bin AS is_on").first?["is_on"] == "1" else {
            throw EngineError("the writer has no binlog yet", remedy: "it is restarted with one by itself")
        }
        let obstacle = stop(session)
        try session.run("FLUSH NO_WRITE_TO_BINLOG BINARY LOGS")
        let found = try body()
        if obstacle == nil { try session.run("BACKUP STAGE END") }
        return (found, obstacle)
    }

    /// Why the writer does not come to rest; nil: it is held.
    private func stop(_ session: MariaSession) -> String? {
        do {
            try session.run("SET SESSION lock_wait_timeout = \(Self.restSeconds)")
            try session.run("BACKUP STAGE START")
            try session.run("BACKUP STAGE BLOCK_COMMIT")
            return nil
        } catch {
            _ = try? session.run("BACKUP STAGE END")
            return "\(error)"
        }
    }
}
