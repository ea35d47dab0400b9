// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOPosix
import NIOSSL
import PostgresWire
import ProxyCore

/// One connection to a PostgreSQL server: logs in, then moves bytes between `BackendSession` and whoever uses it.
///
/// Belongs to one event loop. Decisions are the machines'.
final class BackendConnection: ServerConnection, PooledBackend {
    unowned let owner: any BackendOwner<BackendConnection>
    private(set) var session: BackendSession?
    var client: PostgresClientConnection?
    private var login: BackendLogin
    private let credentials: BackendCredentials

    override var peer: RelayEnd? { client }

    init(
        id: Int, target: ProxyConfiguration.Address, group: GroupContext,
        owner: any BackendOwner<BackendConnection>, key: PoolKey
    ) {
        self.owner = owner
        credentials = key.credentials
        login = BackendLogin(
            credentials: credentials, database: key.database, tls: group.configuration.targetTLS,
            clientNonce: Nonce.text())
        super.init(id: id, target: target, group: group)
    }

    override func connected() { send(login.start()) }

    override func received(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) throws {
        if let session {
            try deliver(bytes, session)
        } else {
            buffer.writeImmutableBuffer(bytes)
            try continueLogin(context)
        }
    }

    private func deliver(_ bytes: ByteBuffer, _ session: BackendSession) throws {
        var out = RelayOutput()
        let outcome = try session.receive(bytes, toClient: &out)
        if let client {
            client.deliver(&out, outcome)
        } else if outcome != .moved, session.isQuiet {
            owner.backendQuiet(self)
        }
    }

    private func continueLogin(_ context: ChannelHandlerContext) throws {
        while stage == .loggingIn {
            let action = try login.receive(&buffer) { salt, iterations in
                group.shared.saltedPassword(credentials, salt: salt, iterations: iterations)
            }
            switch action {
            case .more: return
            case .send(let bytes):
                if bytes.readableBytes > 0 { send(bytes) }
            case .startTLS:
                guard let tls = group.shared.targetTLS else { throw PostgresWireError.unexpected(kind: 0x53) }
                try startTLS(tls, context)
                send(login.encrypted())
            case .ready(let session):
                self.session = session
                stage = .open
                buffer = ByteBuffer()
                owner.backendOpened(self)
            case .fail(let error): fail(error)
            }
        }
    }

    override func violated(_ error: any Error) {
        fail(.fatal("08P01", "the server sent something the proxy does not understand"))
    }

    override func failed(_ text: String) { fail(.fatal("08006", text)) }

    override func lost() {
        let client = self.client
        self.client = nil
        owner.backendClosed(self)
        client?.backendLost(self)
    }
}

// MARK: For the pool and the monitor

extension BackendConnection {
    var settings: SessionSettings { session?.settings ?? .none }
    var isInTransaction: Bool { session.map { $0.status != .idle } ?? false }
    var isReadOnly: Bool { session?.isInRecovery == true }
    var saidGoodbye: Bool { session?.fatal != nil }
    var ownError: String? { session?.internalError?.message }

    func run(_ statement: String) {
        if let session { send(session.beginStatement(statement)) }
    }

    func reset(rollBack: Bool, discard: Bool) {
        guard let session else { return }
        if rollBack { send(session.beginStatement("ROLLBACK")) }
        if discard { send(session.beginReset()) }
    }

    func teach(_ common: PostgresPoolCommon) {
        if common.defaults == nil { common.defaults = session?.reported }
    }

    static func isLasting(_ error: ServerError) -> Bool {
        let code = error.code
        return code.hasPrefix("28") || code.hasPrefix("3D") || code.hasPrefix("42") || code == "08P01"
            || code == "0A000"
    }

    static func forgetWelcomes(_ common: PostgresPoolCommon) { common.welcomes = [:] }

    static func words(_ error: ServerError) -> String { error.message }

    /// The control file names a writer's timeline only from the first checkpoint after its promotion on, which may take
    /// minutes; the name of the WAL file it writes begins with it at once.
    static let topologyQuestion = """
        SELECT pg_catalog.pg_is_in_recovery(), CASE WHEN pg_catalog.pg_is_in_recovery() THEN \
        COALESCE(EXTRACT(epoch FROM pg_catalog.now() - pg_catalog.pg_last_xact_replay_timestamp()), 0) ELSE 0 END, \
        CASE WHEN pg_catalog.pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()) \
        ELSE ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))::bit(32)::int4 END, \
        pg_catalog.pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_catalog.pg_last_wal_replay_lsn()
        """

    var topologyAnswer: TopologyAnswer? {
        guard let row = session?.internalRows.first, row.count == 4, session?.internalError == nil else { return nil }
        let caughtUp = row[3] == "t"
        return TopologyAnswer(
            isWriter: row[0] == "f", lagSeconds: caughtUp ? 0 : row[1].flatMap { Double($0) } ?? 0,
            generation: row[2].flatMap { Int($0) } ?? 0)
    }
}

/// Random text for SCRAM.
enum Nonce {
    static func text() -> String {
        // Each number is a system call.
        let numbers = (
            UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max)
        )
        return Base64.encode(withUnsafeBytes(of: numbers) { Array($0.prefix(18)) })
    }
}
