// SPDX-License-Identifier: Apache-2.0

/// A custom endpoint, as somebody asked for it.
package struct ClusterEndpointRecord: StateRecord {
    package static let kind = "clusterEndpoint"

    package enum Kind: String, Codable, Sendable {
        case reader = "READER"
        case writer = "WRITER"
        case any = "ANY"
    }

    package var id: String
    /// `cluster-endpoint-` and 26 letters and digits.
    package var resourceID: String
    package var cluster: String
    package var type: Kind
    package var status = ResourceStatus.creating
    /// Instances that it has; empty: all but `excluded`.
    package var members: [String] = []
    package var excluded: [String] = []
    /// Where it listens, once the data plane has said so.
    package var host: String?
    package var tags: [Tag]

    init(id: String, resourceID: String, cluster: String, type: Kind, tags: [Tag]) {
        self.id = id
        self.resourceID = resourceID
        self.cluster = cluster
        self.type = type
        self.tags = tags
    }
}

extension DesiredState {
    /// Lets the endpoints' lists follow an instance that is renamed, or gone (nil).
    mutating func renameMember(_ old: String, to new: String?) {
        for endpoint in endpoints.values {
            func renamed(_ names: [String]) -> [String] { names.compactMap { $0 == old ? new : $0 } }
            endpoints[endpoint.id]?.members = renamed(endpoint.members)
            endpoints[endpoint.id]?.excluded = renamed(endpoint.excluded)
        }
        if let new { renameSource("db-instance", from: old, to: new) }
    }

    /// Lets event subscriptions follow a source that is renamed. One that is gone stays in their lists, as at AWS.
    mutating func renameSource(_ type: String, from old: String, to new: String) {
        for subscription in subscriptions.values where subscription.sourceType == type {
            let sources = subscription.sources.map { $0 == old ? new : $0 }
            subscriptions[subscription.id]?.sources = sources
        }
    }
}
