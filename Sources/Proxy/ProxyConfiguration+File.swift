// SPDX-License-Identifier: Apache-2.0

import ProxyCore
import Yams

extension ProxyConfiguration {
    /// What is wrong with a configuration file, and where in it, in one line for whoever wrote it.
    package struct Invalid: Error, CustomStringConvertible {
        /// As `groups[0].users[1].method`; empty for the file as a whole.
        package var path: String
        package var reason: String

        init(_ path: String, _ reason: String) {
            self.path = path
            self.reason = reason
        }

        package var description: String { path.isEmpty ? reason : "\(path): \(reason)" }
    }

    static let proxyIDs = 0...127
}

/// What may stand at a place of the file. The bounds of numbers are those the proxy can count and keep time with.
private indirect enum Shape: Sendable {
    case text
    case flag
    case whole(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    case word(of: [String])
    case list(Shape)
    /// A mapping whose keys are the writer's own.
    case table(Shape)
    case keys([String: Shape])

    static func mapping<Key: CodingKey & Hashable>(_ shapes: [Key: Shape]) -> Shape {
        .keys(Dictionary(uniqueKeysWithValues: shapes.map { ($0.stringValue, $1) }))
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable>(of _: Choice.Type) -> Shape {
        .word(of: Choice.allCases.map(\.rawValue))
    }

    /// Throws where `node` is something else. Nothing at all is always good: the decoder knows what must be there.
    func check(_ node: Node, at path: String) throws(ProxyConfiguration.Invalid) {
        if node.null != nil { return }
        switch self {
        case .text: if node.scalar == nil { throw .init(path, "is not a text") }
        case .flag: if node.bool == nil { throw .init(path, "is neither true nor false") }
        case .whole(let range):
            guard let number = node.int else { throw .init(path, "is not a whole number") }
            guard range.contains(number) else {
                throw .init(path, "is \(number), and not from \(range.lowerBound) to \(range.upperBound)")
            }
        case .number(let range):
            guard let number = node.float else { throw .init(path, "is not a number") }
            guard range.contains(number) else {
                throw .init(path, "is \(number), and not from \(Int(range.lowerBound)) to \(Int(range.upperBound))")
            }
        case .word(let words):
            guard let word = node.string, words.contains(word) else {
                throw .init(
                    path, "is \(node.string ?? "a collection"), and not one of \(words.joined(separator: ", "))")
            }
        case .list(let element):
            guard let nodes = node.sequence else { throw .init(path, "is not a list") }
            for (index, node) in nodes.enumerated() { try element.check(node, at: "\(path)[\(index)]") }
        case .table(let value):
            for (key, node) in try Self.pairs(node, path) { try value.check(node, at: key) }
        case .keys(let shapes):
            for (key, node) in try Self.pairs(node, path) {
                guard let shape = shapes[String(key.dropFirst(path.isEmpty ? 0 : path.count + 1))] else {
                    throw .init(key, "is not a setting; there are \(shapes.keys.sorted().joined(separator: ", "))")
                }
                try shape.check(node, at: key)
            }
        }
    }

    private static func pairs(
        _ node: Node, _ path: String
    ) throws(ProxyConfiguration.Invalid) -> [(path: String, node: Node)] {
        guard let mapping = node.mapping else { throw .init(path, "is not a mapping of names to values") }
        return mapping.map { ((path.isEmpty ? "" : path + ".") + ($0.key.string ?? "?"), $0.value) }
    }
}

extension ProxyConfiguration.File {
    private static let count = Shape.whole(0...1_000_000)
    /// Up to thirty years, of which the nanoseconds still fit in 64 bits.
    private static let seconds = Shape.number(0...1e9)

    private static let address = Shape.mapping([
        ProxyConfiguration.Address.CodingKeys.host: .text, .port: .whole(1...65_535),
    ])

    private static let certificate = Shape.mapping([
        ProxyConfiguration.CertificateFiles.CodingKeys.certificate: .text, .key: .text,
    ])

    private static let listener = Shape.mapping([
        ProxyConfiguration.Listener.CodingKeys.name: .text, .host: .text, .port: .whole(0...65_535),
        .role: .choice(of: ProxyConfiguration.Role.self),
        .tls: .mapping([
            ProxyConfiguration.TLSFiles.CodingKeys.certificate: .text, .key: .text, .hosts: .table(certificate),
            .clientCA: .text,
        ]),
        .requireTLS: .flag, .readWriteSplit: .flag,
    ])

    private static let user = Shape.mapping([
        User.CodingKeys.name: .text, .password: .text, .method: .choice(of: ProxyConfiguration.User.Method.self),
        .backendUser: .text, .backendPassword: .text,
    ])

    private static let pool = Shape.mapping([
        Pool.CodingKeys.maxConnections: .whole(1...1_000_000), .maxConnectionsPercent: .whole(1...100),
        .targetMaxConnections: .whole(1...1_000_000), .maxIdleConnections: count,
        .maxIdleConnectionsPercent: .whole(0...100), .minConnections: count, .connectionBorrowTimeoutSeconds: seconds,
        .idleClientTimeoutSeconds: seconds, .connectionAgeSeconds: seconds, .initQuery: .text, .pinOnSequences: .flag,
        .maxReplicaLagSeconds: seconds, .allowLocalInfile: .flag,
        .sessionPinningFilters: .list(.choice(of: Pool.PinningFilter.self)),
    ])

    private static let group = Shape.mapping([
        Group.CodingKeys.name: .text, .engine: .choice(of: ProxyConfiguration.Engine.self), .targets: .list(address),
        .targetsFile: .text, .targetTLS: .choice(of: BackendLogin.TLSMode.self), .listeners: .list(listener),
        .users: .list(user), .pool: pool,
        .health: .mapping([Health.CodingKeys.user: .text, .password: .text, .database: .text]),
        .iam: .mapping([
            IAM.CodingKeys.region: .text, .hosts: .list(.text),
            .accessKeys: .list(.mapping([IAM.Key.CodingKeys.id: .text, .secret: .text, .users: .list(.text)])),
        ]),
    ])

    private static let shape = Shape.mapping([
        CodingKeys.name: .text, .threads: .whole(1...256), .metrics: address, .maxClients: .whole(1...8_000_000),
        .loginTimeoutSeconds: seconds, .loginsPerSecond: .number(0...1e6), .adminUsers: .list(.text),
        .proxyID: .whole(ProxyConfiguration.proxyIDs), .peers: .table(address), .groups: .list(group),
    ])

    /// A key that is no setting is an error, as what was meant by it would silently not hold.
    init(yaml: String) throws(ProxyConfiguration.Invalid) {
        do {
            guard let node = try compose(yaml: yaml) else { throw ProxyConfiguration.Invalid("", "the file is empty") }
            try Self.shape.check(node, at: "")
            self = try YAMLDecoder().decode(Self.self, from: node)
        } catch let error as ProxyConfiguration.Invalid {
            throw error
        } catch let error as DecodingError {
            throw Self.invalid(error)
        } catch let error as YamlError {
            throw Self.invalid(error)
        } catch {
            throw .init("", "\(error)")
        }
    }

    private static func invalid(_ error: DecodingError) -> ProxyConfiguration.Invalid {
        func path(_ keys: [any CodingKey]) -> String {
            keys.reduce("") { path, key in
                if let index = key.intValue { return "\(path)[\(index)]" }
                return path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)"
            }
        }
        switch error {
        case .keyNotFound(let key, let context): return .init(path(context.codingPath + [key]), "is missing")
        case .valueNotFound(_, let context): return .init(path(context.codingPath), "is empty")
        case .typeMismatch(_, let context), .dataCorrupted(let context):
            return .init(path(context.codingPath), context.debugDescription)
        @unknown default: return .init("", "\(error)")
        }
    }

    private static func invalid(_ error: YamlError) -> ProxyConfiguration.Invalid {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            .init("line \(mark.line), column \(mark.column)", problem)
        case .duplicatedKeysInMapping(let keys, let context):
            .init("line \(context.mark.line)", "has \(keys.joined(separator: ", ")) twice")
        default: .init("", "is not YAML: \(error)")
        }
    }
}
