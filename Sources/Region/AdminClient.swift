// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// Talks to an `AdminServer`. Blocking.
package struct AdminClient: Sendable {
    package let path: String

    package init(path: String) { self.path = path }

    /// Whether somebody accepts connections now.
    package var isListening: Bool { UnixSocket.connect(path, timeoutSeconds: 1) != nil }

    /// Sends a request and returns the last reply.
    ///
    /// - Parameters:
    ///   - timeoutSeconds: how long the server may be silent
    ///   - intermediate: called with each reply that comes before the last
    /// - Throws: `RegionError` if nobody listens, the server falls silent, or it refuses
    package func send(
        _ request: AdminRequest, timeoutSeconds: Int = 30, intermediate: (AdminReply) -> Void = { _ in }
    ) throws -> AdminReply {
        guard let socket = UnixSocket.connect(path, timeoutSeconds: timeoutSeconds) else {
            if errno == EACCES {
                throw RegionError(
                    "cannot open \(path): permission denied", remedy: "run as the owner of the data directory")
            }
            // DIR/run/region.sock
            let directory = path.split(separator: "/").dropLast(2).joined(separator: "/")
            throw RegionError(
                "nothing is running in /\(directory)",
                remedy: "start it with `borealis up`, or name its directory with --data")
        }
        socket.writeLine(try JSONEncoder().encode(request))
        while let line = socket.readLine() {
            guard let reply = try? JSONDecoder().decode(AdminReply.self, from: line) else {
                throw RegionError(
                    "the answer from \(path) is not understood", remedy: "restart the region with this borealis")
            }
            guard let ok = reply.ok else {
                intermediate(reply)
                continue
            }
            guard ok else { throw RemoteError(description: reply.error ?? "the request failed") }
            return reply
        }
        throw RegionError("no answer from \(path)", remedy: "look at the logs in the data directory")
    }
}

/// What a server said went wrong: its text already names the remedy.
package struct RemoteError: Error, CustomStringConvertible {
    package let description: String
}
