// SPDX-License-Identifier: Apache-2.0

import Logging
import MySQLWire
import NIOCore
import NIOPosix
import NIOSSL
import ProxyCore

/// What the clients of one MySQL pool share.
final class MySQLPoolCommon: Initialisable {
    let registry = MySQLStatementRegistry()
    /// Databases a server has let this user into lately, so that a login need not ask.
    private var databases: [String: Int64] = [:]

    func knows(_ database: String, now: Int64) -> Bool {
        databases[database].map { now - $0 < 10_000_000_000 } ?? false
    }

    func learn(_ database: String, now: Int64) {
        if databases.count > 1000 { databases.removeAll() }
        databases[database] = now
    }

    func forgetDatabases() { databases.removeAll() }
}

/// One connection to a MySQL or MariaDB server: logs in, sets the session up, then moves bytes between
/// `MySQLBackendSession` and whoever uses it.
///
/// Belongs to one event loop. Decisions are the machines'.
final class MySQLBackendConnection: ServerConnection, PooledBackend {
    /// What is asked after the login.
    private enum Setup {
        case session
        /// Once a group: the list of collations.
        case collations
    }

    unowned let owner: any BackendOwner<MySQLBackendConnection>
    private(set) var session: MySQLBackendSession?
    var client: MySQLClientConnection?
    private(set) var isReadOnly = false
    private var setup = Setup.session
    private let isSplit: Bool
    private var login: MySQLBackendLogin
    private var handshake: MySQLHandshake?

    override var peer: RelayEnd? { client }

    init(
        id: Int, target: ProxyConfiguration.Address, group: GroupContext,
        owner: any BackendOwner<MySQLBackendConnection>, key: PoolKey
    ) {
        self.owner = owner
        isSplit = key.isSplit
        login = MySQLBackendLogin(
            credentials: key.credentials, tls: group.configuration.targetTLS,
            flags: MySQLCapabilities(rawValue: key.flags))
        super.init(id: id, target: target, group: group)
    }

    override func received(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) throws {
        if let session {
            try deliver(bytes, session)
        } else {
            buffer.writeImmutableBuffer(bytes)
            try continueLogin(context)
        }
    }

    private func deliver(_ bytes: ByteBuffer, _ session: MySQLBackendSession) throws {
        var out = RelayOutput()
        let outcome = try session.receive(bytes, toClient: &out)
        if let client {
            client.deliver(&out, outcome)
        } else if outcome == .internalDone, session.isQuiet {
            quiet(session)
        }
    }

    private func quiet(_ session: MySQLBackendSession) {
        switch (stage, setup) {
        case (.loggingIn, .session):
            if let error = session.internalError { return fail(error) }
            isReadOnly = session.internalRows.first?.first.flatMap { $0 } == "1"
            if group.shared.greeting == nil {
                setup = .collations
                send(session.beginStatement(MySQLGreeting.collationQuestion))
            } else {
                opened()
            }
        case (.loggingIn, .collations):
            if let handshake {
                group.shared.learn(
                    MySQLGreeting(
                        version: handshake.serverVersion, status: session.status, collations: session.internalRows))
            }
            opened()
        case (.open, _): owner.backendQuiet(self)
        case (.closed, _): break
        }
    }

    private func opened() {
        stage = .open
        owner.backendOpened(self)
    }

    private func continueLogin(_ context: ChannelHandlerContext) throws {
        while stage == .loggingIn, session == nil {
            switch try login.receive(&buffer) {
            case .more: return
            case .send(let bytes):
                if bytes.readableBytes > 0 { send(bytes) }
            case .startTLS(let request):
                guard let tls = group.shared.targetTLS else { throw MySQLWireError.malformed }
                send(request)
                try startTLS(tls, context)
                send(try login.encryptedNow())
            case .ready(let session, let handshake):
                session.isReadOnly = isSplit
                self.session = session
                self.handshake = handshake
                var bytes = session.beginSetup()
                bytes.writeImmutableBuffer(session.beginStatement("SELECT @@global.read_only"))
                send(bytes)
            case .fail(let error): fail(error)
            }
        }
    }

    override func violated(_ error: any Error) {
        if case MySQLWireError.authentication(let text) = error {
            fail(MySQLServerError(code: 2059, state: "28000", message: text))
        } else {
            fail(.lost("the server sent something the proxy does not understand"))
        }
    }

    override func failed(_ text: String) { fail(.lost(text)) }

    override func lost() {
        let client = self.client
        self.client = nil
        owner.backendClosed(self)
        client?.backendLost(self)
    }
}

extension MySQLServerError {
    /// The code clients know for a connection that broke; they report it as one they may retry.
    static func lost(_ message: String) -> MySQLServerError {
        MySQLServerError(code: 2013, state: "08S01", message: message)
    }
}

// MARK: For the pool and the monitor

extension MySQLBackendConnection {
    var settings: MySQLSettings { session?.settings ?? .none }
    var isInTransaction: Bool { session?.isInTransaction ?? false }
    var saidGoodbye: Bool { session?.parting != nil }
    var ownError: String? { session?.internalError?.message }

    func run(_ statement: String) {
        if let session { send(session.beginStatement(statement)) }
    }

    /// One command undoes both an open transaction and whatever else was left.
    func reset(rollBack: Bool, discard: Bool) {
        if let session { send(session.beginReset()) }
    }

    func teach(_ common: MySQLPoolCommon) {}

    static func isLasting(_ error: MySQLServerError) -> Bool {
        [1044, 1045, 1049, 1130, 1251, 1275, 1524, 1698, 1820, 2059, 3118, 4151].contains(error.code)
    }

    static func forgetWelcomes(_ common: MySQLPoolCommon) { common.forgetDatabases() }

    static func words(_ error: MySQLServerError) -> String { error.message }

    static let topologyQuestion = """
        SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'gtid_current_pos'); SHOW REPLICA STATUS
        """

    /// The second statement needs a privilege that the user may lack, and MySQL 5.7 does not know it: then the lag is
    /// taken for none.
    var topologyAnswer: TopologyAnswer? {
        guard let session else { return nil }
        var variables: [String: String] = [:]
        var lag = 0.0
        for row in session.internalRows {
            if row.count == 2, let name = row[0] {
                variables[name] = row[1] ?? ""
            } else if let column = session.internalColumns.dropFirst(2).firstIndex(where: {
                $0 == "Seconds_Behind_Master" || $0 == "Seconds_Behind_Source"
            }), column - 2 < row.count {
                // NULL: it does not replicate at all.
                lag = max(lag, row[column - 2].flatMap { Double($0) } ?? 1e9)
            }
        }
        guard let readOnly = variables["read_only"] else { return nil }
        let generation = (variables["gtid_current_pos"] ?? "").split(separator: ",")
            .compactMap { $0.split(separator: "-").last.flatMap { Int($0) } }.reduce(0, +)
        return TopologyAnswer(isWriter: readOnly == "OFF", lagSeconds: lag, generation: generation)
    }
}
