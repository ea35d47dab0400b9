// SPDX-License-Identifier: Apache-2.0

package import Endpoints
package import Engines
package import Foundation

/// What the control plane wants of a cluster or an instance. Every order can be repeated with the same effect.
package struct ClusterOrder: Codable, Sendable {
    package enum Action: String, Codable, Sendable {
        /// `engine`, `port`, `superuser`, `password`; answered with the host.
        case ensureCluster
        case removeCluster
        /// `password`: the engine has it already.
        case setPassword
        /// `instance`, `isRunning`, `generation`, `settings`, `zone`, `tier`, `memoryBytes`, `instanceClass`. A cluster's first instance is
        /// its writer, later ones are readers.
        case ensureInstance
        /// `instance`
        case removeInstance
        /// `instance`: endpoints lead nobody new to it any more, until it is removed.
        case retireInstance
        /// `instance`, `settings`: for the running engine and its next start.
        case configureInstance
        /// `instance` (nil: the best reader), `reason`: makes a reader the writer; answered with the new writer.
        case failover
        /// `endpoint`; answered with its host.
        case ensureEndpoint
        /// `endpoint`: only its name counts.
        case removeEndpoint
        /// `proxy`, `port`; answered with a host that is nobody else's.
        case proxyHost
        /// `proxy`; answered with whether it listens.
        case ensureProxy
        /// `proxy`: only its name counts.
        case removeProxy
    }

    package var action: Action
    package var cluster: String?
    package var instance: String?
    package var engine: EngineKind?
    package var port: Int?
    package var superuser: String?
    package var password: String?
    package var isRunning: Bool?
    package var generation: Int?
    package var settings: [String: String]?
    /// The letter of an instance's availability zone; nil: as it is, or chosen when it is made.
    package var zone: String?
    /// Its promotion tier, 0 to 15; nil: as it is, or 1.
    package var tier: Int?
    /// Of its class, for ties; nil: as it is, or 0.
    package var memoryBytes: Int?
    package var instanceClass: String?
    /// Why, in words for the log and the status.
    package var reason: String?
    package var endpoint: EndpointOrder?
    package var proxy: ProxyOrder?

    package init(_ action: Action, cluster: String? = nil, instance: String? = nil) {
        self.action = action
        self.cluster = cluster
        self.instance = instance
    }
}

/// A custom endpoint as the control plane wants it.
package struct EndpointOrder: Codable, Sendable {
    /// Unique in the region.
    package var name: String
    package var cluster: String
    package var kind: EndpointTopology.Kind
    /// Instances that it has; nil is all but `excluded`.
    package var members: [String]?
    package var excluded: [String]

    package init(
        name: String, cluster: String, kind: EndpointTopology.Kind, members: [String]? = nil, excluded: [String] = []
    ) {
        self.name = name
        self.cluster = cluster
        self.kind = kind
        self.members = members
        self.excluded = excluded
    }
}

/// A DB proxy as the control plane wants it.
package struct ProxyOrder: Codable, Sendable {
    package struct Target: Codable, Sendable, Equatable {
        package var host: String
        package var port: Int

        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    /// Unique in the region.
    package var name: String
    /// Its configuration in JSON, without certificates and targets.
    package var configuration = Data()
    package var hosts: [String] = []
    package var targets: [Target] = []

    package init(name: String) { self.name = name }
}

/// What a process takes on while it runs.
package struct Adoption: Codable, Sendable {
    package var key: RoleConfiguration.Key
    package var instance: RoleConfiguration.Instance?
}

/// How a process is to be without an instance.
package struct Release: Codable, Sendable {
    /// How long its engine may take to shut down, milliseconds; 0 kills it; nil is as long as it usually takes.
    package var milliseconds: Int?
    /// Only if it has this part: the order may come after the one that gives it another. Nil: whatever it is.
    package var part: RoleConfiguration.Part?
}
