// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import CoreMetrics
internal import Foundation
internal import Glibc
internal import Logging
internal import Proxy
internal import Region

/// The connection proxy, in front of any PostgreSQL, MariaDB or MySQL servers, and what the running ones say.
struct ProxyRole: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy", abstract: "Run the connection proxy, or ask running ones.",
        discussion: """
            `borealis proxy --config FILE` pools and multiplexes connections to the servers that a YAML file names; docs/proxy.md \
            describes the file. The region runs a proxy for each that CreateDBProxy made; `borealis proxy pins` and the other \
            questions are put to all of those, or to the one whose file is given.
            """,
        subcommands: [Run.self, Pins.self, Clients.self, Pools.self, Targets.self, Stats.self],
        defaultSubcommand: Run.self)

    private static func load(_ path: String) throws -> ProxyConfiguration {
        guard let yaml = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw ValidationError("cannot read \(path)")
        }
        do { return try ProxyConfiguration(yaml: yaml) } catch {
            throw ValidationError("\(path) is not a proxy's configuration: \(error)")
        }
    }

    struct Run: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run a proxy in the foreground.",
            discussion: """
                On SIGHUP the file is read again: clients stay connected. ^C ends it. Connect to the database "borealis" through a \
                PostgreSQL proxy and SHOW PINS, CLIENTS, POOLS, STATS or TARGETS.
                """)

        @Option(help: ArgumentHelp("The configuration.", valueName: "file")) var config: String
        @Flag(help: "Read the configuration, say whether it is good, and stop.") var check = false

        func run() throws {
            let configuration = try ProxyRole.load(config)
            guard !check else { return print("\(config) is good") }
            let logger = Logger(label: "proxy")
            let prometheus = PrometheusMetrics()
            MetricsSystem.bootstrap(prometheus)
            let (changes, hangups) = reloads(logger)
            let done = DispatchSemaphore(value: 0)
            let outcome = Outcome()
            Task {
                do {
                    try await ProxyService.run(
                        configuration: configuration, changes: changes, prometheus: prometheus, logger: logger)
                } catch {
                    outcome.set(error)
                }
                done.signal()
            }
            done.wait()
            hangups.cancel()
            if let error = outcome.error { throw error }
        }

        /// The configuration as it is in the file at each SIGHUP; one that is no good changes nothing.
        private func reloads(_ logger: Logger) -> (AsyncStream<ProxyConfiguration>, any DispatchSourceSignal) {
            let (stream, continuation) = AsyncStream.makeStream(of: ProxyConfiguration.self)
            signal(SIGHUP, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
            let path = config
            source.setEventHandler {
                do { continuation.yield(try ProxyRole.load(path)) } catch {
                    logger.error("the configuration stays as it was", metadata: ["error": "\(error)"])
                }
            }
            source.activate()
            return (stream, source)
        }
    }

    /// Carries the service's error from its task to the main thread.
    private final class Outcome: @unchecked Sendable {  // Written before the semaphore's signal, read after its wait.
        private(set) var error: (any Error)?
        func set(_ error: any Error) { self.error = error }
    }

    // MARK: - Questions

    /// Which proxies are asked, and how the answer is printed.
    struct Question: ParsableArguments {
        @OptionGroup var region: RegionOptions
        @Option(help: ArgumentHelp("A proxy's configuration, instead of the region's proxies.", valueName: "file"))
        var config: String?
        @Flag(help: "Print JSON.") var json = false

        func ask(_ subject: String) throws {
            var columns: [String] = []
            var rows: [[String?]] = []
            for configuration in try configurations() {
                guard let address = configuration.metrics else {
                    throw ValidationError("the proxy \(configuration.name) has no `metrics` address to be asked at")
                }
                let table = try ProxyTable.ask(subject, at: address)
                columns = ["proxy"] + table.columns
                rows += table.rows.map { [configuration.name] + $0 }
            }
            if json {
                return try rows.map { Dictionary(zip(columns, $0)) { $1 } }.printJSON()
            }
            Terminal.table(columns.map { $0.uppercased() }, rows.map { $0.map { $0 ?? "-" } })
        }

        private func configurations() throws -> [ProxyConfiguration] {
            if let config { return [try ProxyRole.load(config)] }
            let directory = region.directory.run
            let files = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
            let found = files.filter {
                $0.hasPrefix("proxy-") && $0.hasSuffix(".json") && !$0.hasSuffix(".targets.json")
            }
            guard !found.isEmpty else {
                throw RegionError(
                    "\(region.directory.path) runs no proxy",
                    remedy: "name one with --config, or make one with CreateDBProxy")
            }
            return try found.sorted().map { try ProxyRole.load("\(directory)/\($0)") }
        }
    }

    struct Pins: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Clients that keep a connection to themselves: why, and since which statement.")
        @OptionGroup var question: Question
        func run() throws { try question.ask("pins") }
    }

    struct Clients: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Connected clients.")
        @OptionGroup var question: Question
        func run() throws { try question.ask("clients") }
    }

    struct Pools: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Pools of connections to servers.")
        @OptionGroup var question: Question
        func run() throws { try question.ask("pools") }
    }

    struct Targets: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Servers, and which of them is the writer.")
        @OptionGroup var question: Question
        func run() throws { try question.ask("targets") }
    }

    struct Stats: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Counters and gauges.")
        @OptionGroup var question: Question
        func run() throws { try question.ask("stats") }
    }
}
