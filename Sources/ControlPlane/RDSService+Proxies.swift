// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Foundation

/// DB proxies.
extension RDSService {
    static let proxyHandlers: [String: Handler] = [
        "CreateDBProxy": { try await $0.createProxy($1) },
        "ModifyDBProxy": { try await $0.modifyProxy($1) },
        "DeleteDBProxy": { try await $0.deleteProxy($1) },
        "DescribeDBProxies": { try $0.describeProxies($1) },
    ]

    private static let proxiesMax = 20
    private static let passwordTypes: [ProxyRecord.Family: Set<String>] = [
        .mysql: ["MYSQL_NATIVE_PASSWORD", "MYSQL_CACHING_SHA2_PASSWORD"],
        .postgres: ["POSTGRES_SCRAM_SHA_256", "POSTGRES_MD5"],
    ]

    // MARK: - Create, modify, delete

    private func createProxy(_ input: Input) async throws -> AWSValue {
        let id = try input.identifier("DBProxyName")
        let family = try Self.family(input.required("EngineFamily"))
        let role = try input.required("RoleArn")
        try refuseUnknown(input)
        let subnets = try proxySubnets(input)
        let authentication = try authentication(input, family) ?? .init()
        let idle = try input.integer("IdleClientTimeout", in: 1...28_800) ?? 1_800
        let tags = try input.tags()
        return try await update { state in
            guard state.proxies[id] == nil else {
                throw fault("DBProxyAlreadyExistsFault", "DB Proxy \(id) already exists.")
            }
            guard state.proxies.count < Self.proxiesMax else {
                throw fault("DBProxyQuotaExceededFault", "There are \(Self.proxiesMax) proxies, the most there can be.")
            }
            let now = Timestamp.now
            let record = ProxyRecord(
                id: id, resourceID: ResourceID.make("prx").lowercased(), family: family, created: now, updated: now,
                role: role, subnets: subnets, securityGroups: securityGroups(input, "VpcSecurityGroupIds"),
                authentication: authentication, requiresTLS: input.boolean("RequireTLS") ?? false,
                idleClientSeconds: idle, pool: .init(updated: now), tags: tags)
            state.proxies[id] = record
            state.note(.proxyCreated, proxy: record, account: account, now: now)
            return ["DBProxy": describe(record)]
        }
    }

    private func modifyProxy(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBProxyName")
        let newName = input.has("NewDBProxyName") ? try input.identifier("NewDBProxyName") : nil
        try refuseUnknown(input)
        let idle = try input.integer("IdleClientTimeout", in: 1...28_800)
        return try await update { state in
            var record = try proxy(name, in: state)
            try check(record, is: .available, for: "modified")
            if let authentication = try authentication(input, record.family) { record.authentication = authentication }
            record.requiresTLS = input.boolean("RequireTLS") ?? record.requiresTLS
            record.idleClientSeconds = idle ?? record.idleClientSeconds
            record.role = input.string("RoleArn") ?? record.role
            if input.has("SecurityGroups") { record.securityGroups = securityGroups(input, "SecurityGroups") }
            if let newName, newName != record.id {
                guard state.proxies[newName] == nil else {
                    throw fault("DBProxyAlreadyExistsFault", "DB Proxy \(newName) already exists.")
                }
                for endpoint in state.endpoints(of: record) { state.proxyEndpoints[endpoint.id]?.proxy = newName }
                state.proxies[record.id] = nil
                record.id = newName
            }
            record.status = .modifying
            record.updated = .now
            state.proxies[record.id] = record
            state.note(.proxyModified, proxy: record, account: account, now: .now)
            return ["DBProxy": describe(record)]
        }
    }

    private func deleteProxy(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBProxyName")
        return try await update { state in
            var record = try proxy(name, in: state)
            guard record.status != .deleting else {
                throw fault("InvalidDBProxyStateFault", "The proxy \(record.id) is being deleted already.")
            }
            record.status = .deleting
            state.proxies[record.id] = record
            for endpoint in state.endpoints(of: record) { state.proxyEndpoints[endpoint.id]?.status = .deleting }
            return ["DBProxy": describe(record)]
        }
    }

    private static func family(_ text: String) throws(AWSError) -> ProxyRecord.Family {
        guard let family = ProxyRecord.Family(rawValue: text.uppercased()) else {
            throw .invalidValue("Invalid engine family: \(text.prefix(100)). This region has MYSQL and POSTGRESQL.")
        }
        return family
    }

    /// What AWS has and this region does not.
    private func refuseUnknown(_ input: Input) throws(AWSError) {
        try input.refuse(["DebugLogging"])
        for name in ["EndpointNetworkType", "TargetConnectionNetworkType"] {
            guard let type = input.string(name), type != "IPV4" else { continue }
            throw .invalidCombination("\(name) \(type.prefix(20)) is not supported by this region: it has IPV4.")
        }
    }

