// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix

/// A client that has just connected to an endpoint: finds it an instance and then gets out of the way.
///
/// Nothing is read from the client before there is an instance, so nothing has to be kept. While no instance is to be had
/// the client waits for at most `EndpointService.holdSeconds`, which is how it sits out a failover.
final class ClientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private static let retryPause = TimeAmount.milliseconds(25)
    /// On one machine a connection is there at once or never; a frozen instance is found out by the supervisor.
    private static let connectTimeout = TimeAmount.seconds(2)

    private let endpoint: String
    private let service: EndpointService
    private let deadline: NIODeadline
    private var failed: Set<String> = []
    private var isWaiting = false
    private var isDone = false
    private var retry: Scheduled<Void>?

    init(endpoint: String, service: EndpointService) {
        self.endpoint = endpoint
        self.service = service
        deadline = .now() + .seconds(EndpointService.holdSeconds)
    }

    func channelActive(context: ChannelHandlerContext) { attempt(context) }

    /// Only a client that has closed its side is read from now, and one that does so before anything was said is gone.
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) { finish() }

    private func finish() {
        isDone = true
        retry?.cancel()
        if isWaiting { service.state.endWaiting(at: endpoint) }
        isWaiting = false
    }

    private func attempt(_ context: ChannelHandlerContext) {
        guard !isDone else { return }
        guard let lease = service.state.lease(at: endpoint, except: failed) else { return wait(context) }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        ClientBootstrap(group: context.eventLoop)
            .connectTimeout(Self.connectTimeout)
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.writeBufferWaterMark, value: EndpointService.waterMarks)
            .connect(host: lease.instance.host, port: lease.instance.port)
            .whenComplete { result in
                let (handler, context) = bound.value
                switch result {
                case .success(let backend): handler.join(context, backend, lease)
                case .failure: handler.giveUp(lease, context)
                }
            }
    }

    /// The instance does not take connections, whatever the supervisor thinks: another one, or wait.
    private func giveUp(_ lease: EndpointState.Lease, _ context: ChannelHandlerContext) {
        service.state.release(lease)
        failed.insert(lease.instance.id)
        service.alarm()
        attempt(context)
    }

    private func wait(_ context: ChannelHandlerContext) {
        failed = []
        guard NIODeadline.now() < deadline else { return context.close(promise: nil) }
        if !isWaiting {
            guard service.state.beginWaiting(at: endpoint, limit: EndpointService.waitingMax) else {
                return context.close(promise: nil)
            }
            isWaiting = true
            service.alarm()
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        retry = context.eventLoop.scheduleTask(in: Self.retryPause) {
            let (handler, context) = bound.value
            handler.attempt(context)
        }
    }

    private func join(_ context: ChannelHandlerContext, _ backend: any Channel, _ lease: EndpointState.Lease) {
        let (client, service) = (context.channel, service)
        guard !isDone, client.isActive else {
            service.state.release(lease)
            return backend.close(promise: nil)
        }
        let isGood = service.state.confirm(lease) {
            client.close(promise: nil)
            backend.close(promise: nil)
        }
        guard isGood else {
            backend.close(promise: nil)
            service.state.release(lease)
            return attempt(context)
        }
        finish()
        backend.closeFuture.whenComplete { _ in service.state.release(lease) }
        do {
            let (near, far) = PipeHandler.pair { service.alarm() }
            try backend.pipeline.syncOperations.addHandler(far)
            try context.pipeline.syncOperations.addHandler(near)
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
        } catch {
            client.close(promise: nil)
            return backend.close(promise: nil)
        }
        for channel in [client, backend] { channel.setOption(.autoRead, value: true).whenFailure { _ in } }
    }
}

extension ClientHandler: RemovableChannelHandler {}
