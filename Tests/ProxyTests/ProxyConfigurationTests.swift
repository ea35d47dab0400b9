// SPDX-License-Identifier: Apache-2.0

import Proxy
import ProxyCore
import Testing

@Suite struct ProxyConfigurationTests {
    /// A file that is good, with other settings in it.
    private static func file(
        listener: String = "port: 6432", user: String = "name: app, password: app", group: String = "", top: String = ""
    ) -> String {
        """
        {groups: [{targets: [{host: db, port: 5432}], listeners: [{\(listener)}], users: [{\(user)}], \(group)}], \(top)}
        """
    }

    private static func pool(_ settings: String) -> String { file(group: "pool: {\(settings)}") }

    private static let certificate = "tls: {certificate: c, key: k}"
    private static let digest = "md5e3b0c44298fc1c149afbf4c8996fb924"

    private static let good = [
        file(),
        file(top: "name: shop, threads: 2, metrics: {host: h, port: 9127}, max_clients: 5, login_timeout_seconds: 2.5"),
        file(top: "logins_per_second: 5, admin_users: [a], proxy_id: 127, peers: {1: {host: h, port: 1}}"),
        file(group: "name: g, engine: POSTGRESQL, target_tls: require, health: {user: app, database: d}"),
        pool("max_connections: 3, min_connections: 3, max_idle_connections: 0, init_query: ''"),
        pool("target_max_connections: 100, max_connections_percent: 40, max_idle_connections_percent: 0"),
        pool("connection_age_seconds: 1.0e+9, connection_borrow_timeout_seconds: 0, idle_client_timeout_seconds: 1"),
        pool("pin_on_sequences: true, max_replica_lag_seconds: 1, allow_local_infile: false"),
        pool("session_pinning_filters: [EXCLUDE_VARIABLE_SETS]"),
        file(listener: "port: 0, role: READ_ONLY, require_tls: true, \(certificate)"),
        file(listener: "port: 1, tls: {certificate: c, key: k, client_ca: a, hosts: {x: {certificate: c, key: k}}}"),
        file(listener: "port: 0, read_write_split: true, host: h, name: n"),
        file(user: "name: app, method: TRUST"),
        file(user: "name: app, password: \(digest), method: POSTGRES_MD5, backend_password: b"),
        file(
            listener: "port: 1, \(certificate)", user: "name: app, method: IAM, backend_password: b, backend_user: u",
            group: "iam: {region: r, hosts: ['h:1'], access_keys: [{id: i, secret: s, users: [app]}]}"),
    ]

    @Test(arguments: good) func `what the documentation describes is good`(yaml: String) throws {
        _ = try ProxyConfiguration(yaml: yaml)
    }

    @Test func `a region's proxy may have no user and no target yet`() throws {
        _ = try ProxyConfiguration(
            yaml: """
                {"name": "p", "admin_users": ["app"], "metrics": {"host": "127.0.0.2", "port": 9127}, "groups": [{
                "engine": "MYSQL", "targets": [], "targets_file": "/run/t.json", "users": [],
                "health": {"user": "app", "password": "x"}, "pool": {"target_max_connections": 100,
                "max_connections_percent": 100, "max_idle_connections_percent": 50,
                "connection_borrow_timeout_seconds": 120, "idle_client_timeout_seconds": 1800,
                "session_pinning_filters": []}, "listeners": [{"host": "127.0.0.2", "port": 3306, "name": "default",
                "role": "READ_WRITE", "require_tls": true, "tls": {"certificate": "c", "key": "k"}}]}]}
                """)
    }

    private func complaint(_ yaml: String) -> String {
        let error = #expect(throws: ProxyConfiguration.Invalid.self, "\(yaml)") { try ProxyConfiguration(yaml: yaml) }
        return error?.description ?? ""
    }

    private static let badFiles = [
        ("", "the file is empty"),
        ("groups: 5", "groups: is not a list"),
        ("groups: []", "groups: is empty"),
        ("name: x", "groups: is missing"),
        ("groups: [", "line 2, column 1: did not find expected node content"),
        (file(group: "target_tls: verify-full"), "groups[0].target_tls: is verify-full, and not one of disable"),
        (file(group: "engine: ORACLE"), "groups[0].engine: is ORACLE"),
        (file(group: "health: {user: other}"), "groups[0].health: has no password"),
        (file(group: "pool: [20]"), "groups[0].pool: is not a mapping"),
        (file(listener: "port: 65536"), "groups[0].listeners[0].port: is 65536, and not from 0 to 65535"),
        (file(listener: "name: rw"), "groups[0].listeners[0].port: is missing"),
        (file(listener: "port: 1, require_tls: true"), "groups[0].listeners[0].require_tls: needs tls"),
        (file(listener: "port: 1, tls: {certificate: c}"), "groups[0].listeners[0].tls.key: is missing"),
        (file(listener: "port: 1}, {port: 1"), "groups[0].listeners[1]: has the address of another listener"),
        (file(top: "proxy_id: 128"), "proxy_id: is 128"),
        (file(top: "peers: {one: {host: h, port: 1}}"), "peers.one: is not the number of a proxy"),
        (file(top: "peers: {1: {host: h, port: 0}}"), "peers.1.port: is 0"),
        (file(top: "max_clients: -1"), "max_clients: is -1"),
        (file(top: "threads: 0"), "threads: is 0"),
        ("{groups: [{targets: [], listeners: [{port: 1}], users: []}]}", "groups[0].targets: is empty"),
        ("{groups: [{targets: [{host: h, port: 1}], listeners: [], users: []}]}", "groups[0].listeners: is empty"),
        ("{groups: [{targets: [{host: h, port: 1}], listeners: [{port: 1}], users: []}]}", "groups[0].users: is empty"),
    ]

