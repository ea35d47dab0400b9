// SPDX-License-Identifier: Apache-2.0

/// Where an etcd is, and which part of it a region has: `etcd://host:port[,host:port…][/name]`, or the same with `https://`
/// where it is reached through TLS.
package struct EtcdAddress: Sendable, Equatable {
    package struct Server: Sendable, Equatable {
        package var host: String
        package var port: Int
    }

    private static let schemes = [(text: "etcd://", isSecure: false), (text: "https://", isSecure: true)]
    private static let standardPort = 2379

    package var isSecure: Bool
    package var servers: [Server]
    /// Every key of the region begins with it; it ends with a slash.
    package var prefix: String

    /// Nil for what is no such address.
    package init?(_ text: String) {
        guard let scheme = Self.schemes.first(where: { text.hasPrefix($0.text) }) else { return nil }
        isSecure = scheme.isSecure
        let rest = text.dropFirst(scheme.text.count)
        let parts = rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        servers = []
        for server in parts[0].split(separator: ",", omittingEmptySubsequences: false) {
            let colon = server.lastIndex(of: ":") ?? server.endIndex
            let host = server[..<colon]
            let digits = server[colon...].dropFirst()
            guard !host.isEmpty, let port = digits.isEmpty ? Self.standardPort : Int(digits), (1...65535).contains(port)
            else { return nil }
            servers.append(Server(host: String(host), port: port))
        }
        guard !servers.isEmpty else { return nil }
        let name = parts.count > 1 ? parts[1].split(separator: "/").joined(separator: "/") : ""
        prefix = "/borealis/\(name.isEmpty ? "region" : name)/"
    }
}
