// SPDX-License-Identifier: Apache-2.0

package import Engines

/// What the control plane asks of whoever runs volumes and engines.
///
/// Every call can be repeated with the same effect, returns before what it starts has ended, and throws when it could not
/// be handed over; what has become of it is seen by `observe`.
package protocol DataPlane: Sendable {
    func observe() async throws -> [ObservedCluster]
    /// In Prometheus' text format.
    func metrics() async throws -> String
    /// Makes a cluster's volume known. Gives the address at which its writer is reached, now and after any failover.
    func ensureCluster(_ wish: ClusterWish) async throws -> String
    /// Forgets a cluster that has no instance any more.
    func removeCluster(_ id: String) async throws
    func ensureInstance(_ wish: InstanceWish) async throws
    /// Has endpoints lead nobody new to a reader that is about to be removed.
    func retireInstance(_ id: String) async throws
    func removeInstance(_ id: String) async throws
    /// Gives a running engine other settings, without a restart, and the next start the same.
    func configureInstance(_ id: String, settings: [String: String]) async throws
    /// Notes a master password that the engine has taken already.
    func setPassword(_ password: String, of cluster: String) async throws
    /// Makes a reader the writer: `target`, or nil for the one that an unplanned failover would take. With `target` being
    /// the writer already it does nothing. Refused, with the reason, when there is no reader that could be it.
    ///
    /// The data plane fails over by itself when the writer is lost, whether or not the control plane runs.
    func failover(cluster: String, to target: String?, reason: String) async throws
    /// Makes a custom endpoint, or changes one, and gives its address.
    func ensureEndpoint(_ wish: EndpointWish) async throws -> String
    func removeEndpoint(_ id: String) async throws
    /// An address for a proxy's endpoint, which is nobody else's.
    func proxyHost(_ id: String, port: Int) async throws -> String
    /// Has a proxy run so; says whether it listens. Other targets reach a running one without a restart.
    func ensureProxy(_ wish: ProxyWish) async throws -> Bool
    func removeProxy(_ id: String) async throws
}

/// A custom endpoint.
package struct EndpointWish: Sendable {
    package var id: String
    package var cluster: String
    package var kind: ClusterEndpointRecord.Kind
    /// Instances that it has; nil is all but `excluded`.
    package var members: [String]?
    package var excluded: [String]
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
    /// Nil: as they are.
    package var settings: [String: String]?
    /// The letter of its availability zone, `a` to `c`; nil: the data plane chooses when it is made. Fixed from then on.
    package var zone: String?
    /// 0 is promoted first, 15 last.
    package var promotionTier = 1
    /// Of its class: the larger one is promoted among those of a tier. 0 is not known.
    package var memoryBytes = 0
    /// Nil: as it is.
    package var instanceClass: String?
}

/// A cluster's first instance is its writer, all later ones are readers, until a failover changes that.
package struct ObservedCluster: Sendable {
    package struct Instance: Sendable {
        package enum Role: String, Sendable { case writer, reader }

        package var id: String
        package var generation: Int
        package var isAvailable: Bool
        /// With the master password, at the instance's own address.
        package var url: String
        package var reason: String?
        /// That it has by the metadata; a process may still be on its way there.
        package var role = Role.writer
        /// A loopback address of its own, kept for life; its engine listens there on the cluster's port.
        package var host = ""
        package var zone = ""
        package var promotionTier = 1
        /// A reader's distance from the writer, milliseconds, end to end; nil while it is not known.
        package var lagMilliseconds: Int?
        /// The DB instance class that somebody asked for.
        package var instanceClass: String?
        /// The engine's first process; nil while it has none.
        package var enginePID: Int32?
        /// What it does: the phases of `borealis status`, such as `attaching`, `available`, `stopped`.
        package var phase = ""
        /// Whether nobody asked for its engine's newest end.
        package var endedByItself = false

        package init(id: String, generation: Int, isAvailable: Bool, url: String, reason: String?) {
            self.id = id
            self.generation = generation
            self.isAvailable = isAvailable
            self.url = url
            self.reason = reason
        }
    }

    /// The newest change of a cluster's writer.
    package struct Failover: Sendable {
        /// 1 is the first of a cluster's life.
        package var number: Int
        package var from: String
        package var to: String
        package var reason: String
        /// Whether somebody asked for it.
        package var isPlanned: Bool
        /// Whether the new writer has accepted connections since.
        package var isComplete: Bool

        package init(number: Int, from: String, to: String, reason: String, isPlanned: Bool, isComplete: Bool) {
            self.number = number
            self.from = from
            self.to = to
            self.reason = reason
            self.isPlanned = isPlanned
            self.isComplete = isComplete
        }
    }

    package var id: String
    package var engine: EngineKind
    package var host: String
    package var port: Int
    package var masterUsername: String
    /// Known to the data plane, whether or not it runs.
    package var instanceIDs: [String]
    /// Nil while it has no process.
    package var writer: Instance?
    /// By name; also those that have no process, with the phase `stopped` or `starting`.
    package var readers: [Instance] = []
    package var failover: Failover?
    package var endpoints: [Endpoint] = []

    package struct Endpoint: Sendable {
        package enum Role: Sendable, Equatable {
            case writer, reader
            /// One that was wished for.
            case custom(String)
        }

        package var role: Role
        package var host: String
        package var isListening: Bool

        package init(role: Role, host: String, isListening: Bool) {
            self.role = role
            self.host = host
            self.isListening = isListening
        }
    }

    /// The most that a cluster has, its writer included.
    package static let instancesMax = 16

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

extension ObservedCluster {
    /// Those of which something is known.
    var instances: [Instance] { (writer.map { [$0] } ?? []) + readers }

    func instance(_ id: String) -> Instance? { instances.first { $0.id == id } }

    func endpoint(_ role: Endpoint.Role) -> Endpoint? { endpoints.first { $0.role == role } }

    /// The instance that is the writer, whether or not it runs.
    var writerID: String? {
        let readers = Set(readers.map(\.id))
        return writer?.id ?? instanceIDs.first { !readers.contains($0) }
    }
}
