// SPDX-License-Identifier: Apache-2.0

extension Reconciler {
    /// Takes a custom endpoint one step further.
    func step(_ endpoint: ClusterEndpointRecord, _ observed: [ObservedCluster]) async throws {
        guard let cluster = keeper.state.clusters[endpoint.cluster] else {
            return try await keeper.update { $0.endpoints[endpoint.id] = nil }
        }
        switch endpoint.status {
        case .creating, .modifying:
            let wish = EndpointWish(
                id: endpoint.resourceID, cluster: cluster.planeID, kind: endpoint.type,
                members: endpoint.members.isEmpty ? nil : planeIDs(endpoint.members),
                excluded: planeIDs(endpoint.excluded))
            let host = try await plane.ensureEndpoint(wish)
            crash.pass("endpoint-known")
            let found = observed.first { $0.id == cluster.planeID }?.endpoint(.custom(endpoint.resourceID))
            // Where there is no instance to lead to, nobody listens.
            let isIdle = keeper.state.members(of: cluster.id).isEmpty
            guard found?.isListening == true || endpoint.status == .modifying || isIdle else { return }
            try await settle(endpoint, .available) { $0.host = host }
        case .deleting:
            try await plane.removeEndpoint(endpoint.resourceID)
            crash.pass("endpoint-removed")
            try await keeper.update { $0.endpoints[endpoint.id] = nil }
        default: break
        }
    }

    private func planeIDs(_ names: [String]) -> [String] { names.compactMap { keeper.state.instances[$0]?.planeID } }

    private func settle(
        _ endpoint: ClusterEndpointRecord, _ status: ResourceStatus,
        _ change: @escaping @Sendable (inout ClusterEndpointRecord) -> Void
    ) async throws {
        try await keeper.update { state in
            // A request may have come in between: it decides.
            guard var record = state.endpoints[endpoint.id], record == endpoint else { return }
            record.status = status
            change(&record)
            state.endpoints[endpoint.id] = record
        }
    }
}
