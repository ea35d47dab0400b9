// SPDX-License-Identifier: Apache-2.0

internal import Endpoints
internal import Engines
internal import Synchronization

extension Supervisor {
    /// What the endpoints' process has to know, of clusters that have something to connect to.
    func topology() throws -> EndpointTopology {
        let endpoints = Dictionary(grouping: try setup.metadata.endpoints(), by: \.cluster)
        let members = Dictionary(grouping: try setup.metadata.instances().filter(\.isRunning), by: \.cluster)
        return EndpointTopology(
            clusters: try setup.clusters().compactMap { cluster in
                guard let members = members[cluster.id] else { return nil }
                return EndpointTopology.Cluster(
                    id: cluster.id,
                    endpoints: (endpoints[cluster.id] ?? []).map { endpoint in
                        EndpointTopology.Endpoint(
                            id: endpoint.id, kind: endpoint.kind, host: endpoint.host, port: cluster.port,
                            members: endpoint.members, excluded: endpoint.excluded)
                    },
                    instances: members.map { member in
                        let isWriter = member.id == cluster.writer
                        return EndpointTopology.Instance(
                            id: member.id, host: member.host, port: cluster.port, isWriter: isWriter,
                            isAvailable: serves(member.id, as: isWriter ? .writer : .reader)
                                && (isWriter || !retired.withLock { $0.contains(member.id) }))
                    })
            })
    }

    /// Whether an instance accepts connections, and has the part that it is to have: after the decision for a failover the
    /// new writer is still a reader for a moment. One that has fallen silent serves nobody new.
    private func serves(_ id: String, as part: RoleConfiguration.Part) -> Bool {
        guard let (status, ago) = heard(of: id) else { return false }
        return status.phase == .available && status.part == part
            && ago < .milliseconds(FailoverPolicy.silenceLimitMilliseconds)
    }

    /// Makes an endpoint, or changes one, and gives its address.
    func ensureEndpoint(_ order: EndpointOrder) throws -> String {
        let id = EndpointRecord.id(custom: order.name)
        guard let cluster = try setup.metadata.clusters().first(where: { $0.id == order.cluster }) else {
            throw RegionError("there is no cluster \(order.cluster)", remedy: "see `borealis status`")
        }
        let known = try setup.metadata.endpoints().first { $0.id == id }
        let record = EndpointRecord(
            id: id, cluster: cluster.id, kind: order.kind,
            host: try known?.host ?? setup.chooseEndpointHost(id, port: cluster.port), members: order.members,
            excluded: order.excluded)
        if record != known {
            try setup.metadata.save(record)
            try MetadataCopies(directory: directory).save(setup.metadata)
        }
        return record.host
    }

    func removeEndpoint(_ name: String) throws {
        try setup.metadata.removeEndpoint(EndpointRecord.id(custom: name))
        try MetadataCopies(directory: directory).save(setup.metadata)
    }

    /// The endpoints of a cluster, for the status.
    func endpoints(of cluster: ClusterRecord) -> [StatusReport.Endpoint] {
        let records = ((try? setup.metadata.endpoints()) ?? []).filter { $0.cluster == cluster.id }
        let writer = try? setup.metadata.instances().first { $0.id == cluster.writer }
        let settings = writer.flatMap { try? setup.instance($0) }?.engine
        let report = endpointReport.withLock { $0 }
        return records.map { record in
            let found = report.endpoints.first { $0.id == record.id }
            return StatusReport.Endpoint(
                id: record.id, kind: record.kind.rawValue, host: record.host, port: cluster.port,
                url: settings.map { settings in
                    var settings = settings
                    settings.host = record.host
                    return settings.adapter.url
                }, isListening: found?.isListening ?? false, connections: found?.connections ?? 0,
                waiting: found?.waiting ?? 0, reason: found?.reason)
        }
    }
}