    @Test(arguments: badFiles)
    func `a file that is no good is refused in one line that says where`(yaml: String, begins: String) {
        let complaint = complaint(yaml)
        #expect(complaint.hasPrefix(begins))
        #expect(!complaint.contains("\n"))
    }

    private static let badPools = [
        ("connection_age_seconds: 1.0e+10", "connection_age_seconds: is 10000000000.0, and not from 0 to 1000000000"),
        ("idle_client_timeout_seconds: .inf", "idle_client_timeout_seconds: is inf"),
        ("idle_client_timeout_seconds: .nan", "idle_client_timeout_seconds: is nan"),
        ("connection_borrow_timeout_seconds: -1", "connection_borrow_timeout_seconds: is -1"),
        ("max_connections: 9223372036854775807", "max_connections: is 9223372036854775807"),
        ("max_connections: 0", "max_connections: is 0, and not from 1 to 1000000"),
        ("max_connections: many", "max_connections: is not a whole number"),
        ("target_max_connections: 9223372036854775807", "target_max_connections: is 9223372036854775807"),
        ("max_connections_percent: 50", "target_max_connections: is missing"),
        ("max_idle_connections_percent: 50", "target_max_connections: is missing"),
        ("target_max_connections: 9, max_connections: 2, max_connections_percent: 50", "max_connections_percent: and"),
        ("max_connections: 3, min_connections: 4", "min_connections: is more than the 3"),
        ("max_idle_connections: -1", "max_idle_connections: is -1"),
        ("pin_on_sequences: perhaps", "pin_on_sequences: is neither true nor false"),
        ("session_pinning_filters: [ALL]", "session_pinning_filters[0]: is ALL"),
    ]

    @Test(arguments: badPools)
    func `what the proxy could not keep to is refused, not changed`(settings: String, begins: String) {
        #expect(complaint(Self.pool(settings)).hasPrefix("groups[0].pool.\(begins)"))
    }

    private static let badUsers = [
        ("name: app, pasword: app, backend_password: app", ".pasword: is not a setting; there are backend_password, "),
        ("name: app, backend_password: app", ".password: is missing; a user who needs none has the method TRUST"),
        ("password: app", ".name: is missing"),
        ("name: app, password: a, method: SCRAM", ".method: is SCRAM, and not one of POSTGRES_SCRAM_SHA_256, "),
        ("name: app, password: a, method: MYSQL_NATIVE_PASSWORD", ".method: is another engine's"),
        ("name: app, method: IAM", ".backend_password: is missing"),
        ("name: app, method: IAM, backend_password: a", ".method: IAM needs a listener with tls"),
        ("name: app, password: \(digest), method: POSTGRES_MD5", ".backend_password: is missing"),
        ("name: app, password: a}, {name: app, password: b", ": names app a second time"),
    ]

    @Test(arguments: badUsers)
    func `a user who could not log in, or for whom anybody could, is refused`(user: String, begins: String) {
        let index = user.contains("}") ? 1 : 0
        #expect(complaint(Self.file(user: user)).hasPrefix("groups[0].users[\(index)]\(begins)"))
    }

    @Test func `a digest of MySQL's needs a password for the server`() {
        let user = "name: a, password: '*5BCB3E6AC345B435C7C2E6B7949A04CE6F6563D3'"
        let complaint = complaint(Self.file(user: user, group: "engine: MYSQL"))
        #expect(complaint.hasPrefix("groups[0].users[0].backend_password: is missing"))
    }

    @Test func `nobody gets in without a password unless the method is TRUST`() throws {
        let user = "name: app, password: app}, {name: open, method: TRUST"
        var group = try ProxyConfiguration(yaml: Self.file(user: user)).groups[0]
        group.users[0].password = nil
        let authenticator = FileAuthenticator(users: group.users, iam: group.iam)
        guard case .refuse = authenticator.method(user: "app", database: "app", tls: true),
            case .refuse = authenticator.mysqlMethod(user: "app", tls: true),
            case .trust = authenticator.method(user: "open", database: "app", tls: false)
        else {
            Issue.record("a user without a password is let in")
            return
        }
    }
}
