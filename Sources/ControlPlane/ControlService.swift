// SPDX-License-Identifier: Apache-2.0

package import Logging

/// The control plane of a region: the API, the desired state, and the reconciler that drives the data plane to it.
package struct ControlService: Sendable {
    private let keeper: StateKeeper
    private let reconciler: Reconciler
    private let delivery: EventDelivery
    private let endpoint: APIEndpoint
    private let plane: any DataPlane
    private let host: String
    private let port: Int
    private let logger: Logger

    /// - Parameters:
    ///   - host: a loopback address
    ///   - offers: the engines that are installed
    package init(
        store: any StateStore, plane: any DataPlane, offers: [EngineOffer], keyFile: AccessKeyFile,
        authority: CertificateFacts, topics: TopicFile, logs: LogDirectory, host: String, port: Int, crash: CrashPoint,
        logger: Logger
    ) async throws {
        let keys = keyFile.current
        let account = Account(id: keys.account, region: keys.region)
        let secrets = SecretBox(key: keys.sealingKey)
        keeper = try await StateKeeper(store: store)
        reconciler = Reconciler(
            keeper: keeper, plane: plane, offers: offers, secrets: secrets, account: account, keyFile: keyFile,
            crash: crash, logger: logger)
        delivery = EventDelivery(keeper: keeper, topics: topics, account: account, logger: logger)
        let rds = RDSService(
            keeper: keeper, offers: offers, account: account, secrets: secrets, logs: logs, authority: authority,
            topics: topics)
        endpoint = APIEndpoint(
            [
                rds, STSService(account: account, keys: keyFile),
                SecretsService(keeper: keeper, account: account, box: secrets),
            ], keys: keyFile, logger: logger)
        self.plane = plane
        self.host = host
        self.port = port
        self.logger = logger
    }

    /// Runs until the task is cancelled or the address cannot be listened on.
    package func run(onListening: @escaping @Sendable () -> Void) async throws {
        let http = HTTPEndpoint(endpoint: endpoint, plane: plane, host: host, port: port, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await reconciler.run() }
            group.addTask { await delivery.run() }
            group.addTask { try await http.run(onListening: onListening) }
            try await group.next()
            group.cancelAll()
        }
    }
}
