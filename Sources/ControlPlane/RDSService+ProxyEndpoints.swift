// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol

/// Further endpoints of DB proxies, and the one that each has by itself.
extension RDSService {
    static let proxyEndpointHandlers: [String: Handler] = [
        "CreateDBProxyEndpoint": { try await $0.createProxyEndpoint($1) },
        "ModifyDBProxyEndpoint": { try await $0.modifyProxyEndpoint($1) },
        "DeleteDBProxyEndpoint": { try await $0.deleteProxyEndpoint($1) },
        "DescribeDBProxyEndpoints": { try $0.describeProxyEndpoints($1) },
    ]

    private static let proxyEndpointsMax = 20

    private func createProxyEndpoint(_ input: Input) async throws -> AWSValue {
        let id = try input.identifier("DBProxyEndpointName")
        let proxyName = try input.required("DBProxyName")
        let subnets = try proxySubnets(input)
        let role = input.string("TargetRole") ?? "READ_WRITE"
        guard ["READ_WRITE", "READ_ONLY"].contains(role) else {
            throw AWSError.invalidValue("Invalid TargetRole. It is READ_WRITE or READ_ONLY.")
        }
        let tags = try input.tags()
        return try await update { state in
            let proxy = try proxy(proxyName, in: state)
            try check(proxy, is: .available, for: "given an endpoint")
            guard state.proxyEndpoints[id] == nil else {
                throw fault("DBProxyEndpointAlreadyExistsFault", "DB Proxy Endpoint \(id) already exists.")
            }
            guard state.endpoints(of: proxy).count < Self.proxyEndpointsMax else {
                throw fault(
                    "DBProxyEndpointQuotaExceededFault",
                    "The proxy \(proxy.id) has \(Self.proxyEndpointsMax) endpoints, the most there can be.")
            }
            let record = ProxyEndpointRecord(
                id: id, resourceID: ResourceID.make("prx-endpoint").lowercased(), proxy: proxy.id,
                isReadOnly: role == "READ_ONLY", created: .now, subnets: subnets,
                securityGroups: securityGroups(input, "VpcSecurityGroupIds"), tags: tags)
            state.proxyEndpoints[id] = record
            state.note(.proxyEndpointCreated, proxy: proxy, account: account, now: .now)
            return ["DBProxyEndpoint": describe(record)]
        }
    }

    private func modifyProxyEndpoint(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBProxyEndpointName")
        let newName = input.has("NewDBProxyEndpointName") ? try input.identifier("NewDBProxyEndpointName") : nil
        return try await update { state in
            var record = try proxyEndpoint(name, in: state)
            try check(record, for: "modified")
            if input.has("VpcSecurityGroupIds") { record.securityGroups = securityGroups(input, "VpcSecurityGroupIds") }
            if let newName, newName != record.id {
                guard state.proxyEndpoints[newName] == nil else {
                    throw fault("DBProxyEndpointAlreadyExistsFault", "DB Proxy Endpoint \(newName) already exists.")
                }
                state.proxyEndpoints[record.id] = nil
                record.id = newName
            }
            state.proxyEndpoints[record.id] = record
            if let proxy = state.proxies[record.proxy] {
                state.note(.proxyEndpointModified, proxy: proxy, account: account, now: .now)
            }
            return ["DBProxyEndpoint": describe(record)]
        }
    }

    private func deleteProxyEndpoint(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBProxyEndpointName")
        return try await update { state in
            var record = try proxyEndpoint(name, in: state)
            guard record.status != .deleting else {
                throw fault(
                    "InvalidDBProxyEndpointStateFault", "The endpoint \(record.id) is being deleted already.")
            }
            record.status = .deleting
            state.proxyEndpoints[record.id] = record
            return ["DBProxyEndpoint": describe(record)]
        }
    }

    private func check(_ record: ProxyEndpointRecord, for purpose: String) throws(AWSError) {
        guard record.status == .available else {
            throw fault(
                "InvalidDBProxyEndpointStateFault",
                "The endpoint \(record.id) cannot be \(purpose) while it is \(record.status.rawValue).")
        }
    }

    private func proxyEndpoint(_ name: String, in state: DesiredState) throws(AWSError) -> ProxyEndpointRecord {
        guard let found = state.proxyEndpoints[name.lowercased()] else {
            throw fault("DBProxyEndpointNotFoundFault", "DB Proxy Endpoint \(name.prefix(100)) not found.")
        }
        return found
    }

    private func describeProxyEndpoints(_ input: Input) throws -> AWSValue {
        let state = state
        var proxies = state.proxies.values.sorted { $0.id < $1.id }
        if let name = input.string("DBProxyName"), !name.isEmpty { proxies = [try proxy(name, in: state)] }
        var listed = proxies.flatMap { proxy in
            [(key: proxy.id, value: describeDefaultEndpoint(of: proxy))]
                + state.endpoints(of: proxy).map { (key: "\(proxy.id)/\($0.id)", value: describe($0)) }
        }
        if let name = input.string("DBProxyEndpointName"), !name.isEmpty {
            listed = listed.filter { $0.value["DBProxyEndpointName"]?.string == name.lowercased() }
            if listed.isEmpty { _ = try proxyEndpoint(name, in: state) }
        }
        return try Page(input).answer(listed, as: "DBProxyEndpoints", key: \.key, \.value)
    }

    private func describeDefaultEndpoint(of proxy: ProxyRecord) -> AWSValue {
        var fields: [String: AWSValue] = [
            "DBProxyEndpointName": "default", "DBProxyName": .string(proxy.id), "IsDefault": true,
            "DBProxyEndpointArn": .string(account.arn("db-proxy-endpoint", "\(proxy.resourceID)-default")),
            "Status": .string(proxy.status.rawValue), "TargetRole": "READ_WRITE", "VpcId": "vpc-default",
            "VpcSecurityGroupIds": AWSValue(proxy.securityGroups), "VpcSubnetIds": AWSValue(proxy.subnets),
            "CreatedDate": .timestamp(proxy.created), "EndpointNetworkType": "IPV4",
        ]
        if let host = proxy.host { fields["Endpoint"] = .string(host) }
        return .structure(fields)
    }

    private func describe(_ record: ProxyEndpointRecord) -> AWSValue {
        var fields: [String: AWSValue] = [
            "DBProxyEndpointName": .string(record.id), "DBProxyName": .string(record.proxy), "IsDefault": false,
            "DBProxyEndpointArn": .string(account.arn("db-proxy-endpoint", record.resourceID)),
            "Status": .string(record.status.rawValue), "VpcId": "vpc-default",
            "TargetRole": .string(record.isReadOnly ? "READ_ONLY" : "READ_WRITE"),
            "VpcSecurityGroupIds": AWSValue(record.securityGroups), "VpcSubnetIds": AWSValue(record.subnets),
            "CreatedDate": .timestamp(record.created), "EndpointNetworkType": "IPV4",
        ]
        if let host = record.host { fields["Endpoint"] = .string(host) }
        return .structure(fields)
    }
}
