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
        subcommands: [
            Run.self, Ask<Pins>.self, Ask<Clients>.self, Ask<Pools>.self, Ask<Targets>.self, Ask<Stats>.self,
        ],
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
            guard !check else {
                do { try ProxyService.check(configuration) } catch { throw ValidationError("\(error)") }
                return print("\(config) is good")
            }
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

    enum Pins: ProxyQuestion {
        static let subject = "pins"
        static let meaning = "Clients that keep a connection to themselves: why, and since which statement."
    }

    enum Clients: ProxyQuestion {
        static let subject = "clients"
        static let meaning = "Connected clients."
    }

    enum Pools: ProxyQuestion {
        static let subject = "pools"
        static let meaning = "Pools of connections to servers."
    }

    enum Targets: ProxyQuestion {
        static let subject = "targets"
        static let meaning = "Servers, and which of them is the writer."
    }

    enum Stats: ProxyQuestion {
        static let subject = "stats"
        static let meaning = "Counters and gauges."
    }

    /// The command that puts a question to proxies that run and prints their answers as one table.
    struct Ask<Question: ProxyQuestion>: ParsableCommand {
        static var configuration: CommandConfiguration {
            CommandConfiguration(commandName: Question.subject, abstract: Question.meaning)
        }

        @OptionGroup var region: RegionOptions
        @Option(help: ArgumentHelp("A proxy's configuration, instead of the region's proxies.", valueName: "file"))
        var config: String?
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            var columns: [String] = []
            var rows: [[String?]] = []
            var isComplete = true
            for configuration in try configurations() {
                do {
                    let table = try ask(configuration)
                    columns = ["proxy"] + table.columns
                    rows += table.rows.map { [configuration.name] + $0 }
                } catch {
                    // One that is down says nothing of the others.
                    FileHandle.standardError.write(Data("\(configuration.name): \(error)\n".utf8))
                    isComplete = false
                }
            }
            if json {
                try rows.map { Dictionary(zip(columns, $0)) { $1 } }.printJSON()
            } else if !columns.isEmpty {
                Terminal.table(columns.map { $0.uppercased() }, rows.map { $0.map { $0 ?? "-" } })
            }
            if !isComplete { throw ExitCode.failure }
        }

        private func ask(_ configuration: ProxyConfiguration) throws -> ProxyTable {
            guard let address = configuration.metrics else {
                throw ValidationError("the proxy \(configuration.name) has no `metrics` address to be asked at")
            }
            return try ProxyTable.ask(Question.subject, at: address)
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
}

/// What a running proxy can be asked, named as the path at which its metrics address answers.
protocol ProxyQuestion {
    static var subject: String { get }
    /// For `--help`.
    static var meaning: String { get }
}
