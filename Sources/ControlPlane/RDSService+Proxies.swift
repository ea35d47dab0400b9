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
    /// AWS's limit on a proxy's secrets.
    private static let loginsMax = 200
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
        let defaultsToIAM = try defaultsToIAM(input) ?? false
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
            let logins = try logins(input, family, state) ?? [.init()]
            let record = ProxyRecord(
                id: id, resourceID: ResourceID.make("prx").lowercased(), family: family, created: now, updated: now,
                role: role, subnets: subnets, securityGroups: securityGroups(input, "VpcSecurityGroupIds"),
                logins: logins, defaultsToIAM: defaultsToIAM, requiresTLS: input.boolean("RequireTLS") ?? false,
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
        let defaultsToIAM = try defaultsToIAM(input)
        return try await update { state in
            var record = try proxy(name, in: state)
            try check(record, is: .available, for: "modified")
            record.logins = try logins(input, record.family, state) ?? record.logins
            record.defaultsToIAM = defaultsToIAM ?? record.defaultsToIAM
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
                state.renameSource("db-proxy", from: record.id, to: newName)
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

    private func defaultsToIAM(_ input: Input) throws(AWSError) -> Bool? {
        switch input.string("DefaultAuthScheme") {
        case nil: nil
        case "NONE": false
        case "IAM_AUTH": true
        default: throw .invalidValue("Invalid DefaultAuthScheme. It is NONE or IAM_AUTH.")
        }
    }

    /// Who may log in; nil when the request does not say. An entry without a secret is the target's master user, which AWS
    /// does not have.
    private func logins(
        _ input: Input, _ family: ProxyRecord.Family, _ state: DesiredState
    ) throws(AWSError) -> [ProxyRecord.Login]? {
        guard let items = input.structures("Auth") else { return nil }
        guard items.count <= Self.loginsMax else {
            throw .invalidValue("A proxy has at most \(Self.loginsMax) entries of Auth.")
        }
        var logins: [ProxyRecord.Login] = []
        for item in items {
            let login = try login(item, family, state)
            guard !logins.contains(where: { $0.secret == login.secret }) else {
                throw .invalidCombination("Two entries of Auth have the same SecretArn.")
            }
            logins.append(login)
        }
        return logins.isEmpty ? [.init()] : logins
    }

    private func login(
        _ item: Input, _ family: ProxyRecord.Family, _ state: DesiredState
    ) throws(AWSError) -> ProxyRecord.Login {
        guard (item.string("AuthScheme") ?? "SECRETS") == "SECRETS" else {
            throw .invalidValue("Invalid AuthScheme. It is SECRETS.")
        }
        guard item.string("UserName") ?? "" == "" else {
            throw .invalidCombination("The user's name is in the secret: leave UserName out.")
        }
        var login = ProxyRecord.Login()
        if let name = item.string("SecretArn"), !name.isEmpty {
            guard name.hasPrefix("arn:"), let secret = state.secret(name, account), secret.deletion == nil else {
                throw .invalidValue("There is no secret \(name.prefix(200)) in this region.")
            }
            guard SecretLogin(secret, secrets, account) != nil else {
                throw .invalidValue(
                    "The secret \(secret.id) is not of a database user: it must be a JSON object with username and password."
                )
            }
            login.secret = secret.arn(account)
        }
        switch item.string("IAMAuth") ?? "DISABLED" {
        case "DISABLED": break
        case "REQUIRED": login.isIAM = true
        default: throw .invalidValue("Invalid IAMAuth. It is DISABLED or REQUIRED.")
        }
        if let type = item.string("ClientPasswordAuthType") {
            guard Self.passwordTypes[family]?.contains(type) == true else {
                throw .invalidValue("ClientPasswordAuthType \(type.prefix(60)) does not go with \(family.rawValue).")
            }
            login.passwordType = type
        }
        login.description = item.string("Description")
        return login
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
        var fields: [String: AWSValue] = [
            "DBProxyName": .string(record.id), "DBProxyArn": .string(account.arn("db-proxy", record.resourceID)),
            "Status": .string(record.status.rawValue), "EngineFamily": .string(record.family.rawValue),
            "VpcId": "vpc-default", "VpcSecurityGroupIds": AWSValue(record.securityGroups),
            "VpcSubnetIds": AWSValue(record.subnets), "Auth": .list(record.logins.map(describe)),
            "DefaultAuthScheme": .string(record.defaultsToIAM ? "IAM_AUTH" : "NONE"),
            "RoleArn": .string(record.role), "RequireTLS": .boolean(record.requiresTLS),
            "IdleClientTimeout": .integer(Int64(record.idleClientSeconds)), "DebugLogging": false,
            "CreatedDate": .timestamp(record.created), "UpdatedDate": .timestamp(record.updated),
            "EndpointNetworkType": "IPV4", "TargetConnectionNetworkType": "IPV4",
        ]
        if let host = record.host { fields["Endpoint"] = .string(host) }
        return .structure(fields)
    }

    private func describe(_ login: ProxyRecord.Login) -> AWSValue {
        var fields: [String: AWSValue] = [
            "AuthScheme": "SECRETS", "IAMAuth": .string(login.isIAM ? "REQUIRED" : "DISABLED"),
        ]
        if let secret = login.secret { fields["SecretArn"] = .string(secret) }
        if let type = login.passwordType { fields["ClientPasswordAuthType"] = .string(type) }
        if let text = login.description { fields["Description"] = .string(text) }
        return .structure(fields)
    }
}
