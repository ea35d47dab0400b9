// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Foundation

/// Cluster endpoints: the two that every cluster has, and custom ones.
extension RDSService {
    static let endpointHandlers: [String: Handler] = [
        "CreateDBClusterEndpoint": { try await $0.createEndpoint($1) },
        "DescribeDBClusterEndpoints": { try $0.describeEndpoints($1) },
        "ModifyDBClusterEndpoint": { try await $0.modifyEndpoint($1) },
        "DeleteDBClusterEndpoint": { try await $0.deleteEndpoint($1) },
    ]

    // MARK: - Create, modify, delete

    private func createEndpoint(_ input: Input) async throws -> AWSValue {
        let id = try input.identifier("DBClusterEndpointIdentifier")
        let clusterName = try input.required("DBClusterIdentifier")
        let type = try Self.endpointType(input.required("EndpointType"))
        return try await update { state in
            let cluster = try cluster(clusterName, in: state)
            guard state.endpoints[id] == nil else {
                throw fault(
                    "DBClusterEndpointAlreadyExistsFault", "DB Cluster Endpoint \(id) already exists.")
            }
            guard cluster.status == .available else {
                throw fault(
                    "InvalidDBClusterStateFault",
                    "DB cluster \(cluster.id) is not in available state: it is \(cluster.status.rawValue).")
            }
            guard state.endpoints.values.count(where: { $0.cluster == cluster.id }) < Quota.endpointsPerCluster else {
                throw fault(
                    "DBClusterEndpointQuotaExceededFault",
                    "The cluster \(cluster.id) has \(Quota.endpointsPerCluster) custom endpoints, the most there can be."
                )
            }
            var record = ClusterEndpointRecord(
                id: id, resourceID: ResourceID.make("cluster-endpoint"), cluster: cluster.id, type: type,
                tags: try input.tags())
            try change(&record, input, in: state)
            state.endpoints[id] = record
            return describe(record, cluster, state)
        }
    }

    private func modifyEndpoint(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBClusterEndpointIdentifier")
        let type = try input.string("EndpointType").map { type throws(AWSError) in try Self.endpointType(type) }
        return try await update { state in
            var record = try endpoint(name, in: state)
            guard let cluster = state.clusters[record.cluster] else { throw AWSError.internalFailure }
            try check(record, is: .available, for: "modified")
            guard cluster.status == .available else {
                throw fault(
                    "InvalidDBClusterStateFault",
                    "DB cluster \(cluster.id) is not in available state: it is \(cluster.status.rawValue).")
            }
            if let type { record.type = type }
            try change(&record, input, in: state)
            record.status = .modifying
            state.endpoints[record.id] = record
            return describe(record, cluster, state)
        }
    }

    private func deleteEndpoint(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBClusterEndpointIdentifier")
        return try await update { state in
            var record = try endpoint(name, in: state)
            guard let cluster = state.clusters[record.cluster] else { throw AWSError.internalFailure }
            try check(record, is: .available, for: "deleted")
            record.status = .deleting
            state.endpoints[record.id] = record
            return describe(record, cluster, state)
        }
    }

    private static func endpointType(_ text: String) throws(AWSError) -> ClusterEndpointRecord.Kind {
        guard let type = ClusterEndpointRecord.Kind(rawValue: text.uppercased()) else {
            throw .invalidValue("Invalid endpoint type: \(text.prefix(100)). It is READER, WRITER or ANY.")
        }
        return type
    }

    private func check(_ record: ClusterEndpointRecord, is status: ResourceStatus, for purpose: String) throws(AWSError)
    {
        guard record.status == status else {
            throw fault(
                "InvalidDBClusterEndpointStateFault",
                "The endpoint \(record.id) cannot be \(purpose) while it is \(record.status.rawValue).")
        }
    }

    /// The two lists: only one of them may name anybody.
    private func change(
        _ record: inout ClusterEndpointRecord, _ input: Input, in state: DesiredState
    ) throws(AWSError) {
        let members = try instances("StaticMembers", of: record.cluster, input, in: state)
        let excluded = try instances("ExcludedMembers", of: record.cluster, input, in: state)
        if let members { record.members = members }
        if let excluded { record.excluded = excluded }
        // Naming one list anew replaces the other.
        if let members, !members.isEmpty, excluded == nil { record.excluded = [] }
        if let excluded, !excluded.isEmpty, members == nil { record.members = [] }
        guard record.members.isEmpty || record.excluded.isEmpty else {
            throw .invalidCombination("StaticMembers and ExcludedMembers cannot be specified together.")
        }
    }

