// SPDX-License-Identifier: Apache-2.0

import MySQLWire
import NIOCore
import ProxyCore

/// Runs one KILL over a connection of its own and closes it.
///
/// The connection it concerns is busy with the statement to be killed. `done` is called on the loop, with the server's
/// error if there was one, also when the server could not be reached, and with `timedOut` when it says nothing.
final class MySQLKill: BackendOwner {
    typealias Backend = MySQLBackendConnection

    static let timedOut = "the server did not answer"
    private static let answerSeconds: Int64 = 5

    private let statement: String
    private var done: ((String?) -> Void)?
    private var connection: MySQLBackendConnection?
    /// The channel's handler does not keep its owner alive.
    private var itself: MySQLKill?

    private init(_ statement: String, done: @escaping (String?) -> Void) {
        self.statement = statement
        self.done = done
    }

    static func send(
        _ statement: String, to target: ProxyConfiguration.Address, as credentials: BackendCredentials,
        group: GroupContext, done: @escaping (String?) -> Void
    ) {
        let kill = MySQLKill(statement, done: done)
        let connection = MySQLBackendConnection(
            id: 0, target: target, group: group, owner: kill,
            key: PoolKey(role: .readWrite, credentials: credentials, database: ""))
        kill.itself = kill
        kill.connection = connection
        connection.open(on: group.loop.eventLoop)
        group.loop.eventLoop.assumeIsolated().scheduleTask(in: .seconds(answerSeconds)) { kill.finish(timedOut) }
    }

    private func finish(_ error: String?) {
        guard let done else { return }
        self.done = nil
        done(error)
        guard let connection else { return }
        connection.close()
        // Not at once: the channel may still tell its owner that it is closed.
        connection.group.loop.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { self.release() }
    }

    private func release() {
        connection = nil
        itself = nil
    }

    func backendOpened(_ connection: MySQLBackendConnection) { connection.run(statement) }

    func backendFailed(_ connection: MySQLBackendConnection, _ error: MySQLServerError) { finish(error.message) }

    func backendQuiet(_ connection: MySQLBackendConnection) { finish(connection.ownError) }

    func backendClosed(_ connection: MySQLBackendConnection) { finish("the connection was lost") }
}
