// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol

/// What DB proxies lead to: each has one target group, `default`, with one cluster or one instance in it.
extension RDSService {
    static let proxyTargetHandlers: [String: Handler] = [
        "RegisterDBProxyTargets": { try await $0.registerTargets($1) },
        "DeregisterDBProxyTargets": { try await $0.deregisterTargets($1) },
        "DescribeDBProxyTargets": { try $0.describeTargets($1) },
        "DescribeDBProxyTargetGroups": { try $0.describeTargetGroups($1) },
        "ModifyDBProxyTargetGroup": { try await $0.modifyTargetGroup($1) },
    ]

    private func checkGroup(_ input: Input, _ proxy: ProxyRecord) throws(AWSError) {
        guard let name = input.string("TargetGroupName"), name != "default" else { return }
        throw fault(
            "DBProxyTargetGroupNotFoundFault",
            "The proxy \(proxy.id) has no target group \(name.prefix(100)): its only one is called default.")
    }

    // MARK: - Targets

    private func target(_ input: Input, in state: DesiredState) throws(AWSError) -> ProxyRecord.Target {
        let clusters = input.strings("DBClusterIdentifiers") ?? []
        let instances = input.strings("DBInstanceIdentifiers") ?? []
        guard clusters.count + instances.count == 1 else {
            throw .invalidCombination(
                "Give one of DBClusterIdentifiers and DBInstanceIdentifiers, with one name in it.")
        }
        if let name = clusters.first { return .cluster(try cluster(name, in: state).resourceID) }
        return .instance(try instance(instances[0], in: state).resourceID)
    }

    private func registerTargets(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBProxyName")
        return try await update { state in
            var record = try proxy(name, in: state)
            try checkGroup(input, record)
            guard record.status != .deleting else {
                throw fault("InvalidDBProxyStateFault", "The proxy \(record.id) is being deleted.")
            }
            let target = try target(input, in: state)
            // A target that is gone has left the group.
            guard state.cluster(of: record) == nil else {
                throw fault(
                    "DBProxyTargetAlreadyRegisteredFault",
                    "The proxy \(record.id) has a target already; a proxy has one cluster or one instance.")
            }
            record.target = target
            guard state.cluster(of: record)?.engine == record.family.engine else {
                throw AWSError.invalidCombination(
                    "The target's engine does not belong to the engine family \(record.family.rawValue) of \(record.id)."
                )
            }
            record.updated = .now
            state.proxies[record.id] = record
            return ["DBProxyTargets": .list(describeTargets(of: record, state))]
        }
    }

    private func deregisterTargets(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBProxyName")
        return try await update { state in
            var record = try proxy(name, in: state)
            try checkGroup(input, record)
            guard record.target == (try target(input, in: state)) else {
                throw fault("DBProxyTargetNotFoundFault", "The proxy \(record.id) does not have this target.")
            }
            record.target = nil
            record.updated = .now
            state.proxies[record.id] = record
            return [:]
        }
    }

    private func describeTargets(_ input: Input) throws -> AWSValue {
        let state = state
        let record = try proxy(try input.required("DBProxyName"), in: state)
        try checkGroup(input, record)
        let targets = describeTargets(of: record, state)
        return try Page(input).answer(targets, as: "Targets", key: { $0["RdsResourceId"]?.string ?? "" }, { $0 })
    }

    private func describeTargets(of proxy: ProxyRecord, _ state: DesiredState) -> [AWSValue] {
        guard let cluster = state.cluster(of: proxy) else { return [] }
        let hasUsers = proxy.logins.contains { state.user(of: $0, secrets, account) != .nobody }
        let instances = state.targets(of: proxy).map { instance -> AWSValue in
            var fields: [String: AWSValue] = [
                "RdsResourceId": .string(instance.id), "Type": "RDS_INSTANCE", "Port": .integer(Int64(cluster.port)),
                "TargetArn": .string(account.arn("db", instance.id)),
                "Role": .string(state.isWriter(instance, of: cluster) ? "READ_WRITE" : "READ_ONLY"),
                "TargetHealth": Self.health(of: instance, proxy, hasUsers: hasUsers),
            ]
            if let host = instance.host { fields["Endpoint"] = .string(host) }
            if case .cluster = proxy.target { fields["TrackedClusterId"] = .string(cluster.id) }
            return .structure(fields)
        }
        guard case .cluster = proxy.target else { return instances }
        let tracked: AWSValue = [
            "RdsResourceId": .string(cluster.id), "Type": "TRACKED_CLUSTER", "Port": .integer(Int64(cluster.port)),
            "TargetArn": .string(account.arn("cluster", cluster.id)), "Role": "UNKNOWN",
        ]
        return [tracked] + instances
    }