    private func instances(
        _ name: String, of cluster: String, _ input: Input, in state: DesiredState
    ) throws(AWSError) -> [String]? {
        guard let names = input.strings(name) else { return nil }
        var found: [String] = []
        for name in names {
            let instance = try instance(name, in: state)
            guard instance.cluster == cluster, instance.status != .deleting else {
                throw fault(
                    "InvalidDBInstanceStateFault", "The instance \(instance.id) is not a member of \(cluster).")
            }
            if !found.contains(instance.id) { found.append(instance.id) }
        }
        return found
    }

    // MARK: - Describe

    func endpoint(_ name: String, in state: DesiredState) throws(AWSError) -> ClusterEndpointRecord {
        guard let found = state.endpoints[name.lowercased()] else {
            throw fault("DBClusterEndpointNotFoundFault", "DB Cluster Endpoint \(name) not found.")
        }
        return found
    }

    /// An endpoint as it is listed; those that a cluster has by itself have no name.
    private struct Listed {
        let key: String
        let type: String
        let customType: String?
        let status: String
        let value: AWSValue
        let cluster: ClusterRecord
    }

    private func describeEndpoints(_ input: Input) throws -> AWSValue {
        let state = state
        var clusters = Array(state.clusters.values)
        if let name = input.string("DBClusterIdentifier"), !name.isEmpty { clusters = [try cluster(name, in: state)] }
        var listed = clusters.flatMap { self.listed($0, state) }
        if let name = input.string("DBClusterEndpointIdentifier"), !name.isEmpty {
            let record = try endpoint(name, in: state)
            listed = listed.filter { $0.key == Self.key(record) }
        }
        let filters = try Filters<Listed>(
            input,
            [
                "db-cluster-id": { [$0.cluster.id, account.arn("cluster", $0.cluster.id)] },
                "db-cluster-endpoint-type": { [$0.type] },
                "db-cluster-endpoint-custom-type": { $0.customType.map { [$0] } ?? [] },
                "db-cluster-endpoint-id": { $0.value["DBClusterEndpointIdentifier"]?.string.map { [$0] } ?? [] },
                "db-cluster-endpoint-status": { [$0.status] },
            ])
        listed = listed.filter(filters.admits).sorted { $0.key < $1.key }
        return try Page(input).answer(listed, as: "DBClusterEndpoints", key: \.key, \.value)
    }

    private static func key(_ record: ClusterEndpointRecord) -> String { "\(record.cluster)/2/\(record.id)" }

    private func listed(_ cluster: ClusterRecord, _ state: DesiredState) -> [Listed] {
        let standard = [("WRITER", cluster.host), ("READER", cluster.readerHost ?? "")].filter { !$0.1.isEmpty }
        // An endpoint that leads nowhere for a known reason is inactive.
        let isActive = ![.stopped, .stopping, .starting].contains(cluster.status)
        let status = cluster.status == .deleting ? "deleting" : isActive ? "available" : "inactive"
        let own = standard.enumerated().map { number, found in
            Listed(
                key: "\(cluster.id)/\(number)", type: found.0, customType: nil, status: status,
                value: [
                    "DBClusterIdentifier": .string(cluster.id), "Endpoint": .string(found.1), "Status": .string(status),
                    "EndpointType": .string(found.0),
                ], cluster: cluster)
        }
        let custom = state.endpoints.values.filter { $0.cluster == cluster.id }.map { record in
            Listed(
                key: Self.key(record), type: "CUSTOM", customType: record.type.rawValue,
                status: record.status == .available ? status : record.status.rawValue,
                value: describe(record, cluster, state), cluster: cluster)
        }
        return own + custom
    }

    private func describe(_ record: ClusterEndpointRecord, _ cluster: ClusterRecord, _ state: DesiredState) -> AWSValue
    {
        var fields: [String: AWSValue] = [
            "DBClusterEndpointIdentifier": .string(record.id), "DBClusterIdentifier": .string(cluster.id),
            "DBClusterEndpointResourceIdentifier": .string(record.resourceID),
            "Status": .string(record.status.rawValue), "EndpointType": "CUSTOM",
            "CustomEndpointType": .string(record.type.rawValue), "StaticMembers": AWSValue(record.members),
            "ExcludedMembers": AWSValue(record.excluded),
            "DBClusterEndpointArn": .string(account.arn("cluster-endpoint", record.id)),
        ]
        if let host = record.host { fields["Endpoint"] = .string(host) }
        return .structure(fields)
    }
}
