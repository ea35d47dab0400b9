// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import PostgresWire
package import ProxyCore
import Yams

/// Everything the proxy is told at start; the YAML file has the same shape, with names in snake case.
///
/// Documented in `docs/proxy.md`. Names and defaults follow the RDS API where it has the setting
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ConnectionPoolConfiguration.html>).
package struct ProxyConfiguration: Sendable {
    package enum Engine: String, Sendable, Codable, CaseIterable {
        case postgresql = "POSTGRESQL"
        case mysql = "MYSQL"
    }

    package enum Role: String, Sendable, Codable, CaseIterable {
        case readWrite = "READ_WRITE"
        case readOnly = "READ_ONLY"
    }

    package struct Address: Sendable, Hashable, Codable {
        package var host: String
        package var port: Int

        enum CodingKeys: String, CodingKey {
            case host
            case port
        }

        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    package struct CertificateFiles: Sendable, Codable {
        package var certificate: String
        package var key: String

        enum CodingKeys: String, CodingKey {
            case certificate
            case key
        }
    }

    package struct TLSFiles: Sendable, Codable {
        package var certificate: String
        package var key: String
        /// Other certificates, by the name that a client asks for (SNI); `*.NAME` is good for one more label in front.
        package var hosts: [String: CertificateFiles]?
        /// With it, clients must present a certificate this CA has signed.
        package var clientCA: String?

        enum CodingKeys: String, CodingKey {
            case certificate
            case key
            case hosts
            case clientCA = "client_ca"
        }
    }

    package struct Listener: Sendable, Codable {
        package var name: String
        package var host: String = "127.0.0.1"
        package var port: Int
        package var role: Role = .readWrite
        package var tls: TLSFiles?
        package var requireTLS: Bool = false
        /// READ_WRITE: reads outside transactions run on readers that have what the session wrote.
        package var readWriteSplit = false

        var address: Address { Address(host: host, port: port) }

        enum CodingKeys: String, CodingKey {
            case name
            case host
            case port
            case role
            case tls
            case requireTLS = "require_tls"
            case readWriteSplit = "read_write_split"
        }

        package init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            name = try values.decodeIfPresent(String.self, forKey: .name) ?? "default"
            host = try values.decodeIfPresent(String.self, forKey: .host) ?? "127.0.0.1"
            port = try values.decode(Int.self, forKey: .port)
            role = try values.decodeIfPresent(Role.self, forKey: .role) ?? .readWrite
            tls = try values.decodeIfPresent(TLSFiles.self, forKey: .tls)
            requireTLS = try values.decodeIfPresent(Bool.self, forKey: .requireTLS) ?? false
            readWriteSplit = try values.decodeIfPresent(Bool.self, forKey: .readWriteSplit) ?? false
        }

        package init(name: String, host: String = "127.0.0.1", port: Int, role: Role = .readWrite) {
            self.name = name
            self.host = host
            self.port = port
            self.role = role
        }
    }

    package struct User: Sendable {
        package enum Method: String, Sendable, Codable, CaseIterable {
            case scram = "POSTGRES_SCRAM_SHA_256"
            case md5 = "POSTGRES_MD5"
            case cleartext = "CLEARTEXT"
            case native = "MYSQL_NATIVE_PASSWORD"
            case cachingSHA2 = "MYSQL_CACHING_SHA2_PASSWORD"
            case trust = "TRUST"
            /// The password is a token of `aws rds generate-db-auth-token`.
            case iam = "IAM"
        }

        package var name: String
        package var password: Secret?
        package var method: Method?
        package var backendUser: String?
        package var backendPassword: Secret?
    }

    /// Whose tokens are good where users log in by IAM.
    package struct IAM: Sendable {
        package struct Key: Sendable {
            package var secret: Secret
            /// The users it may log in as; nil means all that log in by IAM.
            package var users: Set<String>?
        }

        /// Tokens for other regions are refused; nil takes any.
        package var region: String?
        /// Names and ports of this proxy, as whoever signs a token is told them; nil takes a token for any.
        package var hosts: Set<String>?
        package var keys: [String: Key] = [:]
    }

    package struct PoolSettings: Sendable {
        /// Most connections for each user, database and role.
        package var maxConnections = 20
        /// Most connections to one target, whoever they are for: `max_connections_percent` of `target_max_connections`.
        package var maxConnectionsOfTarget = Int.max
        package var maxIdleConnections = 10
        package var minConnections = 0
        package var borrowTimeout = Duration.seconds(120)
        package var idleClientTimeout = Duration.seconds(1800)
        package var connectionAge = Duration.seconds(86_400)
        package var initQuery: String?
        package var pinsSequences = false
        package var maxReplicaLagSeconds = 30.0
        /// MySQL: let the server read files from the client (LOAD DATA LOCAL).
        package var allowsLocalInfile = false
        /// MySQL: SET of an unknown variable does not pin (EXCLUDE_VARIABLE_SETS).
        package var excludesVariableSets = false
    }

    package struct Group: Sendable {
        package var name = "default"
        package var engine = Engine.postgresql
        package var targets: [Address] = []
        /// A file with a JSON list of targets, read again when it changes; it replaces `targets`.
        package var targetsFile: String?
        package var targetTLS = BackendLogin.TLSMode.disable
        package var listeners: [Listener] = []
        package var users: [User] = []
        package var iam = IAM()
        package var pool = PoolSettings()
        /// Who asks the targets what they are; without a password it is one of the users, and nil the first of them.
        package var healthUser: String?
        package var healthPassword: Secret?
        package var healthDatabase = "postgres"
    }

    package var name = "default"
    package var threads = 1
    package var metrics: Address?
    package var maxClients = 20_000
    package var loginTimeout = Duration.seconds(15)
    /// Log-ins a second from one client address, for each thread; nil is no limit.
    package var loginsPerSecond: Double?
    /// Users who may connect to the database `borealis` and ask SHOW.
    package var adminUsers: [String] = []
    /// This process's number among its peers, 0 to 127; it is part of the cancel keys it hands out.
    package var proxyID = 0
    /// Other proxy processes behind the same address, to which cancel requests for their clients are passed.
    package var peers: [Int: Address] = [:]
    package var groups: [Group] = []

    package init() {}
}

