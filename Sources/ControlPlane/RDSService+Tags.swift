// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol

/// Tags of everything that has an ARN.
extension RDSService {
    static let tagHandlers: [String: Handler] = [
        "AddTagsToResource": { try await $0.addTags($1) },
        "RemoveTagsFromResource": { try await $0.removeTags($1) },
        "ListTagsForResource": { service, input in
            _ = try Filters<Tag>(input, [:])
            return ["TagList": tagList(try service.tagged(input.required("ResourceName"), in: service.state).tags)]
        },
    ]

    private struct Tagged {
        var tags: [Tag]
        var set: @Sendable (inout DesiredState, [Tag]) -> Void
    }

    private func tagged(_ arn: String, in state: DesiredState) throws -> Tagged {
        let parts = arn.split(separator: ":", maxSplits: 6, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 7, parts[0...4].joined(separator: ":") == "arn:aws:rds:\(account.region):\(account.id)"
        else {
            throw AWSError.invalidValue("Invalid resource name: \(arn.prefix(200))")
        }
        let name = parts[6]
        switch parts[5] {
        case "cluster":
            let record = try cluster(name, in: state)
            return Tagged(tags: record.tags) { $0.clusters[record.id]?.tags = $1 }
        case "db":
            let record = try instance(name, in: state)
            return Tagged(tags: record.tags) { $0.instances[record.id]?.tags = $1 }
        case "cluster-pg", "pg":
            let record = try parameterGroup(parts[5] == "pg" ? .instance : .cluster, name, in: state)
            return Tagged(tags: record.tags) { $0.parameterGroups[record.id, default: record].tags = $1 }
        case "subgrp":
            let record = try subnetGroup(name, in: state)
            return Tagged(tags: record.tags) { $0.subnetGroups[record.id, default: record].tags = $1 }
        case "cluster-endpoint":
            let record = try endpoint(name, in: state)
            return Tagged(tags: record.tags) { $0.endpoints[record.id]?.tags = $1 }
        case "db-proxy":
            let record = try proxy(name, in: state)
            return Tagged(tags: record.tags) { $0.proxies[record.id]?.tags = $1 }
        case "db-proxy-endpoint": return try taggedEndpoint(name, in: state)
        case "target-group":
            let record = try taggedProxy(name, in: state, fault: "DBProxyTargetGroupNotFoundFault")
            return Tagged(tags: record.groupTags ?? []) { $0.proxies[record.id]?.groupTags = $1 }
        case "es":
            let record = try subscription(name, in: state)
            return Tagged(tags: record.tags) { $0.subscriptions[record.id]?.tags = $1 }
        default: throw AWSError.invalidValue("Invalid resource name: \(arn.prefix(200))")
        }
    }

    /// A further endpoint of a proxy, or the one that each has by itself.
    private func taggedEndpoint(_ name: String, in state: DesiredState) throws(AWSError) -> Tagged {
        if let record = state.proxyEndpoints.values.first(where: { $0.resourceID == name.lowercased() }) {
            return Tagged(tags: record.tags) { $0.proxyEndpoints[record.id]?.tags = $1 }
        }
        let record = try taggedProxy(name, in: state, fault: "DBProxyEndpointNotFoundFault")
        return Tagged(tags: record.endpointTags ?? []) { $0.proxies[record.id]?.endpointTags = $1 }
    }

    /// The proxy that a target group or an endpoint called `default` belongs to: its identifier is the proxy's with that name.
    private func taggedProxy(
        _ name: String, in state: DesiredState, fault shape: String
    ) throws(AWSError) -> ProxyRecord {
        guard let found = state.proxies.values.first(where: { "\($0.resourceID)-default" == name.lowercased() }) else {
            throw fault(shape, "\(name.prefix(100)) not found.")
        }
        return found
    }

    private func addTags(_ input: Input) async throws -> AWSValue {
        let arn = try input.required("ResourceName")
        let added = try input.tags()
        return try await update { state in
            let resource = try tagged(arn, in: state)
            let tags = Self.merge(added, into: resource.tags)
            guard tags.count <= Quota.tagsPerResource else {
                throw AWSError.invalidValue("A resource has at most \(Quota.tagsPerResource) tags.")
            }
            resource.set(&state, tags)
            return [:]
        }
    }

    private func removeTags(_ input: Input) async throws -> AWSValue {
        let arn = try input.required("ResourceName")
        let keys = Set(input.strings("TagKeys") ?? [])
        return try await update { state in
            let resource = try tagged(arn, in: state)
            resource.set(&state, resource.tags.filter { !keys.contains($0.key) })
            return [:]
        }
    }
}
