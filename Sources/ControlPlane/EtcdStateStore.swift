// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import Logging
internal import Synchronization

/// The desired state in etcd, for a control plane that is to outlive its machine.
///
/// Several control planes may run; the *leader* acts and the others wait. The leader's key hangs on a lease that the leader
/// renews. Its revision is a fencing token: every commit compares it, so one that has lost the leadership without knowing
/// yet can change nothing.
///
///     PREFIX/leader            the leader's name; goes when its lease ends
///     PREFIX/doc/KIND/ID       a document
///     PREFIX/batch/N           changes of a commit that is larger than one transaction of etcd may be
///
/// etcd takes 128 operations a transaction. A larger commit is stored as a batch first, in one transaction, and is carried
/// out from there; whoever loads the state carries out a batch that it finds. So it is all or nothing as well.
///
/// Of a change whose answer is lost nobody knows whether it was made, and a batch that was carried out in part must not be
/// followed by other changes. After either, this process leads no more: it ends, and the next leader reads what there is.
package final class EtcdStateStore: StateStore {
    /// A leader that is silent for this long is replaced.
    package static let leaseSeconds = 10
    private static let renewPause: Duration = .seconds(2)
    private static let electionPause: Duration = .milliseconds(500)
    /// Below etcd's default of 128.
    private static let operationsMax = 100

    private let client: EtcdClient
    private let prefix: String
    private let lease: Int64
    /// The revision at which the leader's key was written.
    private let token: Int64
    private let isLost = Atomic<Bool>(false)

    private init(client: EtcdClient, prefix: String, lease: Int64, token: Int64) {
        self.client = client
        self.prefix = prefix
        self.lease = lease
        self.token = token
    }

    private var leaderKey: String { "\(prefix)leader" }

    // MARK: - Leadership

    /// Waits until this control plane is the leader.
    ///
    /// - Parameter name: of this control plane, the same after a restart. The caller makes sure that no other process goes
    ///   by it, so one that was killed a moment ago is succeeded at once.
    package static func lead(
        _ address: EtcdAddress, _ security: EtcdSecurity, name: String, logger: Logger
    ) async throws -> EtcdStateStore {
        let client = EtcdClient(servers: address.servers, tls: address.isSecure ? try security.context() : nil)
        let key = "\(address.prefix)leader"
        var isPatient = false
        while true {
            let holder = try await client.get(key)
            if holder == nil || holder?.value == Data(name.utf8) {
                let lease = try await client.grantLease(seconds: leaseSeconds)
                let condition = holder.map { EtcdClient.Condition.revision(key, $0.modRevision) } ?? .absent(key)
                if let token = try await client.commit(if: [condition], [.put(key, Data(name.utf8), lease: lease)]) {
                    return EtcdStateStore(client: client, prefix: address.prefix, lease: lease, token: token)
                }
                try await client.revokeLease(lease)
            } else if !isPatient {
                isPatient = true
                let other = String(decoding: holder?.value ?? Data(), as: UTF8.self)
                logger.notice("another control plane leads; waiting", metadata: ["leader": "\(other)"])
            }
            try await Task.sleep(for: electionPause)
        }
    }

    /// Renews the lease for as long as that succeeds; returns when the leadership is lost.
    package func keepLeading() async {
        var end = ContinuousClock.now + .seconds(Self.leaseSeconds)
        while ContinuousClock.now < end, !isLost.load(ordering: .acquiring) {
            let asked = ContinuousClock.now
            if let goesOn = try? await isLeading() {
                guard goesOn else { return }
                end = asked + .seconds(Self.leaseSeconds)
            }
            let next = asked + Self.renewPause
            while ContinuousClock.now < next, !isLost.load(ordering: .acquiring) {
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    private func isLeading() async throws -> Bool {
        guard try await client.renewLease(lease) else { return false }
        return try await client.get(leaderKey)?.modRevision == token
    }

    /// Lets another control plane lead at once.
    package func resign() async { try? await client.revokeLease(lease) }

    // MARK: - Documents

    package func load() async throws -> [StoredDocument] {
        try await finishBatch()
        let start = "\(prefix)doc/"
        return try await client.all(prefix: start).map { pair in
            let parts = pair.key.dropFirst(start.count).split(separator: "/", maxSplits: 1)
            guard parts.count == 2 else {
                throw ControlError("etcd has the key \(pair.key), which cannot be", remedy: "remove it")
            }
            return StoredDocument(key: StoreKey(kind: String(parts[0]), id: String(parts[1])), value: pair.value)
        }
    }

    package func commit(_ changes: [StoreChange]) async throws {
        guard changes.count > Self.operationsMax else { return try await write(changes.map(operation)) }
        let pieces = stride(from: 0, to: changes.count, by: Self.operationsMax).map {
            Array(changes[$0..<min($0 + Self.operationsMax, changes.count)])
        }
        guard pieces.count <= Self.operationsMax else {
            throw ControlError("a change of \(changes.count) documents is too large", remedy: "make smaller ones")
        }
        try await write(
            try pieces.enumerated().map { number, piece in
                .put("\(prefix)batch/\(String(format: "%03d", number))", try JSONEncoder().encode(piece))
            })
        do { try await finishBatch() } catch {
            isLost.store(true, ordering: .releasing)
            throw error
        }
    }

    /// Carries out what an earlier commit left to be done. Repeatable.
    private func finishBatch() async throws {
        let pieces = try await client.all(prefix: "\(prefix)batch/")
        guard !pieces.isEmpty else { return }
        for piece in pieces {
            try await write(try JSONDecoder().decode([StoreChange].self, from: piece.value).map(operation))
        }
        try await write([.removeAll(prefix: "\(prefix)batch/")])
    }

    private func operation(_ change: StoreChange) -> EtcdClient.Change {
        switch change {
        case .put(let key, let value): .put(self.key(key), value)
        case .remove(let key): .remove(self.key(key))
        }
    }

    private func key(_ key: StoreKey) -> String { "\(prefix)doc/\(key.kind)/\(key.id)" }

    private func write(_ changes: [EtcdClient.Change]) async throws {
        guard !isLost.load(ordering: .acquiring) else { throw LeadershipLost() }
        let revision: Int64?
        do {
            revision = try await client.commit(if: [.revision(leaderKey, token)], changes)
        } catch let error as EtcdClient.Ambiguity {
            isLost.store(true, ordering: .releasing)
            throw error
        }
        guard revision != nil else {
            isLost.store(true, ordering: .releasing)
            throw LeadershipLost()
        }
    }
}

/// This control plane leads no more: another one does, or nobody, or it does not know what etcd has of a change.
package struct LeadershipLost: Error, CustomStringConvertible {
    package init() {}

    package var description: String {
        "this control plane does not lead any more (it starts again, and waits for its turn)"
    }
}