/// The file's shape, decoded by Yams and turned into `ProxyConfiguration`.
extension ProxyConfiguration {
    struct File: Codable {
        struct User: Codable {
            var name: String
            var password: String?
            var method: ProxyConfiguration.User.Method?
            var backendUser: String?
            var backendPassword: String?

            enum CodingKeys: String, CodingKey {
                case name
                case password
                case method
                case backendUser = "backend_user"
                case backendPassword = "backend_password"
            }
        }
        struct Pool: Codable {
            var maxConnections: Int?
            var maxConnectionsPercent: Int?
            var targetMaxConnections: Int?
            var maxIdleConnections: Int?
            var maxIdleConnectionsPercent: Int?
            var minConnections: Int?
            var connectionBorrowTimeoutSeconds: Double?
            var idleClientTimeoutSeconds: Double?
            var connectionAgeSeconds: Double?
            var initQuery: String?
            var pinOnSequences: Bool?
            var maxReplicaLagSeconds: Double?
            var allowLocalInfile: Bool?
            var sessionPinningFilters: [PinningFilter]?

            enum PinningFilter: String, Codable, CaseIterable {
                case excludeVariableSets = "EXCLUDE_VARIABLE_SETS"
            }

            enum CodingKeys: String, CodingKey {
                case maxConnections = "max_connections"
                case maxConnectionsPercent = "max_connections_percent"
                case targetMaxConnections = "target_max_connections"
                case maxIdleConnections = "max_idle_connections"
                case maxIdleConnectionsPercent = "max_idle_connections_percent"
                case minConnections = "min_connections"
                case connectionBorrowTimeoutSeconds = "connection_borrow_timeout_seconds"
                case idleClientTimeoutSeconds = "idle_client_timeout_seconds"
                case connectionAgeSeconds = "connection_age_seconds"
                case initQuery = "init_query"
                case pinOnSequences = "pin_on_sequences"
                case maxReplicaLagSeconds = "max_replica_lag_seconds"
                case allowLocalInfile = "allow_local_infile"
                case sessionPinningFilters = "session_pinning_filters"
            }
        }
        struct IAM: Codable {
            struct Key: Codable {
                var id: String
                var secret: String
                var users: [String]?

                enum CodingKeys: String, CodingKey {
                    case id
                    case secret
                    case users
                }
            }
            var region: String?
            var hosts: [String]?
            var accessKeys: [Key]

            enum CodingKeys: String, CodingKey {
                case region
                case hosts
                case accessKeys = "access_keys"
            }
        }
        struct Health: Codable {
            var user: String?
            var password: String?
            var database: String?

            enum CodingKeys: String, CodingKey {
                case user
                case password
                case database
            }
        }
        struct Group: Codable {
            var name: String?
            var engine: Engine?
            var targets: [Address]?
            var targetsFile: String?
            var targetTLS: BackendLogin.TLSMode?
            var listeners: [Listener]
            var users: [User]
            var pool: Pool?
            var health: Health?
            var iam: IAM?

            enum CodingKeys: String, CodingKey {
                case name
                case engine
                case targets
                case targetsFile = "targets_file"
                case targetTLS = "target_tls"
                case listeners
                case users
                case pool
                case health
                case iam
            }
        }
        var name: String?
        var threads: Int?
        var metrics: Address?
        var maxClients: Int?
        var loginTimeoutSeconds: Double?
        var loginsPerSecond: Double?
        var adminUsers: [String]?
        var proxyID: Int?
        var peers: [String: Address]?
        var groups: [Group]

