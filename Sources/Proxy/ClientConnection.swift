// SPDX-License-Identifier: Apache-2.0

import Logging
import NIOCore
import NIOPosix
import NIOSSL
import PostgresWire
import ProxyCore

/// What clients' connections have in common, whatever their protocol: stages, registration, TLS, time limits, counting.
///
/// The protocol's kind of connection overrides what is marked so, and is a `BackendBorrower`.
class ClientConnection: RelayEnd, ProxyClient {
    enum Stage {
        /// Nothing has been said, because no server has answered yet whose greeting could be passed on.
        case silent
        case loggingIn
        /// A password is being checked elsewhere, a KILL is under way, or the first backend connection is awaited.
        case busy
        case open
        case admin(AdminConsole)
        case closed
    }

    /// How many bytes a client may send ahead while it waits for a backend.
    static let readAhead = 256 << 10
    private static let longestLogin = 1 << 20

    final let listener: ListenerContext
    final let group: GroupContext
    final let loop: LoopContext
    /// Where this client is counted.
    final let endpoint: EndpointCounts
    final private(set) var number: UInt32 = 0
    final var user = ""
    final private(set) var usesTLS = false
    final var stage: Stage
    /// What came before the session was open.
    final var buffer: ByteBuffer?
    final var isWaiting = false
    final var isWelcoming = false
    /// The reader it had last.
    final var reader: ProxyConfiguration.Address?
    /// Since when the client has been idle, if it is: when it was answered last, or was last seen to wait for an answer.
    final var lastActive = Clock.now()
    /// When what is under way was asked for; 0 when nothing is.
    private var askedAt: Int64 = 0
    /// When the backend was lent that answers.
    private var lentAt: Int64 = 0

    final var id: Int { Int(number) }
    final var listenerName: String { listener.name }

    init(listener: ListenerContext, group: GroupContext, loop: LoopContext, stage: Stage) {
        self.listener = listener
        self.group = group
        self.loop = loop
        endpoint = loop.endpoint(listener.name)
        self.stage = stage
    }

    // MARK: To be overridden

    /// It is connected.
    func begin() {}
    /// The backend has not answered yet what the client asked of it.
    var owesAnswer: Bool { false }
    var isPinned: Bool { false }
    var isInTransaction: Bool { false }
    var cancelSecret: [UInt8] { [] }
    var summary: ClientSummary {
        ClientSummary(
            number: number, user: user, listener: listener.name,
            state: peer != nil ? "linked" : isWaiting ? "waiting" : "idle")
    }
    /// Bytes of an open session.
    func take(_ bytes: ByteBuffer) {}
    /// Moves what the client has sent: to the backend it has, or into the queue for one.
    func drive() {}
    func continueLogin() {}
    /// The check of a password that was going on elsewhere has ended.
    func checked(_ good: Bool) {}
    /// The client is gone: give back what it holds.
    func leave() {}
    func cancelRequested() {}
    func idledTooLong() { close() }

    // MARK: Beginning and end

    enum Admission {
        case admitted
        case tooFast
        case tooMany
    }

    /// Counts the client and gives it its number, if there is room for it.
    final func register() -> Admission {
        guard loop.admits(context?.channel.remoteAddress) else { return .tooFast }
        guard let number = loop.register(self) else { return .tooMany }
        self.number = number
        return .admitted
    }

    /// Before it, nothing that is written arrives, and the end is not told.
    override final func channelActive(context: ChannelHandlerContext) {
        endpoint.metrics.clientConnectionsReceived += 1
        begin()
    }

    override final func channelInactive(context: ChannelHandlerContext) {
        if case .closed = stage { return }
        stage = .closed
        endpoint.metrics.clientConnectionsClosed += 1
        if number != 0 { loop.unregister(number) } else { loop.forget(self) }
        leave()
    }

    final func close() { context?.close(promise: nil) }

    override final func errorCaught(context: ChannelHandlerContext, error: any Error) {
        loop.logger.debug("client connection failed", metadata: ["error": "\(error)"])
        context.close(promise: nil)
    }

    // MARK: Reading

