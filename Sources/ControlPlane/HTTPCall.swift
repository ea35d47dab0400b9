// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// One HTTP POST on a connection of its own, in the clear or through TLS.
struct HTTPCall: Sendable {
    private static let timeout = TimeAmount.seconds(5)

    var host: String
    var port: Int
    /// Nil: in the clear. The server's certificate has to name the host, or its IP address.
    var tls: NIOSSLContext?
    /// Longer answers are refused.
    var answerBytesMax: Int

    struct Answer: Sendable {
        var status: Int
        var body: Data
    }

    /// There was no connection, so the server has seen nothing of the request.
    struct Unsent: Error, CustomStringConvertible {
        var cause: any Error
        var description: String { "\(cause)" }
    }

    /// - Parameter target: path and query
    func post(_ target: String, headers: [(String, String)], body: Data) async throws -> Answer {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let done = loop.makePromise(of: NIOHTTPClientResponseFull.self)
        let late = loop.scheduleTask(in: Self.timeout) { done.fail(ChannelError.connectTimeout(Self.timeout)) }
        let connecting = ClientBootstrap(group: loop)
            .connectTimeout(Self.timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try prepare(channel.pipeline.syncOperations, done) }
            }
            .connect(host: host, port: port)
        connecting.whenFailure { done.fail(Unsent(cause: $0)) }
        connecting.whenSuccess { channel in
            var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: target)
            head.headers = HTTPHeaders(
                [("host", authority), ("content-length", "\(body.count)"), ("connection", "close")] + headers)
            channel.write(HTTPClientRequestPart.head(head), promise: nil)
            channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: body))), promise: nil)
            channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
            done.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
        defer { late.cancel() }
        let answer = try await done.futureResult.get()
        return Answer(
            status: Int(answer.head.status.code), body: answer.body.map { Data($0.readableBytesView) } ?? Data())
    }

    private var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    private func prepare(
        _ pipeline: ChannelPipeline.SynchronousOperations, _ done: EventLoopPromise<NIOHTTPClientResponseFull>
    ) throws {
        if let tls {
            // An address is not named in the handshake; the certificate is checked against the peer's then.
            let isAddress = (try? SocketAddress(ipAddress: host, port: port)) != nil
            try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : host))
        }
        try pipeline.addHTTPClientHandlers()
        try pipeline.addHandler(NIOHTTPClientResponseAggregator(maxContentLength: answerBytesMax))
        try pipeline.addHandler(AnswerHandler(done: done))
    }

    private final class AnswerHandler: ChannelInboundHandler {
        typealias InboundIn = NIOHTTPClientResponseFull
        private let done: EventLoopPromise<NIOHTTPClientResponseFull>

        init(done: EventLoopPromise<NIOHTTPClientResponseFull>) { self.done = done }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { done.succeed(unwrapInboundIn(data)) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { done.fail(error) }
        func channelInactive(context: ChannelHandlerContext) { done.fail(ChannelError.eof) }
    }
}

/// An `http` or `https` URL, taken apart.
struct HTTPAddress {
    let host: String
    let port: Int
    let isSecure: Bool
    /// Path and query.
    let target: String
    /// A header's value for the user and the password in it.
    let authorization: String?

    /// Nil for any other text.
    init?(_ text: String) {
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(),
            ["http", "https"].contains(scheme), let host = parts.host, !host.isEmpty
        else { return nil }
        self.host = host.trimmingCharacters(in: ["[", "]"])
        isSecure = scheme == "https"
        port = parts.port ?? (isSecure ? 443 : 80)
        let path = parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath
        target = path + (parts.percentEncodedQuery.map { "?\($0)" } ?? "")
        authorization = parts.user.map { user in
            "Basic " + Data("\(user):\(parts.password ?? "")".utf8).base64EncodedString()
        }
    }
}