        enum CodingKeys: String, CodingKey {
            case name
            case threads
            case metrics
            case maxClients = "max_clients"
            case loginTimeoutSeconds = "login_timeout_seconds"
            case loginsPerSecond = "logins_per_second"
            case adminUsers = "admin_users"
            case proxyID = "proxy_id"
            case peers
            case groups
        }
    }

    /// Reads the text of a configuration file; throws `Invalid`.
    package init(yaml: String) throws {
        let file = try File(yaml: yaml)
        name = file.name ?? "default"
        threads = file.threads ?? 1
        metrics = file.metrics
        maxClients = file.maxClients ?? 20_000
        if let seconds = file.loginTimeoutSeconds { loginTimeout = .seconds(seconds) }
        loginsPerSecond = file.loginsPerSecond
        adminUsers = file.adminUsers ?? []
        proxyID = file.proxyID ?? 0
        for (id, address) in file.peers ?? [:] {
            guard let number = Int(id), Self.proxyIDs.contains(number) else {
                throw Invalid("peers.\(id)", "is not the number of a proxy, which is from 0 to 127")
            }
            peers[number] = address
        }
        groups = try file.groups.enumerated().map { try Self.group($1, "groups[\($0)]") }
        try validate()
    }

    private static func group(_ group: File.Group, _ path: String) throws(Invalid) -> Group {
        var result = Group()
        result.name = group.name ?? "default"
        result.engine = group.engine ?? .postgresql
        result.targets = group.targets ?? []
        result.targetsFile = group.targetsFile
        result.targetTLS = group.targetTLS ?? .disable
        result.listeners = group.listeners
        result.users = group.users.map {
            User(
                name: $0.name, password: $0.password.map { Secret($0) }, method: $0.method,
                backendUser: $0.backendUser, backendPassword: $0.backendPassword.map { Secret($0) })
        }
        if let pool = group.pool { result.pool = try Self.pool(pool, "\(path).pool") }
        result.iam.region = group.iam?.region
        result.iam.hosts = group.iam?.hosts.map { Set($0) }
        for key in group.iam?.accessKeys ?? [] {
            result.iam.keys[key.id] = IAM.Key(secret: Secret(key.secret), users: key.users.map { Set($0) })
        }
        result.healthUser = group.health?.user
        result.healthPassword = group.health?.password.map { Secret($0) }
        result.healthDatabase = group.health?.database ?? (result.engine == .postgresql ? "postgres" : "")
        return result
    }

    private static func pool(_ pool: File.Pool, _ path: String) throws(Invalid) -> PoolSettings {
        let isPart = pool.maxConnectionsPercent != nil || pool.maxIdleConnectionsPercent != nil
        guard !isPart || pool.targetMaxConnections != nil else {
            throw Invalid("\(path).target_max_connections", "is missing: it is what the percentages are of")
        }
        guard pool.maxConnections == nil || pool.maxConnectionsPercent == nil else {
            throw Invalid("\(path).max_connections_percent", "and max_connections exclude each other")
        }
        var result = PoolSettings()
        if let limit = pool.maxConnections {
            result.maxConnections = limit
        } else if let whole = pool.targetMaxConnections {
            result.maxConnections = max(1, whole * (pool.maxConnectionsPercent ?? 100) / 100)
            result.maxConnectionsOfTarget = result.maxConnections
        }
        result.maxIdleConnections =
            pool.maxIdleConnections ?? pool.maxIdleConnectionsPercent
            .flatMap { percent in pool.targetMaxConnections.map { $0 * percent / 100 } } ?? (result.maxConnections + 1)
            / 2
        result.minConnections = pool.minConnections ?? 0
        guard result.minConnections <= result.maxConnections else {
            throw Invalid("\(path).min_connections", "is more than the \(result.maxConnections) there may be at most")
        }
        if let seconds = pool.connectionBorrowTimeoutSeconds { result.borrowTimeout = .seconds(seconds) }
        if let seconds = pool.idleClientTimeoutSeconds { result.idleClientTimeout = .seconds(seconds) }
        if let seconds = pool.connectionAgeSeconds { result.connectionAge = .seconds(seconds) }
        result.initQuery = pool.initQuery
        result.pinsSequences = pool.pinOnSequences ?? false
        if let seconds = pool.maxReplicaLagSeconds { result.maxReplicaLagSeconds = seconds }
        result.allowsLocalInfile = pool.allowLocalInfile ?? false
        result.excludesVariableSets = pool.sessionPinningFilters?.contains(.excludeVariableSets) ?? false
        return result
    }
}

extension Duration {
    package var nanosecondsCount: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
