// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Takes signals in an ordinary thread instead of a handler.
///
/// Make it in the first thread before any other starts: the signals are blocked there, and threads inherit that. Programs
/// that are spawned get an empty mask.
package struct SignalWaiter: Sendable {
    private let set: sigset_t

    package init(_ numbers: [Int32]) {
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
        self.set = set
    }

    /// Blocks until one of the signals comes.
    package func wait() -> Int32 {
        var set = set
        var number: Int32 = 0
        while sigwait(&set, &number) != 0 {}
        return number
    }
}
