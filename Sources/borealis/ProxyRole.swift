// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import Logging
internal import Proxy

/// The connection proxy, standalone: in front of any PostgreSQL servers that a YAML file names.
struct ProxyRole: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy",
        abstract: "Run the connection proxy from a YAML file, in the foreground.",
        discussion: """
            Pools and multiplexes connections to PostgreSQL; docs/proxy.md describes the file. Connect to the database \
            "borealis" through it and SHOW PINS, CLIENTS, POOLS, STATS or TARGETS. ^C ends it.
            """)

    @Option(help: ArgumentHelp("The configuration.", valueName: "file")) var config: String
    @Flag(help: "Read the configuration, say whether it is good, and stop.") var check = false

    func run() throws {
        guard let yaml = try? String(contentsOfFile: config, encoding: .utf8) else {
            throw ValidationError("cannot read \(config)")
        }
        let configuration = try ProxyConfiguration(yaml: yaml)
        guard !check else { return print("\(config) is good") }
        let done = DispatchSemaphore(value: 0)
        let outcome = Outcome()
        Task {
            do { try await ProxyService.run(configuration: configuration, logger: Logger(label: "proxy")) } catch {
                outcome.set(error)
            }
            done.signal()
        }
        done.wait()
        if let error = outcome.error { throw error }
    }

    /// Carries the service's error from its task to the main thread.
    private final class Outcome: @unchecked Sendable {  // Written before the semaphore's signal, read after its wait.
        private(set) var error: (any Error)?
        func set(_ error: any Error) { self.error = error }
    }
}