    func proxySubnets(_ input: Input) throws -> [String] {
        let ids = input.strings("VpcSubnetIds") ?? []
        for id in ids where id.wholeMatch(of: /subnet-[0-9a-z]+/) == nil {
            throw fault("InvalidSubnet", "The subnet ID '\(id)' is not valid.")
        }
        guard Set(ids).count >= 2 else {
            throw fault("InvalidSubnet", "A proxy needs at least two subnets, in different Availability Zones.")
        }
        return ids
    }

    func securityGroups(_ input: Input, _ name: String) -> [String] {
        input.strings(name) ?? [ClusterRecord.defaultSecurityGroup]
    }

    /// There is no Secrets Manager: the one user a proxy knows is the master user of its target, with the password that
    /// the region keeps, or with tokens.
    private func authentication(
        _ input: Input, _ family: ProxyRecord.Family
    ) throws(AWSError) -> ProxyRecord.Authentication? {
        let scheme = input.string("DefaultAuthScheme")
        guard scheme == nil || scheme == "NONE" || scheme == "IAM_AUTH" else {
            throw .invalidValue("Invalid DefaultAuthScheme. It is NONE or IAM_AUTH.")
        }
        guard scheme != nil || input.has("Auth") else { return nil }
        var result = ProxyRecord.Authentication(isIAM: scheme == "IAM_AUTH")
        let items = input.structures("Auth") ?? []
        guard items.count <= 1 else {
            throw .invalidCombination(
                "This region has no Secrets Manager: a proxy knows one user, the master user of its target. Give at most "
                    + "one Auth.")
        }
        guard let item = items.first else { return result }
        guard item.string("SecretArn") ?? "" == "", item.string("UserName") ?? "" == "" else {
            throw .invalidCombination(
                "This region has no Secrets Manager: leave SecretArn and UserName out, and the proxy uses the master user "
                    + "of its target with the password that the region keeps.")
        }
        switch item.string("IAMAuth") ?? "DISABLED" {
        case "DISABLED": break
        case "REQUIRED": result.isIAM = true
        default: throw .invalidValue("Invalid IAMAuth. It is DISABLED or REQUIRED.")
        }
        if let type = item.string("ClientPasswordAuthType") {
            guard Self.passwordTypes[family]?.contains(type) == true else {
                throw .invalidValue("ClientPasswordAuthType \(type.prefix(60)) does not go with \(family.rawValue).")
            }
            result.passwordType = type
        }
        result.description = item.string("Description")
        return result
    }

    func check(_ record: ProxyRecord, is status: ResourceStatus, for purpose: String) throws(AWSError) {
        guard record.status == status else {
            throw fault(
                "InvalidDBProxyStateFault",
                "The proxy \(record.id) cannot be \(purpose) while it is \(record.status.rawValue).")
        }
    }

    // MARK: - Describe

    func proxy(_ name: String, in state: DesiredState) throws(AWSError) -> ProxyRecord {
        let bare = name.hasPrefix("arn:") ? String(name.split(separator: ":").last ?? "") : name
        let found =
            state.proxies[bare.lowercased()] ?? state.proxies.values.first { $0.resourceID == bare.lowercased() }
        guard let found else { throw fault("DBProxyNotFoundFault", "DB Proxy \(name.prefix(100)) not found.") }
        return found
    }

    private func describeProxies(_ input: Input) throws -> AWSValue {
        let state = state
        var proxies = state.proxies.values.sorted { $0.id < $1.id }
        if let name = input.string("DBProxyName"), !name.isEmpty { proxies = [try proxy(name, in: state)] }
        // AWS takes the parameter and knows no filter yet.
        _ = try Filters<ProxyRecord>(input, [:])
        return try Page(input).answer(proxies, as: "DBProxies", key: \.id) { describe($0) }
    }

    func describe(_ record: ProxyRecord) -> AWSValue {
        var authentication: [String: AWSValue] = [
            "AuthScheme": "SECRETS", "IAMAuth": .string(record.authentication.isIAM ? "REQUIRED" : "DISABLED"),
        ]
        if let type = record.authentication.passwordType { authentication["ClientPasswordAuthType"] = .string(type) }
        if let text = record.authentication.description { authentication["Description"] = .string(text) }
        var fields: [String: AWSValue] = [
            "DBProxyName": .string(record.id), "DBProxyArn": .string(account.arn("db-proxy", record.resourceID)),
            "Status": .string(record.status.rawValue), "EngineFamily": .string(record.family.rawValue),
            "VpcId": "vpc-default", "VpcSecurityGroupIds": AWSValue(record.securityGroups),
            "VpcSubnetIds": AWSValue(record.subnets), "Auth": .list([.structure(authentication)]),
            "DefaultAuthScheme": .string(record.authentication.isIAM ? "IAM_AUTH" : "NONE"),
            "RoleArn": .string(record.role), "RequireTLS": .boolean(record.requiresTLS),
            "IdleClientTimeout": .integer(Int64(record.idleClientSeconds)), "DebugLogging": false,
            "CreatedDate": .timestamp(record.created), "UpdatedDate": .timestamp(record.updated),
            "EndpointNetworkType": "IPV4", "TargetConnectionNetworkType": "IPV4",
        ]
        if let host = record.host { fields["Endpoint"] = .string(host) }
        return .structure(fields)
    }
}
