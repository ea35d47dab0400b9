// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import ControlPlane
internal import Engines
internal import Foundation
internal import Glibc
internal import Keyring
internal import Logging
internal import Region

/// The control plane's process, started by the supervisor. When it dies, engines and volumes go on.
struct ControlRole: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "control", abstract: "Serve the AWS API as a configuration says.", shouldDisplay: false)

    @Option(help: ArgumentHelp("The process's configuration.", valueName: "file")) var config: String

    func run() throws {
        let signals = SignalWaiter([SIGTERM, SIGINT])
        Terminal.bootstrapLogging()
        let configuration = try ControlConfiguration.load(config)
        do {
            try serve(configuration, until: signals)
        } catch {
            try? Data("\(error)".utf8).write(to: URL(fileURLWithPath: configuration.failureFile))
            throw error
        }
    }

    private func serve(_ configuration: ControlConfiguration, until signals: SignalWaiter) throws {
        guard case .held(let lock) = try FileLock.acquire(configuration.lock, waitMilliseconds: 10_000) else {
            throw RegionError("another process is the control plane", remedy: "stop it first")
        }
        var logger = Logger(label: "control")
        logger.logLevel = Logger.Level(rawValue: configuration.logLevel) ?? .info
        let keys = try Self.keys(configuration)
        let offers = try configuration.engines.map { engine in
            EngineOffer(
                kind: engine.kind, version: try EngineOffer.version(of: engine.kind, binaries: engine.binaries),
                binaries: engine.binaries)
        }
        let log = logger
        Task {
            do {
                let service = try await ControlService(
                    store: try SQLiteStateStore(path: configuration.store),
                    plane: LocalDataPlane(socket: configuration.regionSocket), offers: offers, keys: keys,
                    logs: LogDirectory(instances: configuration.instances), host: configuration.host,
                    port: configuration.port, crash: CrashPoint(environment: ProcessInfo.processInfo.environment),
                    logger: log)
                try await service.run { log.info("the API listens", metadata: ["endpoint": "\(keys.endpoint)"]) }
            } catch {
                log.error("the control plane failed", metadata: ["error": "\(error)"])
                try? Data("\(error)".utf8).write(to: URL(fileURLWithPath: configuration.failureFile))
                _exit(1)
            }
        }
        // Nothing has to be shut down: what was asked for is stored before it is answered.
        _ = signals.wait()
        withExtendedLifetime(lock) {}
    }

    /// Made at the first start; the endpoint is where the API is this time.
    private static func keys(_ configuration: ControlConfiguration) throws -> AccessKeys {
        let endpoint = "http://\(configuration.host):\(configuration.port)"
        var keys = try AccessKeys.load(configuration.accessKeys) ?? AccessKeys.make(endpoint: endpoint)
        keys.endpoint = endpoint
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try PrivateFile.write(try encoder.encode(keys), to: configuration.accessKeys)
        return keys
    }

    /// Whether somebody accepts connections at the endpoint.
    static func isListening(_ keys: AccessKeys) -> Bool {
        guard let port = URL(string: keys.endpoint)?.port else { return false }
        return LoopbackPort.isListening(port)
    }
}
