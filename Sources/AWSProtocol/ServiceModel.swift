// SPDX-License-Identifier: Apache-2.0

/// The wire protocols that AWS services speak.
package enum WireProtocol: Sendable, Equatable {
    /// Form-encoded requests, XML answers.
    case query
    /// The same, with EC2's own names, flat lists and error shape.
    case ec2
    /// JSON both ways, the operation in `X-Amz-Target`; the version is `1.0` or `1.1`.
    case json(version: String)
    case restJSON
}

/// What a value of some type looks like on the wire.
package indirect enum Shape: Sendable {
    case string, integer, long, boolean, timestamp, double, float, blob
    case structure([Member])
    case list(Reference, name: String, isFlat: Bool)
    case map(key: Reference, value: Reference, keyName: String, valueName: String, isFlat: Bool)

    package struct Member: Sendable {
        /// As handlers know it.
        package var name: String
        /// As XML and JSON have it.
        package var wireName: String
        /// As form-encoded requests have it.
        package var queryName: String
        package var isRequired: Bool
        /// In REST protocols.
        package var location: Location
        package var target: Reference
    }

    package enum Location: String, Sendable {
        case body, header, headers, payload
        case label = "uri"
        case query = "querystring"
        case status = "statusCode"
    }

    /// A primitive, or the name of a shape in the same table.
    package enum Reference: Sendable {
        case primitive(Shape)
        case named(String)
    }
}

package struct Operation: Sendable {
    package var name: String
    package var input: String?
    package var output: String?
    /// The element that wraps an XML answer's members.
    package var resultWrapper: String?
    /// In REST protocols: the method, the template of path and query, and the status of an answer.
    package var method: String?
    package var uri: String?
    package var status = 200
}

/// An error that an operation may answer with.
package struct ErrorShape: Sendable, Equatable {
    package var code: String
    package var status: Int
    package var isSenderFault: Bool
}

/// A service's operations and shapes: names and types, read from a table that `scripts/derive-shapes` writes.
///
/// A table is a line each of these; a line that starts with a blank continues the one before.
///
///     service|version|signing|namespace|target VALUE
///     protocol query|ec2|json VERSION|rest-json
///     operation NAME INPUT|- OUTPUT|- WRAPPER|- [METHOD URI STATUS]
///     structure NAME MEMBER…            MEMBER is NAME[@WIRE][^QUERY][/LOCATION]:TYPE[!]   (! is required)
///     list NAME TYPE ITEMNAME [flat]
///     map NAME KEYTYPE VALUETYPE KEYNAME VALUENAME [flat]
///     error NAME CODE STATUS sender|receiver
///
/// A type is a letter (s i l b t d f x: string, integer, long, boolean, timestamp, double, float, blob) or a shape's name.
package struct ServiceModel: Sendable {
    package private(set) var name = ""
    package private(set) var version = ""
    /// In a signature's credential scope.
    package private(set) var signingName = ""
    package private(set) var namespace = ""
    package private(set) var targetPrefix = ""
    package private(set) var wireProtocol = WireProtocol.query
    package private(set) var operations: [String: Operation] = [:]
    package private(set) var errors: [String: ErrorShape] = [:]
    private var shapes: [String: Shape] = [:]

    package static let rds = ServiceModel(table: rdsTable)
    package static let sts = ServiceModel(table: stsTable)
    package static let secretsManager = ServiceModel(table: secretsmanagerTable)

    /// - Precondition: the table is well-formed; tables are part of the program.
    package init(table: String) {
        var line: [Substring] = []
        for text in table.split(separator: "\n") {
            if !text.hasPrefix(" ") {
                read(line)
                line = []
            }
            line += text.split(separator: " ")
        }
        read(line)
    }

    /// - Precondition: the table has the shape.
    package func shape(_ reference: Shape.Reference) -> Shape {
        switch reference {
        case .primitive(let shape): return shape
        case .named(let name):
            guard let shape = shapes[name] else { preconditionFailure("the table of \(self.name) lacks \(name)") }
            return shape
        }
    }

    package func shape(named name: String?) -> Shape { name.map { shape(.named($0)) } ?? .structure([]) }

    private mutating func read(_ line: [Substring]) {
        guard let kind = line.first else { return }
        let words = line.dropFirst().map(String.init)
        switch kind {
        case "service": name = words[0]
        case "version": version = words[0]
        case "signing": signingName = words[0]
        case "namespace": namespace = words[0]
        case "target": targetPrefix = words[0]
        case "protocol": wireProtocol = Self.wireProtocol(words)
        case "operation":
            let optional = words.map { $0 == "-" ? nil : $0 }
            operations[words[0]] = Operation(
                name: words[0], input: optional[1], output: optional[2], resultWrapper: optional[3],
                method: words.count > 4 ? words[4] : nil, uri: words.count > 5 ? words[5] : nil,
                status: words.count > 6 ? Int(words[6]) ?? 200 : 200)
        case "structure": shapes[words[0]] = .structure(words.dropFirst().map(Self.member))
        case "list":
            shapes[words[0]] = .list(Self.reference(words[1]), name: words[2], isFlat: words.last == "flat")
        case "map":
            shapes[words[0]] = .map(
                key: Self.reference(words[1]), value: Self.reference(words[2]), keyName: words[3],
                valueName: words[4], isFlat: words.count > 5)
        case "error":
            errors[words[0]] = ErrorShape(
                code: words[1], status: Int(words[2]) ?? 400, isSenderFault: words[3] == "sender")
        default: preconditionFailure("a shape table has the line \(line)")
        }
    }

    private static func wireProtocol(_ words: [String]) -> WireProtocol {
        switch words[0] {
        case "query": .query
        case "ec2": .ec2
        case "json": .json(version: words[1])
        case "rest-json": .restJSON
        default: preconditionFailure("a shape table has the protocol \(words[0])")
        }
    }

    private static func reference(_ text: some StringProtocol) -> Shape.Reference {
        switch text {
        case "s": .primitive(.string)
        case "i": .primitive(.integer)
        case "l": .primitive(.long)
        case "b": .primitive(.boolean)
        case "t": .primitive(.timestamp)
        case "d": .primitive(.double)
        case "f": .primitive(.float)
        case "x": .primitive(.blob)
        default: .named(String(text))
        }
    }

    private static func member(_ text: String) -> Shape.Member {
        let colon = text.lastIndex(of: ":") ?? text.endIndex
        var type = text[colon...].dropFirst()
        let isRequired = type.hasSuffix("!")
        if isRequired { type = type.dropLast() }
        var names = text[..<colon]
        var location = Shape.Location.body
        if let slash = names.firstIndex(of: "/") {
            location = Shape.Location(rawValue: String(names[slash...].dropFirst())) ?? .body
            names = names[..<slash]
        }
        let query = names.split(separator: "^", maxSplits: 1)
        let wire = query[0].split(separator: "@", maxSplits: 1)
        let wireName = String(wire.last ?? query[0])
        return Shape.Member(
            name: String(wire[0]), wireName: wireName, queryName: query.count > 1 ? String(query[1]) : wireName,
            isRequired: isRequired, location: location, target: reference(type))
    }
}
