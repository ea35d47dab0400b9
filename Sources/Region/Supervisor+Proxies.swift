// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Keyring

/// DB proxies: a process each, whose configuration the control plane says again and again.
///
/// Nothing about them is in the metadata: what a restarted supervisor does not know it is told within a second.
extension Supervisor {
    private static let proxyStopSeconds = 10

    private static func role(ofProxy name: String) -> String { "proxy-\(name)" }

    /// Writes a proxy's settings and has its process run with them; says whether it listens.
    ///
    /// A running process takes new ones without losing a client.
    func ensureProxy(_ order: ProxyOrder) throws -> Bool {
        let role = Self.role(ofProxy: order.name)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        try writeIfNew(try encoder.encode(order.targets), to: targetsFile(role))
        let isNew = try writeIfNew(try configuration(order, role), to: directory.configuration(role))
        if let keeper = keepers.first(where: { $0.role == role }) {
            if isNew { keeper.reload() }
        } else {
            startService(role, subcommand: "proxy")
        }
        guard let port = Self.port(of: order.configuration) else { return false }
        return keepers.contains { $0.role == role && $0.pid != nil }
            && order.hosts.allSatisfy { !Ports.isFree(port, host: $0) }
    }

    func removeProxy(_ name: String) {
        let role = Self.role(ofProxy: name)
        try? endProxy(role)
        for file in [directory.configuration(role), targetsFile(role)] {
            try? FileManager.default.removeItem(atPath: file)
        }
    }

    private func targetsFile(_ role: String) -> String { "\(directory.run)/\(role).targets.json" }

    private func endProxy(_ role: String) throws {
        guard let keeper = keepers.first(where: { $0.role == role }) else { return }
        keeper.stop(timeoutSeconds: Self.proxyStopSeconds)
        forget(keeper)
    }

    @discardableResult
    private func writeIfNew(_ data: Data, to path: String) throws -> Bool {
        if FileManager.default.contents(atPath: path) == data { return false }
        try PrivateFile.write(data, to: path)
        return true
    }

    /// The control plane's settings with what only this side knows: certificates, and where the targets stand.
    private func configuration(_ order: ProxyOrder, _ role: String) throws -> Data {
        guard var whole = try JSONSerialization.jsonObject(with: order.configuration) as? [String: Any],
            var group = (whole["groups"] as? [[String: Any]])?.first,
            var listeners = group["listeners"] as? [[String: Any]]
        else { throw RegionError("the order has no settings", remedy: "use the same borealis on both sides") }
        let identity = try setup.proxyIdentity(role, hosts: order.hosts)
        for index in listeners.indices {
            listeners[index]["tls"] = ["certificate": identity.certificate, "key": identity.key]
        }
        group["listeners"] = listeners
        group["targets"] = [Any]()
        group["targets_file"] = targetsFile(role)
        whole["groups"] = [group]
        return try JSONSerialization.data(withJSONObject: whole, options: [.sortedKeys, .prettyPrinted])
    }

    private static func port(of configuration: Data) -> Int? {
        let whole = try? JSONSerialization.jsonObject(with: configuration) as? [String: Any]
        let group = (whole?["groups"] as? [[String: Any]])?.first
        return (group?["listeners"] as? [[String: Any]])?.first?["port"] as? Int
    }
}

extension RegionSetup {
    /// A certificate for the addresses a proxy listens on now.
    func proxyIdentity(_ role: String, hosts: [String]) throws -> LocalAuthority.Identity {
        // Another set of addresses is another certificate.
        let digest = hosts.joined(separator: ",").utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return try authority.identity(role: "\(role)-\(String(digest, radix: 16))", hosts: hosts)
    }
}
