// SPDX-License-Identifier: Apache-2.0

package import Engines
internal import Foundation
package import Keyring
package import StorageNode
package import VolumeModel

/// The settings of one process: a JSON file, written by the supervisor on one machine and by hand on several.
///
/// CONTRIBUTING.md shows one. Identifiers are written as text (`a1`, `vol-…`), paths are absolute.
package struct RoleConfiguration: Codable, Sendable {
    package static let format = 1

    /// Where the storage nodes of this process keep their journal and segments, and how they are reached.
    package struct Storage: Codable, Sendable {
        package var directory: String
        package var nodes: [String]
        /// Nodes that keep their segments elsewhere, and where: absolute paths.
        package var nodeDirectories: [String: String]?
        package var listenHost: String
        package var listenPort: Int
        /// Log that is not in layers yet, bytes, beyond which commits wait; nil is the node's default.
        package var journalBytes: Int?
    }

    /// A DB instance whose driver and engine this process runs.
    package struct Instance: Codable, Sendable {
        package var id: String
        package var cluster: String
        package var volume: String
        /// Holds `volume/` and `engine/`.
        package var directory: String
        package var groupBytes: UInt64
        package var chunkBytes: UInt64
        package var cacheBytesMax: UInt64?
        /// Nil: `DriverConfiguration.prefetchBytes`.
        package var prefetchBytes: UInt64?
        /// The six nodes that a new protection group is put on.
        package var nodes: [String]
        package var engine: EngineSettings
        /// Nil: the writer. Otherwise a copy-on-write mount at this LSN, or at the newest durable one if it is 0. A reader is
        /// a mount whose engine has somebody to replicate from.
        package var localAt: UInt64?
        /// Whether the volume may still have to be filled.
        package var mayCreate: Bool
        /// Raised by whoever wants the engine restarted; nil is 0.
        package var generation: Int?
    }

    package enum Part: String, Codable, Sendable { case writer, reader, mount }

    package struct Peer: Codable, Sendable {
        package var nodes: [String]
        package var host: String
        package var port: Int
    }

    package struct Key: Codable, Sendable {
        package var volume: String
        package var wrapped: WrappedKey
    }

    package var format = Self.format
    /// The process's name: `storage`, `storage-a`, `instance-demo-1`.
    package var role: String
    package var storage: Storage?
    package var instances: [Instance]
    /// Every storage process of the region.
    package var peers: [Peer]
    /// Nil: no TLS, for tests on loopback only.
    package var tls: LocalAuthority.Identity?
    package var keyring: String
    package var keys: [Key]
    package var adminSocket: String
    package var lock: String
    package var failureFile: String
    package var shim: String
    package var logLevel: String

    /// Reads a file, refusing one of a newer format.
    package static func load(_ path: String) throws -> RoleConfiguration {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw RegionError("cannot read the configuration \(path)", remedy: "check the path and its mode")
        }
        do {
            let configuration = try JSONDecoder().decode(RoleConfiguration.self, from: data)
            guard configuration.format == format else {
                throw RegionError(
                    "the configuration \(path) has format \(configuration.format), this program knows \(format)",
                    remedy: "use the borealis it was written for")
            }
            return configuration
        } catch let error as DecodingError {
            throw RegionError("the configuration \(path) is not valid: \(error.readable)", remedy: "correct it")
        }
    }

    package func save(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try PrivateFile.write(try encoder.encode(self), to: path)
    }
}

extension RoleConfiguration.Instance {
    package var part: RoleConfiguration.Part {
        guard localAt != nil else { return .writer }
        return engine.replication?.source == nil ? .mount : .reader
    }
}

extension RoleConfiguration {
    package func peerAddresses() throws -> [PeerAddress] {
        try peers.map { PeerAddress(nodes: try $0.nodes.map(Self.node), host: $0.host, port: $0.port) }
    }

    package var security: TransportSecurity {
        guard let tls else { return .plain }
        return .mutual(certificateFile: tls.certificate, keyFile: tls.key, authorityFile: tls.authority)
    }

    package func volumeKeys() throws -> VolumeKeys {
        let ring = try LocalKeyring(path: keyring, create: false)
        let pairs = try keys.map { (try Self.volume($0.volume), $0.wrapped) }
        return VolumeKeys(provider: ring, wrapped: Dictionary(pairs) { $1 })
    }

    package static func node(_ text: String) throws -> NodeID {
        guard let node = NodeID(text) else {
            throw RegionError("`\(text)` is no storage node", remedy: "write a zone's letter and a number, such as a1")
        }
        return node
    }

    package static func volume(_ text: String) throws -> VolumeID {
        guard let volume = VolumeID(text: text) else {
            throw RegionError("`\(text)` is no volume", remedy: "write vol- and sixteen hexadecimal digits")
        }
        return volume
    }
}

extension DecodingError {
    /// What is wrong, and where, in one line.
    var readable: String {
        let context: Context
        switch self {
        case .typeMismatch(_, let found), .valueNotFound(_, let found), .dataCorrupted(let found): context = found
        case .keyNotFound(let key, let found): return "\(key.stringValue) is missing at \(Self.place(found))"
        @unknown default: return "\(self)"
        }
        return "\(context.debugDescription) at \(Self.place(context))"
    }

    private static func place(_ context: Context) -> String {
        context.codingPath.isEmpty ? "the top" : context.codingPath.map(\.stringValue).joined(separator: ".")
    }
}
