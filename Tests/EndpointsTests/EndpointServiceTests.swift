// SPDX-License-Identifier: Apache-2.0

import Endpoints
import Foundation
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

private let group = MultiThreadedEventLoopGroup.singleton

/// Endpoints in front of servers that say their name and then echo.
@Suite(.serialized) struct EndpointServiceTests {
    /// Says its name, sends back what it gets, and counts connections.
    private final class Server: Sendable {
        private final class Accepted: Sendable {
            let channels = Mutex<[any Channel]>([])
        }

        let name: String
        let channel: any Channel
        private let accepted = Accepted()

        init(_ name: String) async throws {
            self.name = name
            let accepted = accepted
            channel = try await ServerBootstrap(group: group)
                .childChannelOption(.allowRemoteHalfClosure, value: true)
                .childChannelInitializer { channel in
                    accepted.channels.withLock { $0.append(channel) }
                    return channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Echo(name))
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
        }

        var port: Int { channel.localAddress?.port ?? 0 }
        var connections: Int { accepted.channels.withLock { $0.count } }

        func stop() async throws {
            try await channel.close()
            for child in accepted.channels.withLock({ $0 }) { try? await child.close() }
        }
    }

    private final class Echo: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let name: String

        init(_ name: String) { self.name = name }

        func channelActive(context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: name + "\n")), promise: nil)
        }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.write(data, promise: nil) }
        func channelReadComplete(context: ChannelHandlerContext) { context.flush() }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            guard case ChannelEvent.inputClosed? = event as? ChannelEvent else { return }
            // The last word comes after the client's end of stream.
            let channel = context.channel
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "bye\n"))).whenComplete { _ in
                channel.close(promise: nil)
            }
        }
    }

    /// A client that keeps what it gets.
    private final class Client: Sendable {
        private final class Reader: ChannelInboundHandler {
            typealias InboundIn = ByteBuffer
            let client: Client
            init(_ client: Client) { self.client = client }
            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                let bytes = unwrapInboundIn(data)
                client.received.withLock { $0 += Array(bytes.readableBytesView) }
            }
            func channelInactive(context: ChannelHandlerContext) { client.isClosed.withLock { $0 = true } }
            func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
        }

        let received = Mutex<[UInt8]>([])
        let isClosed = Mutex(false)
        let channel = Mutex<(any Channel)?>(nil)

        func connect(_ port: Int) async throws {
            let made = try await ClientBootstrap(group: group)
                .channelOption(.allowRemoteHalfClosure, value: false)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Reader(self))
                    }
                }
                .connect(host: "127.0.0.1", port: port).get()
            channel.withLock { $0 = made }
        }

        func send(_ bytes: [UInt8]) async throws {
            let channel = channel.withLock { $0 }
            try await channel?.writeAndFlush(ByteBuffer(bytes: bytes))
        }

        func end() async throws {
            let channel = channel.withLock { $0 }
            try await channel?.close(mode: .output)
        }

        var text: String { received.withLock { String(decoding: $0, as: UTF8.self) } }
        var closed: Bool { isClosed.withLock { $0 } }
    }

    private static func until(_ what: String, _ condition: @Sendable () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(30)
        while !condition() {
            try #require(ContinuousClock.now < end, "not within 30 s: \(what)")
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private static func freePort() async throws -> Int {
        let probe = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let port = probe.localAddress?.port ?? 0
        try await probe.close()
        return port
    }

    private static func topology(
        _ port: Int, kind: EndpointTopology.Kind, _ servers: [Server], writer: Server?, down: [String] = []
    ) -> EndpointTopology {
        EndpointTopology(clusters: [
            EndpointTopology.Cluster(
                id: "c", endpoints: [EndpointTopology.Endpoint(id: "e", kind: kind, host: "127.0.0.1", port: port)],
                instances: servers.map {
                    EndpointTopology.Instance(
                        id: $0.name, host: "127.0.0.1", port: $0.port, isWriter: $0 === writer,
                        isAvailable: !down.contains($0.name))
                })
        ])
    }

    @Test func `bytes pass both ways, and the last ones after a half-close`() async throws {
        let (server, port) = (try await Server("w"), try await Self.freePort())
        let service = EndpointService(threads: 1, logger: Logger(label: "test"))
        try await service.apply(Self.topology(port, kind: .writer, [server], writer: server))
        let client = Client()
        try await client.connect(port)
        // More than every buffer between the two holds.
        let sent = (0..<(8 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try await client.send(sent)
        try await client.end()
        try await Self.until("the connection ends") { client.closed }
        let (received, expected) = (client.received.withLock { $0 }, Array("w\n".utf8) + sent + Array("bye\n".utf8))
        #expect(received == expected)
        try await Self.until("nobody is connected") { service.report.endpoints[0].connections == 0 }
        try await server.stop()
    }

    @Test func `a client waits while there is no writer, and a demoted writer loses its clients`() async throws {
        let (one, two, port) = (try await Server("one"), try await Server("two"), try await Self.freePort())
        let service = EndpointService(threads: 2, logger: Logger(label: "test"))
        try await service.apply(Self.topology(port, kind: .writer, [one, two], writer: nil))
        let early = Client()
        try await early.connect(port)
        try await Self.until("it waits") { service.report.endpoints[0].waiting == 1 }
        #expect(early.text.isEmpty && one.connections == 0 && two.connections == 0)
        try await service.apply(Self.topology(port, kind: .writer, [one, two], writer: one))
        try await Self.until("it is served") { early.text == "one\n" }
        try await service.apply(Self.topology(port, kind: .writer, [one, two], writer: two))
        try await Self.until("it has lost its connection") { early.closed }
        let late = Client()
        try await late.connect(port)
        try await Self.until("the new writer serves") { late.text == "two\n" }
        #expect(one.connections == 1 && two.connections == 1)
        // Losing sight of the writer for a moment costs nobody a connection.
        try await service.apply(Self.topology(port, kind: .writer, [one, two], writer: two, down: ["two"]))
        try await late.send(Array("still\n".utf8))
        try await Self.until("the connection is there") { late.text == "two\nstill\n" }
        try await one.stop()
        try await two.stop()
    }

    @Test func `a client that gives up while it waits is forgotten`() async throws {
        let (server, port) = (try await Server("w"), try await Self.freePort())
        let service = EndpointService(threads: 1, logger: Logger(label: "test"))
        try await service.apply(Self.topology(port, kind: .writer, [server], writer: nil))
        let client = Client()
        try await client.connect(port)
        try await client.send(Array("hello".utf8))
        try await Self.until("it waits") { service.report.endpoints[0].waiting == 1 }
        try await client.end()
        try await Self.until("nobody waits") { service.report.endpoints[0].waiting == 0 }
        try await service.apply(Self.topology(port, kind: .writer, [server], writer: server))
        #expect(server.connections == 0)
        try await server.stop()
    }

    @Test func `readers share the clients, and one that does not listen is passed over`() async throws {
        let (one, two, writer) = (try await Server("one"), try await Server("two"), try await Server("w"))
        let port = try await Self.freePort()
        let service = EndpointService(threads: 2, logger: Logger(label: "test"))
        try await service.apply(Self.topology(port, kind: .reader, [one, two, writer], writer: writer))
        let clients = (0..<10).map { _ in Client() }
        for client in clients {
            try await client.connect(port)
            try await Self.until("it is served") { !client.text.isEmpty }
        }
        #expect(one.connections == 5)
        #expect(two.connections == 5)
        #expect(writer.connections == 0)
        try await one.stop()
        try await Self.until("its clients are gone") { clients.count { $0.closed } == 5 }
        let next = Client()
        try await next.connect(port)
        try await Self.until("it is served") { next.text == "two\n" }
        try await two.stop()
        let last = Client()
        try await last.connect(port)
        try await Self.until("the writer serves") { last.text == "w\n" }
        try await writer.stop()
    }

    @Test func `an endpoint that is gone does not listen`() async throws {
        let (server, port) = (try await Server("w"), try await Self.freePort())
        let service = EndpointService(threads: 1, logger: Logger(label: "test"))
        try await service.apply(Self.topology(port, kind: .writer, [server], writer: server))
        let client = Client()
        try await client.connect(port)
        try await Self.until("it is served") { client.text == "w\n" }
        try await service.apply(EndpointTopology(clusters: []))
        try await Self.until("the connection is closed") { client.closed }
        await #expect(throws: (any Error).self) { try await Client().connect(port) }
        #expect(service.report.endpoints.isEmpty)
        try await server.stop()
    }
}