    override final func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        switch stage {
        case .open: take(bytes)
        case .silent, .loggingIn, .busy:
            if buffer == nil { buffer = bytes } else { buffer!.writeImmutableBuffer(bytes) }
            if buffer!.readableBytes > ClientConnection.longestLogin { close() }
        case .admin(let console):
            lastActive = Clock.now()
            console.receive(bytes)
        case .closed: break
        }
    }

    override final func channelReadComplete(context: ChannelHandlerContext) {
        switch stage {
        case .open: drive()
        case .loggingIn: continueLogin()
        case .silent, .busy, .closed: break
        case .admin(let console):
            listener.state.gather(on: loop.eventLoop).assumeIsolated().whenSuccess { state in
                let (answer, finished) = console.answer(state)
                if let answer { self.write(answer, flush: true) }
                if finished { self.close() }
            }
        }
    }

    /// The session is open: what came early is its first input.
    final func takeEarlyBytes() {
        guard let early = buffer else { return }
        buffer = nil
        take(early)
        drive()
    }

    // MARK: Login

    /// Puts TLS under the connection; bytes of it may have come along with the wish for it.
    final func startTLS() {
        guard let context, let tls = listener.tls else { return close() }
        do {
            try addTLS(NIOSSLServerHandler(context: tls))
        } catch {
            return close()
        }
        usesTLS = true
        guard let early = buffer else { return }
        buffer = nil
        context.pipeline.fireChannelRead(early)
        context.pipeline.fireChannelReadComplete()
    }

    final func runCheck(_ secret: Secret, _ check: @escaping @Sendable (Secret) async -> Bool) {
        stage = .busy
        let bound = NIOLoopBound(self, eventLoop: loop.eventLoop)
        let eventLoop = loop.eventLoop
        Task {
            let good = await check(secret)
            eventLoop.execute {
                let connection = bound.value
                guard case .busy = connection.stage else { return }
                connection.stage = .loggingIn
                connection.checked(good)
            }
        }
    }

    // MARK: Counting

    final func countLogin() {
        if usesTLS { endpoint.metrics.clientConnectionsTLS += 1 } else { endpoint.metrics.clientConnectionsNoTLS += 1 }
    }

    @inline(__always)
    final func count(requests: Int) {
        endpoint.metrics.queryRequests += requests
        if usesTLS {
            endpoint.metrics.queryRequestsTLS += requests
        } else {
            endpoint.metrics.queryRequestsNoTLS += requests
        }
    }

    /// A backend is asked for, now.
    @inline(__always)
    final func noteAsked() -> Int64 {
        askedAt = Clock.now()
        lentAt = askedAt
        isWaiting = true
        return askedAt
    }

    /// Something is asked of the backend that the client has.
    @inline(__always)
    final func noteSent() {
        guard askedAt == 0 else { return }
        askedAt = Clock.now()
        lentAt = askedAt
    }

    /// After `noteAsked`, of a client that had to wait.
    final func noteLent(_ now: Int64) { lentAt = now }

    /// What was asked for is answered, now; returns when that was.
    @inline(__always) @discardableResult
    final func noteAnswered() -> Int64 {
        guard askedAt > 0 else { return lastActive }
        let now = Clock.now()
        endpoint.metrics.queryResponseNanoseconds += Int(now - askedAt)
        endpoint.metrics.databaseResponseNanoseconds += Int(now - lentAt)
        endpoint.metrics.queryResponseCount += 1
        askedAt = 0
        lastActive = now
        return now
    }

    // MARK: Time

    final func checkTimeouts(_ now: Int64) {
        switch stage {
        case .silent, .loggingIn:
            if now - lastActive > loop.configuration.loginTimeout.nanosecondsCount { close() }
        case .open, .admin:
            // A transaction, and what pins, end with a client that says nothing: others wait for its backend.
            if isWaiting || owesAnswer {
                lastActive = now
            } else if now - lastActive > group.configuration.pool.idleClientTimeout.nanosecondsCount {
                idledTooLong()
            }
        case .busy, .closed: break
        }
    }
}

/// What the admin console shows of a client.
struct ClientSummary: Sendable {
    var number: UInt32
    var user: String
    var database = ""
    var listener: String
    var state: String
    var pins = ""
    var pinnedBy = ""
    var backendProcess: UInt32 = 0
}
