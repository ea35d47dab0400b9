// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import ServiceLifecycle

/// The HTTP side of the API: turns requests into messages and back, and decides nothing.
struct HTTPEndpoint: Sendable {
    let endpoint: APIEndpoint
    let plane: any DataPlane
    let host: String
    let port: Int
    let logger: Logger

    /// Serves until the task is cancelled.
    func run(onListening: @escaping @Sendable () -> Void) async throws {
        let (endpoint, plane) = (endpoint, plane)
        let responder = CallbackResponder<BasicRequestContext> { request, _ in
            // Monitoring signs nothing, and what it reads is no secret. No operation of AWS's has this path.
            if request.method == .get, request.head.path == "/metrics" { return await Self.metrics(of: plane) }
            return try await Self.respond(to: request, endpoint)
        }
        let application = Application(
            responder: responder,
            configuration: ApplicationConfiguration(address: .hostname(host, port: port), serverName: "borealis"),
            onServerRunning: { _ in onListening() }, logger: logger)
        try await application.run()
    }

    private static func metrics(of plane: any DataPlane) async -> Response {
        do {
            let text = try await plane.metrics()
            return Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        } catch {
            return Response(
                status: .serviceUnavailable, headers: [.contentType: "text/plain"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: "\(error)\n")))
        }
    }

    private static func respond(to request: Request, _ endpoint: APIEndpoint) async throws -> Response {
        let target = request.head.path ?? "/"
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var headers = request.headers.map { (name: $0.name.canonicalName, value: $0.value) }
        if let authority = request.head.authority { headers.append(("host", authority)) }
        var message = HTTPRequestMessage(
            method: request.method.rawValue, path: String(parts[0]), query: parts.count > 1 ? String(parts[1]) : "",
            headers: headers, body: [])
        let answer: HTTPResponseMessage
        do {
            message.body = Array(try await request.body.collect(upTo: APIEndpoint.bodyBytesMax).readableBytesView)
            answer = await endpoint.answer(message)
        } catch {
            answer = endpoint.refuse(message, .requestTooLarge)
        }
        var fields = HTTPFields()
        fields[.contentType] = answer.contentType
        for (name, value) in answer.headers {
            if let name = HTTPField.Name(name) { fields[name] = value }
        }
        return Response(
            status: HTTPResponse.Status(code: answer.status), headers: fields,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body)))
    }
}
