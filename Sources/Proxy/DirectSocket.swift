// SPDX-License-Identifier: Apache-2.0

internal import Glibc
import NIOCore

/// A channel's socket, to be written to past the channel.
///
/// A small answer spends as long in a channel's pipeline and write queue as in the proxy's own code. Only while nothing is in that
/// queue may bytes go this way, or they would overtake it; and only where no TLS is under the connection.
struct DirectSocket {
    private let channel: any Channel
    private let handle: NIOBSDSocket.Handle

    /// Nil for channels that are no sockets. To be called on the channel's loop, while it is open.
    init?(_ channel: any Channel) {
        let operations = channel.pipeline.syncOperations
        guard let handle = try? operations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self, { $0 }) else {
            return nil
        }
        self.channel = channel
        self.handle = handle
    }

    /// Returns how many of the bytes the kernel took; 0 when it takes none now, and on any error, which the channel will meet and
    /// tell.
    @inline(__always)
    func send(_ bytes: ByteBuffer) -> Int {
        // The number of a closed socket may be another connection's already.
        guard channel.isActive else { return 0 }
        return bytes.withUnsafeReadableBytes {
            max(0, Glibc.send(handle, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)))
        }
    }
}
