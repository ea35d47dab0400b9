// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Engines
internal import Foundation

extension Reconciler {
    /// Without a setting that says more, an engine takes so many connections.
    private static let connectionsDefault = 100
    /// Where a proxy answers Prometheus, on its own address.
    private static let metricsPort = 9127

    /// Has every proxy run as it was asked for, with the instances that its target has now.
    func step(_ proxy: ProxyRecord, _ observed: [ObservedCluster]) async throws {
        guard proxy.status != .deleting else { return try await remove(proxy) }
        let host = try await address(of: proxy)
        let endpoints = try await addresses(of: proxy)
        guard let wish = try wish(proxy, host: host, endpoints: endpoints, observed) else {
            // Nothing to lead to, or nobody to log in as yet: no process is all that there is to have.
            try await plane.removeProxy(proxy.resourceID)
            return try await settle(proxy, endpoints, host, isRunning: true)
        }
        let isRunning = try await plane.ensureProxy(wish)
        crash.pass("proxy-known")
        try await settle(proxy, endpoints, host, isRunning: isRunning)
    }

    private func remove(_ proxy: ProxyRecord) async throws {
        try await plane.removeProxy(proxy.resourceID)
        crash.pass("proxy-removed")
        let account = account
        try await keeper.update { state in
            guard state.proxies[proxy.id]?.status == .deleting else { return }
            state.proxies[proxy.id] = nil
            for endpoint in state.endpoints(of: proxy) { state.proxyEndpoints[endpoint.id] = nil }
            state.note(.proxyDeleted, proxy: proxy, account: account, now: .now)
        }
    }

    private func address(of proxy: ProxyRecord) async throws -> String {
        if let host = proxy.host { return host }
        let host = try await plane.proxyHost(proxy.resourceID, port: proxy.family.port)
        try await keeper.update { $0.proxies[proxy.id]?.host = host }
        return host
    }

    /// The proxy's further endpoints with their addresses; those to be deleted are left out.
    private func addresses(of proxy: ProxyRecord) async throws -> [(endpoint: ProxyEndpointRecord, host: String)] {
        var found: [(ProxyEndpointRecord, String)] = []
        for endpoint in keeper.state.endpoints(of: proxy) where endpoint.status != .deleting {
            if let host = endpoint.host {
                found.append((endpoint, host))
                continue
            }
            let host = try await plane.proxyHost(endpoint.resourceID, port: proxy.family.port)
            try await keeper.update { $0.proxyEndpoints[endpoint.id]?.host = host }
            found.append((endpoint, host))
        }
        return found
    }

    // MARK: - What it is to do

    private func wish(
        _ proxy: ProxyRecord, host: String, endpoints: [(endpoint: ProxyEndpointRecord, host: String)],
        _ observed: [ObservedCluster]
    ) throws -> ProxyWish? {
        let state = keeper.state
        guard let cluster = state.cluster(of: proxy), let found = observed.first(where: { $0.id == cluster.planeID }),
            let user = found.instances.lazy.compactMap({ URLComponents(string: $0.url) }).first(where: {
                $0.password != nil
            }),
            let name = user.user, let password = user.password
        else { return nil }
        let members = state.targets(of: proxy)
        let targets = members.compactMap { member in
            found.instance(member.planeID).flatMap { $0.host.isEmpty ? nil : $0.host }
                .map { ProxyWish.Target(host: $0, port: cluster.port) }
        }
        guard !targets.isEmpty else { return nil }
        let connections = members.compactMap { InstanceSettings($0, cluster, state).wanted["max_connections"] }
            .compactMap { Int($0) }.min()
        let listeners =
            [listener("default", host, proxy, isReadOnly: false)]
            + endpoints.map { listener($0.endpoint.resourceID, $0.host, proxy, isReadOnly: $0.endpoint.isReadOnly) }
        let settings = ProxySettings(
            name: proxy.id, metrics: ProxySettings.Address(host: host, port: Self.metricsPort), adminUsers: [name],
            groups: [
                ProxySettings.Group(
                    engine: proxy.family.rawValue, listeners: listeners,
                    users: users(of: proxy, master: (name, password)),
                    pool: pool(proxy, connections: connections ?? Self.connectionsDefault),
                    health: ProxySettings.Health(user: name, password: password),
                    iam: proxy.defaultsToIAM || proxy.logins.contains(where: \.isIAM) ? accessKeys() : nil)
            ])
        return ProxyWish(
            id: proxy.resourceID, configuration: try settings.json(), hosts: listeners.map(\.host), targets: targets)
    }

