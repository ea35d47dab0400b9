// SPDX-License-Identifier: Apache-2.0

/// Where clients connect, and what is behind it: all that the endpoints' process has to know of a region.
package struct EndpointTopology: Codable, Sendable, Equatable {
    /// Which instances an endpoint leads to.
    package enum Kind: String, Codable, Sendable {
        /// The cluster endpoint: the writer, whichever instance that is.
        case writer
        /// Every reader; the writer while there is none.
        case reader
        /// Readers, of those that a custom endpoint has.
        case customReader = "custom-reader"
        /// The writer, while it is one of those that a custom endpoint has.
        case customWriter = "custom-writer"
        /// Any instance, of those that a custom endpoint has.
        case customAny = "custom-any"
    }

    package struct Instance: Codable, Sendable, Equatable {
        package var id: String
        package var host: String
        package var port: Int
        package var isWriter: Bool
        /// Whether it accepts connections, as far as the supervisor knows.
        package var isAvailable: Bool

        package init(id: String, host: String, port: Int, isWriter: Bool, isAvailable: Bool) {
            self.id = id
            self.host = host
            self.port = port
            self.isWriter = isWriter
            self.isAvailable = isAvailable
        }
    }

    package struct Endpoint: Codable, Sendable, Equatable {
        /// Unique in the region.
        package var id: String
        package var kind: Kind
        package var host: String
        package var port: Int
        /// Instances that it has; nil is all but `excluded`.
        package var members: [String]?
        package var excluded: [String]

        package init(
            id: String, kind: Kind, host: String, port: Int, members: [String]? = nil, excluded: [String] = []
        ) {
            self.id = id
            self.kind = kind
            self.host = host
            self.port = port
            self.members = members
            self.excluded = excluded
        }
    }

    package struct Cluster: Codable, Sendable, Equatable {
        package var id: String
        package var endpoints: [Endpoint]
        package var instances: [Instance]

        package init(id: String, endpoints: [Endpoint], instances: [Instance]) {
            self.id = id
            self.endpoints = endpoints
            self.instances = instances
        }
    }

    package var clusters: [Cluster]

    package init(clusters: [Cluster]) { self.clusters = clusters }
}

/// How the endpoints are, as their process says.
package struct EndpointReport: Codable, Sendable, Equatable {
    package struct Endpoint: Codable, Sendable, Equatable {
        package var id: String
        package var isListening: Bool
        /// Why it does not listen.
        package var reason: String?
        /// Clients that are connected to an instance.
        package var connections: Int
        /// Clients that wait for one.
        package var waiting: Int
    }

    package var endpoints: [Endpoint]

    package init(endpoints: [Endpoint]) { self.endpoints = endpoints }
}

extension EndpointTopology {
    func endpoint(_ id: String) -> (endpoint: Endpoint, cluster: Cluster)? {
        for cluster in clusters {
            if let endpoint = cluster.endpoints.first(where: { $0.id == id }) { return (endpoint, cluster) }
        }
        return nil
    }

    func instance(_ id: String) -> Instance? {
        for cluster in clusters {
            if let instance = cluster.instances.first(where: { $0.id == id }) { return instance }
        }
        return nil
    }

    /// The instances that a new connection may go to, the best first.
    ///
    /// - Parameter load: connections that an instance has already
    package func targets(of id: String, load: (String) -> Int) -> [Instance] {
        guard let (endpoint, cluster) = endpoint(id) else { return [] }
        let available = cluster.instances.filter(\.isAvailable)
        let writer = available.filter(\.isWriter)
        // Of equal ones the first by name: the next connection finds that one busier.
        let readers = available.filter { !$0.isWriter }.sorted { (load($0.id), $0.id) < (load($1.id), $1.id) }
        switch endpoint.kind {
        case .writer: return writer
        case .reader: return readers + writer
        case .customReader: return readers.filter(endpoint.has)
        case .customWriter: return writer.filter(endpoint.has)
        case .customAny:
            return (readers + writer).filter(endpoint.has).sorted { (load($0.id), $0.id) < (load($1.id), $1.id) }
        }
    }
}

extension EndpointTopology.Endpoint {
    fileprivate func has(_ instance: EndpointTopology.Instance) -> Bool {
        members?.contains(instance.id) ?? !excluded.contains(instance.id)
    }
}
