// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Foundation
internal import Glibc
internal import Synchronization

/// What to start: one program, with an environment of its own.
package struct Launch: Sendable {
    package var path: String
    package var arguments: [String]
    package var environment: [String: String]
    package var directory: String?
    /// The account it runs under; nil keeps the caller's.
    package var account: EngineAccount?
    /// stdout and stderr are appended to this file; nil inherits both.
    package var outputFile: String?
    /// A descriptor it inherits at the same number; nil is none.
    package var keptDescriptor: Int32?
    /// SIGKILL when the *thread* that spawned it ends: spawn from one that waits for it.
    package var diesWithParent = true
    /// Out of reach of the terminal's ^C.
    package var newSession = true

    package init(path: String, arguments: [String] = [], environment: [String: String] = [:]) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
    }
}

/// A started program, until it is waited for.
package final class ChildProcess: Sendable {
    /// How a process ended.
    package enum Exit: Sendable, Equatable, CustomStringConvertible {
        case code(Int32)
        case signal(Int32)

        package var description: String {
            switch self {
            case .code(let code): "exit code \(code)"
            case .signal(let number): "signal \(number)"
            }
        }
    }

    package let pid: Int32
    /// Nil while it runs. Guards `signal` against a process id that was already given away again.
    private let ended = Mutex<Exit?>(nil)

    private init(pid: pid_t) { self.pid = pid }

    /// Starts a program. Throws when it cannot be executed at all.
    package static func spawn(_ launch: Launch) throws -> ChildProcess {
        var output: Int32 = -1
        if let file = launch.outputFile {
            output = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
            guard output >= 0 else {
                throw EngineError(
                    "cannot open \(file): \(String(cString: strerror(errno)))",
                    remedy: "check its directory and the free space")
            }
            if let account = launch.account { fchown(output, uid_t(account.uid), gid_t(account.gid)) }
        }
        defer { if output >= 0 { close(output) } }
        closeDescriptorsOnExec()
        let pid = withCStrings([launch.path] + launch.arguments) { arguments in
            withCStrings(launch.environment.map { "\($0.key)=\($0.value)" }) { environment in
                start(launch, arguments, environment, output)
            }
        }
        guard pid > 0 else {
            throw EngineError(
                "cannot start \(launch.path): \(String(cString: strerror(errno)))",
                remedy: "check that it exists and that \(launch.account?.name ?? "this account") may execute it")
        }
        return ChildProcess(pid: pid)
    }

    /// Marks every descriptor of this process, so that a program inherits none but what it is given.
    ///
    /// NIO does not mark its sockets: an engine that outlives a storage process would keep that process's port.
    private static func closeDescriptorsOnExec() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        for fd in names.compactMap({ Int32($0) }) where fd > 2 { _ = fcntl(fd, F_SETFD, FD_CLOEXEC) }
    }

    private typealias CStrings = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    private static func start(_ launch: Launch, _ argv: CStrings, _ envp: CStrings, _ output: Int32) -> pid_t {
        launch.path.withCString { path in
            let spawn = { (directory: UnsafePointer<CChar>?) -> pid_t in
                var what = bx_spawn(
                    path: path, argv: UnsafePointer(argv), envp: UnsafePointer(envp), directory: directory,
                    uid: launch.account?.uid ?? -1, gid: launch.account?.gid ?? -1, output_fd: output,
                    keep_fd: launch.keptDescriptor ?? -1, die_with_parent: launch.diesWithParent ? 1 : 0,
                    new_session: launch.newSession ? 1 : 0)
                return bx_spawn_process(&what)
            }
            return launch.directory?.withCString { spawn($0) } ?? spawn(nil)
        }
    }

    /// Blocks until the process ends.
    @discardableResult
    package func wait() -> Exit {
        while true {
            if let exit = ended.withLock({ $0 }) { return exit }
            var info = siginfo_t()
            // Looks without reaping, so that the process id stays ours until the lock is held.
            let found = waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT)
            if found != 0 && errno == EINTR { continue }
            return ended.withLock { reap(&$0) }
        }
    }

    /// How it ended, or nil while it runs. Does not block.
    package func poll() -> Exit? {
        ended.withLock { exit in
            if let exit { return exit }
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
            exit = Self.decode(status)
            return exit
        }
    }

    private func reap(_ exit: inout Exit?) -> Exit {
        if let exit { return exit }
        var status: Int32 = 0
        var reaped: pid_t
        repeat { reaped = waitpid(pid, &status, 0) } while reaped < 0 && errno == EINTR
        let decoded = reaped == pid ? Self.decode(status) : Exit.code(-1)
        exit = decoded
        return decoded
    }

    private static func decode(_ status: Int32) -> Exit {
        status & 0x7f == 0 ? .code(status >> 8 & 0xff) : .signal(status & 0x7f)
    }

    /// Sends a signal unless the process has ended.
    package func signal(_ number: Int32) {
        ended.withLock { if $0 == nil { _ = kill(pid, number) } }
    }
}

/// Calls `body` with a NULL-terminated array of C strings.
private func withCStrings<R>(
    _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R
) -> R {
    var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { preconditionFailure("the array holds at least the terminator") }
        return body(base)
    }
}
