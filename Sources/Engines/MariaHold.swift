// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Has the writer's commits wait for some milliseconds, so that a reader can be mounted between two of them.
///
/// `BACKUP STAGE BLOCK_COMMIT` lets what runs come to an end and holds back what comes next: commits, XA, DDL, accounts,
/// tables without transactions. `FLUSH BINARY LOGS` then syncs, so that all of it is durable. At an LSN of this moment,
/// whatever is in the binlog is in the tables and the reverse. The server lets go when the session ends, however it ends.
struct MariaHold {
    /// How long the writer may take to come to rest, seconds, while other statements wait behind the hold: a long statement on
    /// a table without transactions is not waited for.
    private static let restSeconds = 1
    /// How long a writer that starts is waited for: one that gets its first reader restarts to turn its binlog on.
    private static let startPatience: Duration = .seconds(5)

    let source: ReplicationSource
    let account: ReplicationAccount

    /// Runs `body`, while the writer is held if it came to rest in time.
    ///
    /// - Returns: what `body` found, and why the writer was not held; nil: it was
    func run<R>(_ body: () throws -> R) throws -> (found: R, obstacle: String?) {
        let session = try open()
        defer { session.leave() }
        let obstacle = stop(session)
        try session.run("FLUSH NO_WRITE_TO_BINLOG BINARY LOGS")
        let found = try body()
        if obstacle == nil { try session.run("BACKUP STAGE END") }
        return (found, obstacle)
    }

    /// A session with a writer that has a binlog.
    private func open() throws -> MariaSession {
        let end = ContinuousClock.now + Self.startPatience
        while true {
            do {
                let session = try MariaSession(
                    .remote(source.host, port: source.port), user: account.user, password: account.password,
                    timeoutMilliseconds: (Self.restSeconds + 3) * 1000)
                if try session.run("SELECT @@GLOBAL.log_bin AS is_on").first?["is_on"] == "1" { return session }
                session.leave()
                throw EngineError("the writer has no binlog yet", remedy: "it is restarted with one by itself")
            } catch {
                guard ContinuousClock.now < end else { throw error }
                usleep(50_000)
            }
        }
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
