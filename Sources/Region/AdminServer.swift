// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc
internal import Synchronization

/// Serves `AdminMessages` on a Unix socket that only the owner of the data directory can open.
///
/// One thread accepts and one serves each connection; requests of a connection are served in order, those of different
/// connections at once. The handler may block; it returns the last reply and sends what comes before with `emit`, which
/// is false once the client is gone.
package final class AdminServer: Sendable {
    package typealias Handler = @Sendable (_ request: AdminRequest, _ emit: (AdminReply) -> Bool) throws -> AdminReply

    /// More connections than this wait to be accepted.
    private static let connectionsMax = 64

    private let path: String
    private let listener: Int32
    private let handler: Handler
    private let places = DispatchSemaphore(value: AdminServer.connectionsMax)
    private let stopped = Atomic<Bool>(false)

    package init(path: String, handler: @escaping Handler) throws {
        self.path = path
        self.handler = handler
        listener = try UnixSocket.listen(path)
        Thread.detachNewThread { [self] in acceptAll() }
    }

    /// Stops accepting; open connections end with the process.
    package func stop() {
        guard !stopped.exchange(true, ordering: .acquiringAndReleasing) else { return }
        unlink(path)
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func acceptAll() {
        while !stopped.load(ordering: .acquiring), let client = UnixSocket.accept(listener) {
            places.wait()
            // Only the new thread uses the socket from here on.
            nonisolated(unsafe) let handedOver = client
            Thread.detachNewThread { [self] in
                serve(handedOver)
                places.signal()
            }
        }
        close(listener)
    }

    private func serve(_ client: UnixSocket) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        while let line = client.readLine() {
            var last: AdminReply
            do {
                let request = try JSONDecoder().decode(AdminRequest.self, from: line)
                last = try handler(request) { reply in
                    guard let data = try? encoder.encode(reply) else { return false }
                    return client.writeLine(data)
                }
                last.ok = last.ok ?? true
            } catch let error as DecodingError {
                last = AdminReply(ok: false, error: "the request is not understood: \(error.readable)")
            } catch {
                last = AdminReply(ok: false, error: "\(error)")
            }
            guard let data = try? encoder.encode(last), client.writeLine(data) else { return }
        }
    }
}
