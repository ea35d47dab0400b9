// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Endpoints
internal import Foundation
internal import Glibc
internal import Logging
internal import Region

/// The endpoints' process, started by the supervisor: passes clients' connections on to the instances.
struct EndpointRole: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoint", abstract: "Run the region's endpoints as a configuration says.", shouldDisplay: false)

    @Option(help: ArgumentHelp("The process's configuration.", valueName: "file")) var config: String

    func run() throws {
        let signals = SignalWaiter([SIGTERM, SIGINT])
        Terminal.bootstrapLogging()
        let configuration = try EndpointConfiguration.load(config)
        guard case .held(let lock) = try FileLock.acquire(configuration.lock, waitMilliseconds: 10_000) else {
            throw RegionError("another process has the endpoints", remedy: "stop it first")
        }
        var logger = Logger(label: "endpoint")
        logger.logLevel = Logger.Level(rawValue: configuration.logLevel) ?? .info
        let service = EndpointService(threads: configuration.threads, logger: logger)
        let client = AdminClient(path: configuration.regionSocket)
        Task { try await service.run { try await Self.ask(client, $0) } }
        _ = signals.wait()
        // Clients notice the end of the process; there is nothing to finish for them here.
        withExtendedLifetime(lock) {}
    }

    /// The socket blocks, so it is used away from the threads that serve tasks.
    private static func ask(_ client: AdminClient, _ report: EndpointReport) async throws -> EndpointTopology {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    with: Result {
                        var request = AdminRequest(.endpoints)
                        request.endpoints = report
                        guard let topology = try client.send(request, timeoutSeconds: 10).topology else {
                            throw RegionError(
                                "the answer has no endpoints", remedy: "restart the region with this borealis")
                        }
                        return topology
                    })
            }
        }
    }
}