    private static func health(of instance: InstanceRecord, _ proxy: ProxyRecord, hasUsers: Bool) -> AWSValue {
        switch (proxy.status, instance.status) {
        case (.creating, _):
            [
                "State": "REGISTERING", "Reason": "PENDING_PROXY_CAPACITY",
                "Description": "The proxy is being created.",
            ]
        case (_, .available) where !hasUsers:
            [
                "State": "UNAVAILABLE", "Reason": "AUTH_FAILURE",
                "Description": "The proxy has no credentials: none of its secrets names a user and a password.",
            ]
        case (_, .available): ["State": "AVAILABLE"]
        case (_, .creating): ["State": "REGISTERING", "Description": "The instance is being created."]
        default:
            [
                "State": "UNAVAILABLE", "Reason": "UNREACHABLE",
                "Description": .string("The instance is \(instance.status.rawValue)."),
            ]
        }
    }

    // MARK: - The target group

    private func describeTargetGroups(_ input: Input) throws -> AWSValue {
        let record = try proxy(try input.required("DBProxyName"), in: state)
        try checkGroup(input, record)
        return ["TargetGroups": .list([describeTargetGroup(of: record)])]
    }

    private func describeTargetGroup(of proxy: ProxyRecord) -> AWSValue {
        var pool: [String: AWSValue] = [
            "MaxConnectionsPercent": .integer(Int64(proxy.pool.connectionsPercent)),
            "MaxIdleConnectionsPercent": .integer(Int64(proxy.pool.idlePercent)),
            "ConnectionBorrowTimeout": .integer(Int64(proxy.pool.borrowSeconds)),
            "SessionPinningFilters": AWSValue(proxy.pool.pinningFilters),
        ]
        if let query = proxy.pool.initQuery { pool["InitQuery"] = .string(query) }
        return [
            "DBProxyName": .string(proxy.id), "TargetGroupName": "default", "IsDefault": true,
            "TargetGroupArn": .string(account.arn("target-group", "\(proxy.resourceID)-default")),
            "Status": .string(proxy.status.rawValue), "ConnectionPoolConfig": .structure(pool),
            "CreatedDate": .timestamp(proxy.created), "UpdatedDate": .timestamp(proxy.pool.updated),
        ]
    }

    private func modifyTargetGroup(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBProxyName")
        guard !input.has("NewName") else {
            throw AWSError.invalidCombination("The target group default keeps its name.")
        }
        return try await update { state in
            var record = try proxy(name, in: state)
            try checkGroup(input, record)
            try check(record, is: .available, for: "modified")
            if let wish = input.structure("ConnectionPoolConfig") { try change(&record.pool, wish, record.family) }
            record.pool.updated = .now
            record.status = .modifying
            state.proxies[record.id] = record
            return ["DBProxyTargetGroup": describeTargetGroup(of: record)]
        }
    }

    private func change(_ pool: inout ProxyRecord.Pool, _ wish: Input, _ family: ProxyRecord.Family) throws(AWSError) {
        let most = try wish.integer("MaxConnectionsPercent", in: 1...100) ?? pool.connectionsPercent
        let idle = try wish.integer("MaxIdleConnectionsPercent", in: 0...100)
        guard (idle ?? pool.idlePercent) <= most || (idle == nil && wish.has("MaxConnectionsPercent")) else {
            throw .invalidCombination("MaxIdleConnectionsPercent cannot be above MaxConnectionsPercent.")
        }
        pool.connectionsPercent = most
        pool.idlePercent = idle ?? min(pool.idlePercent, most)
        pool.borrowSeconds = try wish.integer("ConnectionBorrowTimeout", in: 0...300) ?? pool.borrowSeconds
        if let filters = wish.strings("SessionPinningFilters") {
            guard filters.isEmpty || (family == .mysql && filters == ["EXCLUDE_VARIABLE_SETS"]) else {
                throw .invalidValue("SessionPinningFilters takes EXCLUDE_VARIABLE_SETS, for the engine family MYSQL.")
            }
            pool.pinningFilters = filters
        }
        if wish.has("InitQuery") { pool.initQuery = wish.string("InitQuery").flatMap { $0.isEmpty ? nil : $0 } }
    }
}