    private func listener(
        _ name: String, _ host: String, _ proxy: ProxyRecord, isReadOnly: Bool
    ) -> ProxySettings.Listener {
        ProxySettings.Listener(
            name: name, host: host, port: proxy.family.port, role: isReadOnly ? "READ_ONLY" : "READ_WRITE",
            requireTls: proxy.requiresTLS)
    }

    /// Who may log in now. A secret that is gone, or is no user's any more, lets nobody in; of two with the same name the
    /// first counts.
    private func users(of proxy: ProxyRecord, master: (name: String, password: String)) -> [ProxySettings.User] {
        var users: [ProxySettings.User] = []
        for login in proxy.logins {
            let found: (name: String, password: String)
            switch keeper.state.user(of: login, secrets, account) {
            case .nobody: continue
            case .master: found = master
            case .named(let user): found = (user.username, user.password)
            }
            guard !users.contains(where: { $0.name == found.name }) else { continue }
            let isIAM = login.isIAM || proxy.defaultsToIAM
            users.append(
                ProxySettings.User(
                    name: found.name, password: isIAM ? nil : found.password,
                    method: isIAM ? "IAM" : login.passwordType, backendPassword: isIAM ? found.password : nil))
        }
        return users
    }

    private func pool(_ proxy: ProxyRecord, connections: Int) -> ProxySettings.Pool {
        ProxySettings.Pool(
            targetMaxConnections: connections, maxConnectionsPercent: proxy.pool.connectionsPercent,
            maxIdleConnectionsPercent: proxy.pool.idlePercent,
            connectionBorrowTimeoutSeconds: proxy.pool.borrowSeconds, idleClientTimeoutSeconds: proxy.idleClientSeconds,
            initQuery: proxy.pool.initQuery, sessionPinningFilters: proxy.pool.pinningFilters)
    }

    private func accessKeys() -> ProxySettings.IAM {
        let current = keyFile.current
        let keys =
            [ProxySettings.IAM.Key(id: current.accessKeyId, secret: current.secretAccessKey)]
            + (current.users ?? []).map { ProxySettings.IAM.Key(id: $0.accessKeyId, secret: $0.secretAccessKey) }
        return ProxySettings.IAM(region: current.region, accessKeys: keys)
    }

    // MARK: - What has become of it

    private func settle(
        _ proxy: ProxyRecord, _ endpoints: [(endpoint: ProxyEndpointRecord, host: String)], _ host: String,
        isRunning: Bool
    ) async throws {
        let leaving = keeper.state.endpoints(of: proxy).filter { $0.status == .deleting }
        let fresh = endpoints.filter { $0.endpoint.status != .available }
        guard isRunning, proxy.status != .available || !fresh.isEmpty || !leaving.isEmpty else { return }
        let account = account
        try await keeper.update { state in
            // A request may have come in between: it decides.
            if state.proxies[proxy.id]?.status == proxy.status { state.proxies[proxy.id]?.status = .available }
            for (endpoint, _) in fresh where state.proxyEndpoints[endpoint.id]?.status == endpoint.status {
                state.proxyEndpoints[endpoint.id]?.status = .available
            }
            for endpoint in leaving where state.proxyEndpoints[endpoint.id]?.status == .deleting {
                state.proxyEndpoints[endpoint.id] = nil
                state.note(.proxyEndpointDeleted, proxy: proxy, account: account, now: .now)
            }
        }
    }
}
