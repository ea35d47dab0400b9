// SPDX-License-Identifier: Apache-2.0

internal import Endpoints
internal import Foundation
internal import Keyring

/// The settings of the endpoints' process, written by the supervisor. Where it listens it is told while it runs.
package struct EndpointConfiguration: Codable, Sendable {
    package static let role = "endpoint"

    /// Event loops.
    package var threads: Int
    /// The supervisor's admin socket.
    package var regionSocket: String
    package var lock: String
    package var failureFile: String
    package var logLevel: String

    package static func load(_ path: String) throws -> EndpointConfiguration {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw RegionError("cannot read the configuration \(path)", remedy: "check the path and its mode")
        }
        do { return try JSONDecoder().decode(EndpointConfiguration.self, from: data) } catch let error as DecodingError
        {
            throw RegionError("the configuration \(path) is not valid: \(error.readable)", remedy: "correct it")
        }
    }
}

extension RegionSetup {
    /// More event loops than this do not pass bytes on any faster: engines need the processors.
    private static let endpointThreadsMax = 4

    /// Writes the settings of the endpoints' process, and gives every cluster its standard endpoints.
    func prepareEndpoints() throws -> EndpointConfiguration {
        for cluster in try metadata.clusters() { try ensureStandardEndpoints(of: cluster) }
        let processors = ProcessInfo.processInfo.activeProcessorCount
        let configuration = EndpointConfiguration(
            threads: max(1, min(processors / 2, Self.endpointThreadsMax)), regionSocket: directory.regionSocket,
            lock: "\(directory.run)/\(EndpointConfiguration.role).lock",
            failureFile: directory.failure(EndpointConfiguration.role), logLevel: options.logLevel ?? "info")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try PrivateFile.write(
            try encoder.encode(configuration), to: directory.configuration(EndpointConfiguration.role))
        return configuration
    }

    func ensureStandardEndpoints(of cluster: ClusterRecord) throws {
        let known = Set(try metadata.endpoints().map(\.id))
        for kind in EndpointRecord.standard where !known.contains(EndpointRecord.id(kind, of: cluster.id)) {
            try metadata.save(
                EndpointRecord(
                    id: EndpointRecord.id(kind, of: cluster.id), cluster: cluster.id, kind: kind,
                    host: kind == .writer
                        ? cluster.host
                        : try chooseEndpointHost(EndpointRecord.id(kind, of: cluster.id), port: cluster.port)))
        }
    }

    func chooseEndpointHost(_ id: String, port: Int) throws -> String {
        let taken = Set(try metadata.endpoints().map(\.host))
        return try LoopbackNetwork.endpoints.choose(for: id, region: directory.path, port: port, except: taken)
    }
}
