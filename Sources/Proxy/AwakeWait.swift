// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Waits for a socket's next bytes without sleeping, for a moment.
///
/// To fall asleep and be woken costs a thread more than a short answer takes, several times more on a virtual machine. It pays
/// only while one client has the loop to itself, because all others wait meanwhile; and it takes a processor's time that
/// somebody else may need.
enum AwakeWait {
    /// Returns as soon as `socket` can be read, or has ended, or after `nanoseconds`.
    static func forBytes(_ socket: CInt, nanoseconds: Int64) {
        var wanted = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        let end = Clock.now() + nanoseconds
        repeat {
            if poll(&wanted, 1, 0) != 0 { return }
        } while Clock.now() < end
    }
}
