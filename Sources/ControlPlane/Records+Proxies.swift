// SPDX-License-Identifier: Apache-2.0

package import AWSProtocol
internal import Engines

/// A DB proxy, as somebody asked for it. Its one target group is called `default`.
package struct ProxyRecord: StateRecord {
    package static let kind = "dbProxy"

    package enum Family: String, Codable, Sendable {
        case mysql = "MYSQL"
        case postgres = "POSTGRESQL"

        var engine: EngineKind { self == .mysql ? .mariadb : .postgres }
        /// AWS's proxies listen on these and no others.
        var port: Int { self == .mysql ? 3306 : 5432 }
    }

    /// Somebody who may log in to the proxy, as an entry of `Auth` says it.
    package struct Login: Codable, Equatable, Sendable {
        /// The ARN of a secret with name and password; nil is the target's master user, whose password the region has.
        package var secret: String?
        package var isIAM = false
        /// One of the API's names for a password exchange; nil is the engine's usual one.
        package var passwordType: String?
        package var description: String?
    }

    /// `ConnectionPoolConfig`, with AWS's defaults.
    package struct Pool: Codable, Equatable, Sendable {
        package var connectionsPercent = 100
        package var idlePercent = 50
        package var borrowSeconds = 120
        package var pinningFilters: [String] = []
        package var initQuery: String?
        package var updated: Timestamp
    }

    /// What it leads to, by the resource identifier, which a change of name leaves as it is.
    package enum Target: Codable, Equatable, Sendable {
        case cluster(String)
        case instance(String)
    }

    package var id: String
    /// `prx-` and 26 letters and digits.
    package var resourceID: String
    package var family: Family
    package var status = ResourceStatus.creating
    package var created: Timestamp
    package var updated: Timestamp
    package var role: String
    package var subnets: [String]
    package var securityGroups: [String]
    package var logins: [Login]
    /// `DefaultAuthScheme`: everyone logs in with tokens.
    package var defaultsToIAM: Bool
    package var requiresTLS: Bool
    package var idleClientSeconds: Int
    package var pool: Pool
    package var target: Target?
    /// Where it listens, once the data plane has said so.
    package var host: String?
    package var tags: [Tag]
    /// Of the endpoint that it has by itself.
    package var endpointTags: [Tag]?
    /// Of its target group.
    package var groupTags: [Tag]?
}

extension ProxyRecord {
    /// Before secrets there was one login, the master user's.
    package static func upgrade(_ fields: inout [String: Any]) {
        guard fields["logins"] == nil, let only = fields.removeValue(forKey: "authentication") else { return }
        fields["logins"] = [only]
        fields["defaultsToIAM"] = false
    }
}

/// A further endpoint of a proxy.
package struct ProxyEndpointRecord: StateRecord {
    package static let kind = "dbProxyEndpoint"

    package var id: String
    package var resourceID: String
    package var proxy: String
    package var isReadOnly: Bool
    package var status = ResourceStatus.creating
    package var created: Timestamp
    package var subnets: [String]
    package var securityGroups: [String]
    package var host: String?
    package var tags: [Tag]
}

extension ProxyRecord {
    /// Whom an entry of `Auth` lets in.
    enum User: Equatable {
        /// Its secret is gone, or does not name a user.
        case nobody
        /// The target's master user.
        case master
        case named(SecretLogin)
    }
}

extension DesiredState {
    func user(of login: ProxyRecord.Login, _ box: SecretBox, _ account: Account) -> ProxyRecord.User {
        guard let arn = login.secret else { return .master }
        return secret(arn, account).flatMap { SecretLogin($0, box, account) }.map { .named($0) } ?? .nobody
    }

    func endpoints(of proxy: ProxyRecord) -> [ProxyEndpointRecord] {
        proxyEndpoints.values.filter { $0.proxy == proxy.id }.sorted { $0.id < $1.id }
    }

    /// The cluster whose instances a proxy leads to.
    func cluster(of proxy: ProxyRecord) -> ClusterRecord? {
        switch proxy.target {
        case .cluster(let id): clusters.values.first { $0.resourceID == id }
        case .instance(let id): instances.values.first { $0.resourceID == id }.flatMap { clusters[$0.cluster] }
        case nil: nil
        }
    }

    /// The instances that a proxy leads to.
    func targets(of proxy: ProxyRecord) -> [InstanceRecord] {
        switch proxy.target {
        case .cluster: cluster(of: proxy).map { members(of: $0.id).filter { $0.status != .deleting } } ?? []
        case .instance(let id): instances.values.filter { $0.resourceID == id }
        case nil: []
        }
    }
}
