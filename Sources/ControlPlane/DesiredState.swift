// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// All that somebody asked the control plane for. A value: a transaction changes a copy, and the difference is stored.
package struct DesiredState: Sendable {
    package var clusters: [String: ClusterRecord] = [:]
    package var instances: [String: InstanceRecord] = [:]
    package var endpoints: [String: ClusterEndpointRecord] = [:]
    package var proxies: [String: ProxyRecord] = [:]
    package var proxyEndpoints: [String: ProxyEndpointRecord] = [:]
    package var parameterGroups: [String: ParameterGroupRecord] = [:]
    package var subnetGroups: [String: SubnetGroupRecord] = [:]
    package var events: [String: EventRecord] = [:]
    package var subscriptions: [String: EventSubscriptionRecord] = [:]
    package var catalogs: [String: ParameterCatalogRecord] = [:]
    package var secrets: [String: SecretRecord] = [:]

    package init() {}

    /// Throws when a document is not what this program writes.
    package init(_ documents: [StoredDocument]) throws {
        for document in documents {
            switch document.key.kind {
            case ClusterRecord.kind: try Self.add(document, to: &clusters)
            case InstanceRecord.kind: try Self.add(document, to: &instances)
            case ClusterEndpointRecord.kind: try Self.add(document, to: &endpoints)
            case ProxyRecord.kind: try Self.add(document, to: &proxies)
            case ProxyEndpointRecord.kind: try Self.add(document, to: &proxyEndpoints)
            case ParameterGroupRecord.kind: try Self.add(document, to: &parameterGroups)
            case SubnetGroupRecord.kind: try Self.add(document, to: &subnetGroups)
            case EventRecord.kind: try Self.add(document, to: &events)
            case EventSubscriptionRecord.kind: try Self.add(document, to: &subscriptions)
            case ParameterCatalogRecord.kind: try Self.add(document, to: &catalogs)
            case SecretRecord.kind: try Self.add(document, to: &secrets)
            default:
                throw ControlError(
                    "the metadata has records of the kind \(document.key.kind)",
                    remedy: "use the newer borealis that wrote them")
            }
        }
    }

    private static func add<Record: StateRecord>(
        _ document: StoredDocument, to table: inout [String: Record]
    ) throws {
        do {
            table[document.key.id] = try decode(document.value)
        } catch DecodingError.keyNotFound(let key, _) {
            throw ControlError(
                "the metadata's record \(document.key.kind) \(document.key.id) has no \(key.stringValue)",
                remedy: "use the borealis that wrote it, or delete what it stands for with that one first")
        } catch {
            throw ControlError(
                "the metadata's record \(document.key.kind) \(document.key.id) is damaged: \(error)",
                remedy: "restore it from a backup")
        }
    }

    private static func decode<Record: StateRecord>(_ value: Data) throws -> Record {
        do {
            return try JSONDecoder().decode(Record.self, from: value)
        } catch DecodingError.keyNotFound {
            // What does not read as it is may be of an earlier version.
            var fields = try JSONSerialization.jsonObject(with: value) as? [String: Any] ?? [:]
            Record.upgrade(&fields)
            return try JSONDecoder().decode(Record.self, from: JSONSerialization.data(withJSONObject: fields))
        }
    }

    /// What to store so that `old` becomes this.
    package func changes(since old: DesiredState) throws -> [StoreChange] {
        try Self.changes(old.clusters, clusters) + Self.changes(old.instances, instances)
            + Self.changes(old.endpoints, endpoints) + Self.changes(old.parameterGroups, parameterGroups)
            + Self.changes(old.subnetGroups, subnetGroups)
            + Self.changes(old.proxies, proxies) + Self.changes(old.proxyEndpoints, proxyEndpoints)
            + Self.changes(old.events, events) + Self.changes(old.subscriptions, subscriptions)
            + Self.changes(old.catalogs, catalogs) + Self.changes(old.secrets, secrets)
    }

    private static func changes<Record: StateRecord>(
        _ old: [String: Record], _ new: [String: Record]
    ) throws -> [StoreChange] {
        // Tables that were not touched share their storage, which makes this cheap.
        guard old != new else { return [] }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        var changes: [StoreChange] = []
        for (id, record) in new where old[id] != record {
            changes.append(.put(StoreKey(kind: Record.kind, id: id), try encoder.encode(record)))
        }
        for id in old.keys where new[id] == nil { changes.append(.remove(StoreKey(kind: Record.kind, id: id))) }
        return changes
    }
}

extension DesiredState {
    /// A cluster's instances, by name.
    func members(of cluster: String) -> [InstanceRecord] {
        instances.values.filter { $0.cluster == cluster }.sorted { $0.id < $1.id }
    }

    /// Whether an instance is its cluster's writer: as the data plane has said, or else because it is the oldest.
    func isWriter(_ instance: InstanceRecord, of cluster: ClusterRecord) -> Bool {
        if let writer = cluster.writer, members(of: cluster.id).contains(where: { $0.planeID == writer }) {
            return instance.planeID == writer
        }
        return members(of: cluster.id).min { $0.isOlder(than: $1) }?.id == instance.id
    }
}
