// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc
internal import Logging
internal import Synchronization

/// A copy-on-write mount of a volume that lives as long as a command in the foreground.
package enum Mount {
    /// Runs until SIGINT or SIGTERM, and throws if the mount cannot be opened.
    ///
    /// - Parameters:
    ///   - configurationPath: as the supervisor answered `mount`
    ///   - directory: removed at the end, unless nil
    ///   - ready: called once with the URL when connections are accepted
    package static func run(
        _ configurationPath: String, removing directory: String?, ready: @escaping @Sendable (String) -> Void
    ) throws {
        let configuration = try RoleConfiguration.load(configurationPath)
        defer {
            for path in [configurationPath, configuration.lock, directory] {
                if let path { try? FileManager.default.removeItem(atPath: path) }
            }
        }
        var logger = Logger(label: "borealis")
        logger.logLevel = .warning
        let failure = Failure()
        let code = try RoleProcess.run(configurationPath: configurationPath, logger: logger) {
            Thread.detachNewThread { follow(configuration.adminSocket, failure: failure, ready: ready) }
        }
        if let text = failure.text.withLock({ $0 }) { throw RemoteError(description: text) }
        guard code == 0 else { throw RegionError("the mount ended with code \(code)", remedy: "try a newer LSN") }
    }

    /// Waits for the first success; the first failure ends the process's work.
    private static func follow(_ socket: String, failure: Failure, ready: (String) -> Void) {
        while true {
            if let instance = try? AdminClient(path: socket).send(AdminRequest(.status)).process?.instances.first {
                switch instance.phase {
                case .available: return ready(instance.url)
                case .failed:
                    failure.text.withLock { $0 = instance.reason ?? "the mount failed" }
                    kill(getpid(), SIGTERM)
                    return
                case .starting, .attaching, .creating, .recovering: break
                case .stopping, .stopped: return
                }
            }
            usleep(20_000)
        }
    }

    private final class Failure: Sendable {
        let text = Mutex<String?>(nil)
    }
}
