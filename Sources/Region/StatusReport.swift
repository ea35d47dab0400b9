// SPDX-License-Identifier: Apache-2.0

internal import Engines
package import StorageNode
package import VolumeDriver

/// What `borealis status --json` prints. Scripts rely on the names here; fields are added, never changed.
///
/// Optional values that the shape promises are written as null, not left out.
package struct StatusReport: Codable, Sendable {
    package struct Cluster: Codable, Sendable {
        package var id: String
        package var engine: String
        /// `available`, `starting`, `attaching`, `creating`, `recovering`, `waiting` (no write quorum), `stopping`, `failed`.
        package var status: String
        /// The volume durable LSN; null while it is not known.
        package var vdl: UInt64?
        package var writer: Instance?
        package var readers: [Instance]
        package var volume: String
        package var epoch: UInt32?
        /// Why it is not available, or what commits wait for.
        package var reason: String?
        package var driver: DriverStatus?
        /// Where the writer is reached, whichever instance that is, and as whom one logs in.
        package var host: String?
        package var port: Int?
        package var superuser: String?
        /// All of its instances, also those that do not run.
        package var instances: [String]?
        /// The newest change of its writer; left out if there was none.
        package var failover: Failover?
        package var endpoints: [Endpoint]?
    }

    package struct Failover: Codable, Sendable {
        /// 1 is the first of the cluster's life.
        package var number: Int
        package var from: String
        package var to: String
        package var reason: String
        /// Whether somebody asked for it.
        package var isPlanned: Bool
        /// Whether the new writer has accepted connections since.
        package var isComplete: Bool
        /// From the decision to the first accepted connection; null until then.
        package var milliseconds: Int?
    }

    /// An address that leads to whichever instance serves: it stays while instances come and go.
    package struct Endpoint: Codable, Sendable {
        package var id: String
        /// `writer`, `reader`, `custom-reader`, `custom-any`.
        package var kind: String
        package var host: String
        package var port: Int
        package var url: String?
        package var isListening: Bool
        /// Clients that are connected, and that wait for an instance.
        package var connections: Int
        package var waiting: Int
        /// Why it does not listen.
        package var reason: String?
    }

    package struct Instance: Codable, Sendable {
        package var id: String
        /// The engine's first process; null while there is none.
        package var pid: Int32?
        /// At its own address.
        package var url: String
        /// A reader's distance from the writer, end to end; left out while it is not known.
        package var lagMs: Int?
        package var restarts: Int?
        package var lastRecoveryMs: Int?
        /// Of the settings that the control plane gave it.
        package var generation: Int?
        /// What it does: `available`, `starting`, `attaching`, `creating`, `recovering`, `stopping`, `stopped`, `failed`.
        package var state: String?
        package var reason: String?
        package var az: String?
        /// Promotion tier: 0 is promoted first, 15 last.
        package var tier: Int?
        /// Its own loopback address; its engine listens there on the cluster's port.
        package var host: String?
        /// The DB instance class that was asked for.
        package var `class`: String?
        /// Whether nobody asked for its engine's newest end; left out when somebody did, and before the first.
        package var endedByItself: Bool?
    }

    package struct Node: Codable, Sendable {
        package var id: String
        package var az: String
        /// The process that hosts it; null while there is none.
        package var pid: Int32?
        /// `up`, `down`, `full` or `failed`.
        package var state: String
        package var scl: UInt64?
        package var reason: String?
        package var detail: NodeStatus?
    }

    package struct Process: Codable, Sendable {
        package var role: String
        package var pid: Int32?
        package var state: String
        package var restarts: Int
        package var reason: String?
        package var residentBytes: UInt64?
    }

    package var clusters: [Cluster]
    package var nodes: [Node]
    package var processes: [Process]
    package var layout: String
    package var directory: String
    package var uptimeSeconds: Double
    /// Faults that were injected and not healed.
    package var faults: [String]

    /// Where clients connect: the endpoints of each cluster, the writer's first.
    package var clientLines: [(cluster: String, lines: [String])] {
        clusters.compactMap { cluster in
            guard cluster.writer != nil else { return nil }
            let endpoints = (cluster.endpoints ?? []).filter { $0.url != nil }
            let writer = endpoints.first { $0.kind == "writer" }?.url ?? cluster.writer?.url ?? ""
            let others = endpoints.filter { $0.kind != "writer" }.map {
                "\($0.id): \(ClientLine.text(for: $0.url ?? ""))"
            }
            return (cluster.id, [ClientLine.text(for: writer)] + others)
        }
    }

    /// Whether every cluster that should run accepts connections.
    package var isAvailable: Bool { clusters.allSatisfy { $0.status == "available" || $0.status == "stopped" } }
}

