// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Who is connected to what, and what the region looks like: the one thing that the event loops share.
///
/// A *lease* is one client's connection to one instance. It is good for as long as that instance has the role that it had:
/// a demoted writer loses all its clients, and a reader that became the writer those that took it for a reader.
final class EndpointState: Sendable {
    struct Lease: Sendable {
        let number: Int
        let endpoint: String
        let instance: EndpointTopology.Instance
    }

    private struct Holder {
        let lease: Lease
        /// Ends the client's connection; nil until there is one.
        var close: (@Sendable () -> Void)?
    }

    private struct State {
        var topology = EndpointTopology(clusters: [])
        var holders: [Int: Holder] = [:]
        /// Connections an instance.
        var loads: [String: Int] = [:]
        /// Clients an endpoint that wait for an instance.
        var waiting: [String: Int] = [:]
        var lastLease = 0
    }

    private let state = Mutex(State())

    var topology: EndpointTopology { state.withLock { $0.topology } }

    /// Takes what the region looks like now. The connections that are not good any more are closed.
    func update(_ topology: EndpointTopology) {
        let ended = state.withLock { state in
            state.topology = topology
            return state.holders.values.filter { !Self.isGood($0.lease, topology) }.compactMap(\.close)
        }
        for close in ended { close() }
    }

    private static func isGood(_ lease: Lease, _ topology: EndpointTopology) -> Bool {
        guard topology.endpoint(lease.endpoint) != nil, let now = topology.instance(lease.instance.id) else {
            return false
        }
        return now.isWriter == lease.instance.isWriter && now.host == lease.instance.host
            && now.port == lease.instance.port
    }

    /// A place at the best instance that is not among the failed ones; nil while there is none.
    func lease(at endpoint: String, except failed: Set<String>) -> Lease? {
        state.withLock { state in
            let targets = state.topology.targets(of: endpoint) { state.loads[$0] ?? 0 }
            guard let instance = targets.first(where: { !failed.contains($0.id) }) else { return nil }
            state.lastLease += 1
            let lease = Lease(number: state.lastLease, endpoint: endpoint, instance: instance)
            state.holders[lease.number] = Holder(lease: lease)
            state.loads[instance.id, default: 0] += 1
            return lease
        }
    }

    /// Notes how to end a connection that is made. False when the region has changed meanwhile, so that it is not good.
    func confirm(_ lease: Lease, close: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            guard Self.isGood(lease, state.topology) else { return false }
            state.holders[lease.number]?.close = close
            return true
        }
    }

    func release(_ lease: Lease) {
        state.withLock { state in
            guard state.holders.removeValue(forKey: lease.number) != nil else { return }
            let left = (state.loads[lease.instance.id] ?? 1) - 1
            state.loads[lease.instance.id] = left > 0 ? left : nil
        }
    }

    /// Whether one more client may wait at the endpoint.
    func beginWaiting(at endpoint: String, limit: Int) -> Bool {
        state.withLock { state in
            guard state.waiting.values.reduce(0, +) < limit else { return false }
            state.waiting[endpoint, default: 0] += 1
            return true
        }
    }

    func endWaiting(at endpoint: String) {
        state.withLock { state in
            let left = (state.waiting[endpoint] ?? 1) - 1
            state.waiting[endpoint] = left > 0 ? left : nil
        }
    }

    var isAnybodyWaiting: Bool { state.withLock { !$0.waiting.isEmpty } }

    func connections(at endpoint: String) -> (connected: Int, waiting: Int) {
        state.withLock { state in
            (state.holders.values.count { $0.lease.endpoint == endpoint }, state.waiting[endpoint] ?? 0)
        }
    }
}
