// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import ControlPlane
internal import Engines
internal import Foundation
internal import Glibc
internal import Keyring
internal import Logging
internal import Region
internal import Synchronization

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
        let authority = CertificateFacts(
            thumbprint: configuration.authority.thumbprint, validFrom: configuration.authority.validFrom,
            validTill: configuration.authority.validTill)
        let offers = try configuration.engines.map { engine in
            EngineOffer(
                kind: engine.kind, version: try EngineOffer.version(of: engine.kind, binaries: engine.binaries),
                binaries: engine.binaries)
        }
        let log = logger
        let leadership = Leadership()
        Task {
            do {
                let store = try await Self.store(configuration, leadership, logger: log)
                let service = try await ControlService(
                    store: store, plane: LocalDataPlane(socket: configuration.regionSocket), offers: offers,
                    keyFile: try AccessKeyFile(path: configuration.accessKeys), authority: authority,
                    topics: try TopicFile(path: configuration.topics),
                    logs: LogDirectory(instances: configuration.instances), host: configuration.host,
                    port: configuration.port, crash: CrashPoint(environment: ProcessInfo.processInfo.environment),
                    logger: log)
                try await service.run { log.info("the API listens", metadata: ["endpoint": "\(keys.endpoint)"]) }
            } catch {
                Self.fail(error, configuration, logger: log)
            }
        }
        // What was asked for is stored before it is answered, so there is only the leadership to hand over.
        _ = signals.wait()
        leadership.resign()
        withExtendedLifetime(lock) {}
    }

    private static func fail(_ error: any Error, _ configuration: ControlConfiguration, logger: Logger) -> Never {
        logger.error("the control plane ends", metadata: ["error": "\(error)"])
        try? Data("\(error)".utf8).write(to: URL(fileURLWithPath: configuration.failureFile))
        _exit(1)
    }

    /// A file on this machine, or an etcd once this control plane leads there. Losing the lead ends the process: it starts
    /// again and waits.
    private static func store(
        _ configuration: ControlConfiguration, _ leadership: Leadership, logger: Logger
    ) async throws -> any StateStore {
        guard let address = EtcdAddress(configuration.store) else {
            return try SQLiteStateStore(path: configuration.store)
        }
        let name = "\(ProcessInfo.processInfo.hostName):\(configuration.lock)"
        let files = configuration.storeFiles
        let security = EtcdSecurity(authority: files?.authority, certificate: files?.certificate, key: files?.key)
        let store = try await EtcdStateStore.lead(address, security, name: name, logger: logger)
        leadership.begin(store)
        Task {
            await store.keepLeading()
            fail(LeadershipLost(), configuration, logger: logger)
        }
        return store
    }

    /// The store that this process leads with, for its orderly end.
    private final class Leadership: Sendable {
        private let store = Mutex<EtcdStateStore?>(nil)

        func begin(_ store: EtcdStateStore) { self.store.withLock { $0 = store } }

        /// Without it the next leader would wait for the lease's end.
        func resign() {
            guard let store = store.withLock({ $0 }) else { return }
            let done = DispatchSemaphore(value: 0)
            Task {
                await store.resign()
                done.signal()
            }
            _ = done.wait(timeout: .now() + 2)
        }
    }

    /// Made at the first start; the endpoint is where the API is this time.
    private static func keys(_ configuration: ControlConfiguration) throws -> AccessKeys {
        let endpoint = "http://\(configuration.host):\(configuration.port)"
        var keys = try AccessKeys.load(configuration.accessKeys) ?? AccessKeys.make(endpoint: endpoint)
        keys.endpoint = endpoint
        try keys.save(configuration.accessKeys) { try PrivateFile.write($0, to: $1) }
        return keys
    }

    /// Whether somebody accepts connections at the endpoint.
    static func isListening(_ keys: AccessKeys) -> Bool {
        guard let port = URL(string: keys.endpoint)?.port else { return false }
        return LoopbackPort.isListening(port)
    }
}