extension StatusReport.Cluster {
    /// Reads `name=value` as its engine takes it.
    package func parseSetting(_ text: String) throws -> (name: String, value: String) {
        guard let kind = EngineKind(rawValue: engine) else {
            throw RegionError("the engine \(engine) is not known", remedy: "use the borealis that runs the region")
        }
        return try kind.parseSetting(text)
    }

    private enum CodingKeys: CodingKey {
        case id, engine, status, vdl, writer, readers, volume, epoch, reason, driver, host, port, superuser, instances
        case failover, endpoints
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(engine, forKey: .engine)
        try container.encode(status, forKey: .status)
        try container.encode(vdl, forKey: .vdl)
        try container.encode(writer, forKey: .writer)
        try container.encode(readers, forKey: .readers)
        try container.encode(volume, forKey: .volume)
        try container.encodeIfPresent(epoch, forKey: .epoch)
        try container.encodeIfPresent(reason, forKey: .reason)
        try container.encodeIfPresent(driver, forKey: .driver)
        try container.encodeIfPresent(host, forKey: .host)
        try container.encodeIfPresent(port, forKey: .port)
        try container.encodeIfPresent(superuser, forKey: .superuser)
        try container.encodeIfPresent(instances, forKey: .instances)
        try container.encodeIfPresent(failover, forKey: .failover)
        try container.encodeIfPresent(endpoints, forKey: .endpoints)
    }
}

extension StatusReport.Instance {
    private enum CodingKeys: CodingKey {
        case id, pid, url, lagMs, restarts, lastRecoveryMs, generation, state, reason, az, tier, host
        case `class`, endedByItself
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(pid, forKey: .pid)
        try container.encode(url, forKey: .url)
        try container.encodeIfPresent(lagMs, forKey: .lagMs)
        try container.encodeIfPresent(restarts, forKey: .restarts)
        try container.encodeIfPresent(lastRecoveryMs, forKey: .lastRecoveryMs)
        try container.encodeIfPresent(generation, forKey: .generation)
        try container.encodeIfPresent(state, forKey: .state)
        try container.encodeIfPresent(reason, forKey: .reason)
        try container.encodeIfPresent(az, forKey: .az)
        try container.encodeIfPresent(tier, forKey: .tier)
        try container.encodeIfPresent(host, forKey: .host)
        try container.encodeIfPresent(`class`, forKey: .class)
        try container.encodeIfPresent(endedByItself, forKey: .endedByItself)
    }
}

extension StatusReport.Node {
    private enum CodingKeys: CodingKey { case id, az, pid, state, scl, reason, detail }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(az, forKey: .az)
        try container.encode(pid, forKey: .pid)
        try container.encode(state, forKey: .state)
        try container.encode(scl, forKey: .scl)
        try container.encodeIfPresent(reason, forKey: .reason)
        try container.encodeIfPresent(detail, forKey: .detail)
    }
}

extension StatusReport.Process {
    private enum CodingKeys: CodingKey { case role, pid, state, restarts, reason, residentBytes }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(role, forKey: .role)
        try container.encode(pid, forKey: .pid)
        try container.encode(state, forKey: .state)
        try container.encode(restarts, forKey: .restarts)
        try container.encodeIfPresent(reason, forKey: .reason)
        try container.encodeIfPresent(residentBytes, forKey: .residentBytes)
    }
}
