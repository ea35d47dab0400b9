// SPDX-License-Identifier: Apache-2.0

package import Engines

/// What the control plane asks of whoever runs volumes and engines.
///
/// Every call can be repeated with the same effect, returns before what it starts has ended, and throws when it could not
/// be handed over; what has become of it is seen by `observe`.
package protocol DataPlane: Sendable {
    func observe() async throws -> [ObservedCluster]
    /// Makes a cluster's volume known. Gives the address at which its writer will listen.
    func ensureCluster(_ wish: ClusterWish) async throws -> String
    /// Forgets a cluster that has no instance any more.
    func removeCluster(_ id: String) async throws
    func ensureInstance(_ wish: InstanceWish) async throws
    func removeInstance(_ id: String) async throws
    /// Gives a running engine other settings, without a restart, and the next start the same.
    func configureInstance(_ id: String, settings: [String: String]) async throws
    /// Notes a master password that the engine has taken already.
    func setPassword(_ password: String, of cluster: String) async throws
}

package struct ClusterWish: Sendable {
    package var id: String
    package var engine: EngineKind
    package var port: Int
    package var masterUsername: String
    package var password: String
}

package struct InstanceWish: Sendable {
    package var id: String
    package var cluster: String
    package var isRunning: Bool
    /// An engine of an older one is restarted.
    package var generation: Int
    package var settings: [String: String]
}

package struct ObservedCluster: Sendable {
    package struct Instance: Sendable {
        package var id: String
        package var generation: Int
        package var isAvailable: Bool
        /// With the master password.
        package var url: String
        package var reason: String?

        package init(id: String, generation: Int, isAvailable: Bool, url: String, reason: String?) {
            self.id = id
            self.generation = generation
            self.isAvailable = isAvailable
            self.url = url
            self.reason = reason
        }
    }

    package var id: String
    package var engine: EngineKind
    package var host: String
    package var port: Int
    package var masterUsername: String
    /// Known to the data plane, whether or not it runs.
    package var instanceIDs: [String]
    /// The one that has a process.
    package var writer: Instance?

    package init(
        id: String, engine: EngineKind, host: String, port: Int, masterUsername: String, instanceIDs: [String],
        writer: Instance?
    ) {
        self.id = id
        self.engine = engine
        self.host = host
        self.port = port
        self.masterUsername = masterUsername
        self.instanceIDs = instanceIDs
        self.writer = writer
    }
}
