// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Foundation

/// Subnet groups. Subnets are names only, as there is no network service: they are spread over the zones in their order.
extension RDSService {
    static let subnetHandlers: [String: Handler] = [
        "CreateDBSubnetGroup": { try await $0.createSubnetGroup($1) },
        "ModifyDBSubnetGroup": { try await $0.modifySubnetGroup($1) },
        "DeleteDBSubnetGroup": { try await $0.deleteSubnetGroup($1) },
        "DescribeDBSubnetGroups": { try $0.describeSubnetGroups($1) },
    ]

    private func subnets(_ input: Input) throws -> [SubnetGroupRecord.Subnet] {
        let ids = input.strings("SubnetIds") ?? []
        for id in ids where id.wholeMatch(of: /subnet-[0-9a-z]+/) == nil {
            throw fault("InvalidSubnet", "The subnet ID '\(id)' is not valid.")
        }
        guard Set(ids).count == ids.count else { throw fault("InvalidSubnet", "A subnet is named more than once.") }
        guard ids.count <= Quota.subnetsPerGroup else {
            throw fault(
                "DBSubnetQuotaExceededFault", "A DB subnet group has at most \(Quota.subnetsPerGroup) subnets.")
        }
        guard ids.count >= 2 else {
            throw fault(
                "DBSubnetGroupDoesNotCoverEnoughAZs",
                "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Add subnets to cover at least 2 AZs."
            )
        }
        return ids.enumerated().map { .init(id: $0.element, zone: account.zones[$0.offset % account.zones.count]) }
    }

    /// Letters, digits, periods, underscores, spaces and hyphens, in lower case.
    private static func groupName(_ input: Input) throws(AWSError) -> String {
        let name = try input.required("DBSubnetGroupName").lowercased()
        guard name.utf8.count <= 255, name.wholeMatch(of: /[a-z0-9._ -]+/) != nil else {
            throw .invalidValue(
                "The parameter DBSubnetGroupName is not a valid name: it has at most 255 letters, digits, periods, "
                    + "underscores, spaces and hyphens.")
        }
        return name
    }

    private func createSubnetGroup(_ input: Input) async throws -> AWSValue {
        let group = SubnetGroupRecord(
            id: try Self.groupName(input),
            description: try input.required("DBSubnetGroupDescription"), subnets: try subnets(input),
            tags: try input.tags())
        return try await update { state in
            guard state.subnetGroup(group.id, account) == nil else {
                throw fault("DBSubnetGroupAlreadyExistsFault", "The DB subnet group '\(group.id)' already exists.")
            }
            guard state.subnetGroups.count < Quota.subnetGroups else {
                throw fault(
                    "DBSubnetGroupQuotaExceededFault", "The quota of \(Quota.subnetGroups) DB subnet groups is reached."
                )
            }
            state.subnetGroups[group.id] = group
            return ["DBSubnetGroup": describe(group)]
        }
    }

    private func modifySubnetGroup(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBSubnetGroupName")
        let subnets = try subnets(input)
        return try await update { state in
            var group = try subnetGroup(name, in: state)
            group.subnets = subnets
            try checkInstances(of: group, in: state)
            if let text = input.string("DBSubnetGroupDescription") { group.description = text }
            state.subnetGroups[group.id] = group
            return ["DBSubnetGroup": describe(group)]
        }
    }

    /// A zone that an instance is in keeps its subnet.
    private func checkInstances(of group: SubnetGroupRecord, in state: DesiredState) throws(AWSError) {
        let zones = group.subnets.map(\.zone)
        for cluster in state.clusters.values where cluster.subnetGroup == group.id {
            guard let left = state.members(of: cluster.id).first(where: { !zones.contains($0.zone) }) else { continue }
            throw fault(
                "SubnetAlreadyInUse",
                "The subnet of \(left.zone) cannot be removed: the DB instance \(left.id) is in that zone.")
        }
    }

    private func deleteSubnetGroup(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBSubnetGroupName")
        return try await update { state in
            let group = try subnetGroup(name, in: state)
            let user = state.clusters.values.first { $0.subnetGroup == group.id }
            guard user == nil, group.id != ClusterRecord.defaultSubnetGroup else {
                throw fault(
                    "InvalidDBSubnetGroupStateFault",
                    "Cannot delete the subnet group '\(group.id)' because at least one database cluster, "
                        + "\(user?.id ?? "the next one"), is using it.")
            }
            state.subnetGroups[group.id] = nil
            return [:]
        }
    }

    private func describeSubnetGroups(_ input: Input) throws -> AWSValue {
        let state = state
        let fallback = state.subnetGroup(ClusterRecord.defaultSubnetGroup, account)
        var groups = Array(state.subnetGroups.values)
        if let fallback, state.subnetGroups[fallback.id] == nil { groups.append(fallback) }
        if let name = input.string("DBSubnetGroupName"), !name.isEmpty { groups = [try subnetGroup(name, in: state)] }
        _ = try Filters<SubnetGroupRecord>(input, [:])
        return try Page(input).answer(groups.sorted { $0.id < $1.id }, as: "DBSubnetGroups", key: \.id, describe)
    }

    func describe(_ group: SubnetGroupRecord) -> AWSValue {
        [
            "DBSubnetGroupName": .string(group.id), "DBSubnetGroupDescription": .string(group.description),
            "VpcId": "vpc-default", "SubnetGroupStatus": "Complete",
            "Subnets": .list(
                group.subnets.map {
                    [
                        "SubnetIdentifier": .string($0.id), "SubnetStatus": "Active",
                        "SubnetAvailabilityZone": ["Name": .string($0.zone)],
                    ]
                }),
            "DBSubnetGroupArn": .string(account.arn("subgrp", group.id)), "SupportedNetworkTypes": ["IPV4"],
        ]
    }
}
