// SPDX-License-Identifier: Apache-2.0

/// AWS's query protocol: `Action=…&Version=…&Filters.Filter.1.Name=…`.
///
/// A name's parts, split at dots, make a tree; the operation's input shape says how to read it. Names that the shape does
/// not have are passed over, as AWS does.
package enum QueryCodec {
    /// More parameters than this are refused.
    package static let parametersMax = 10_000
    /// Deeper names than any shape has.
    private static let depthMax = 16

    /// A request's parameters as a tree.
    package struct Parameters: Sendable {
        fileprivate struct Node: Sendable {
            var value: String?
            var children: [String: Node] = [:]
        }
        fileprivate var root = Node()

        /// Throws `MalformedInput` for what is no form, and when there is too much of it.
        package init(form bytes: some Collection<UInt8>) throws(AWSError) {
            let pairs = PercentEncoding.form(bytes)
            guard pairs.count <= QueryCodec.parametersMax else {
                throw .malformed("The request has more than \(QueryCodec.parametersMax) parameters.")
            }
            for (name, value) in pairs {
                guard let name = String(validating: name, as: UTF8.self),
                    let value = String(validating: value, as: UTF8.self)
                else { throw .malformed("The request is not UTF-8.") }
                let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
                guard parts.count <= QueryCodec.depthMax else {
                    throw .malformed("The parameter name \(name.prefix(100)) is too deep.")
                }
                Self.insert(value, at: parts[...], into: &root)
            }
        }

        /// A parameter whose name has no dot.
        package subscript(_ name: String) -> String? { root.children[name]?.value }

        private static func insert(_ value: String, at parts: ArraySlice<String>, into node: inout Node) {
            guard let first = parts.first else {
                node.value = value
                return
            }
            insert(value, at: parts.dropFirst(), into: &node.children[first, default: Node()])
        }
    }

    /// Reads an operation's input.
    ///
    /// Throws `MissingParameter` for a required member that is not there, and `MalformedInput` for what has another type.
    package static func decode(
        _ parameters: Parameters, of operation: Operation, model: ServiceModel
    ) throws(AWSError) -> AWSValue {
        let decoder = Decoder(model: model)
        return try decoder.decode(parameters.root, model.shape(named: operation.input), at: "") ?? .structure([:])
    }

    private struct Decoder {
        let model: ServiceModel

        /// Nil when the parameter is absent.
        func decode(_ node: Parameters.Node, _ shape: Shape, at path: String) throws(AWSError) -> AWSValue? {
            switch shape {
            case .structure(let members): return try structure(node, members, at: path)
            case .list(let item, let name, let isFlat):
                return try list(node, item, name, isFlat: isFlat || model.wireProtocol == .ec2, at: path)
            case .map(let key, let value, let keyName, let valueName, let isFlat):
                return try map(node, key, value, keyName, valueName, isFlat: isFlat, at: path)
            case .string, .integer, .long, .boolean, .timestamp, .double, .float, .blob:
                guard node.children.isEmpty else {
                    throw .malformed("\(path): start of structure or map found where not expected.")
                }
                guard let text = node.value else { return nil }
                return try Primitive.read(text, as: shape, at: path)
            }
        }

        private func structure(
            _ node: Parameters.Node, _ members: [Shape.Member], at path: String
        ) throws(AWSError) -> AWSValue? {
            if !path.isEmpty, let value = node.value, !value.isEmpty {
                throw .malformed("\(path): a structure was expected, a text was found.")
            }
            var fields: [String: AWSValue] = [:]
            for member in members {
                let name = path.isEmpty ? member.queryName : "\(path).\(member.queryName)"
                if let child = node.children[member.queryName] {
                    fields[member.name] = try decode(child, model.shape(member.target), at: name)
                }
                if member.isRequired && fields[member.name] == nil { throw .missingParameter(name) }
            }
            return .structure(fields)
        }

        private func list(
            _ node: Parameters.Node, _ item: Shape.Reference, _ name: String, isFlat: Bool, at path: String
        ) throws(AWSError) -> AWSValue? {
            // `Name=` is an empty list.
            if let value = node.value {
                guard value.isEmpty else { throw .malformed("\(path): a list was expected, a text was found.") }
                if node.children.isEmpty { return .list([]) }
            }
            let holder = isFlat ? node : node.children[name] ?? node.children["member"] ?? Parameters.Node()
            guard !holder.children.isEmpty else {
                guard node.children.isEmpty || !(holder.value ?? "x").isEmpty else { return .list([]) }
                throw .malformed("\(path): list elements are written \(path).\(name).1, \(path).\(name).2 and so on.")
            }
            var values: [AWSValue] = []
            for (index, child) in try numbered(holder.children, at: path) {
                if let value = try decode(child, model.shape(item), at: "\(path).\(name).\(index)") {
                    values.append(value)
                }
            }
            return .list(values)
        }

        private func map(
            _ node: Parameters.Node, _ key: Shape.Reference, _ value: Shape.Reference, _ keyName: String,
            _ valueName: String, isFlat: Bool, at path: String
        ) throws(AWSError) -> AWSValue? {
            let holder = isFlat ? node : node.children["entry"] ?? Parameters.Node()
            var entries: [String: AWSValue] = [:]
            for (index, child) in try numbered(holder.children, at: path) {
                guard let name = child.children[keyName]?.value else {
                    throw .malformed("\(path): entry \(index) has no \(keyName).")
                }
                if let found = child.children[valueName] {
                    entries[name] = try decode(found, model.shape(value), at: "\(path).\(name)")
                }
            }
            return .structure(entries)
        }

        /// In the order of their numbers, which may have gaps.
        private func numbered(
            _ children: [String: Parameters.Node], at path: String
        ) throws(AWSError) -> [(Int, Parameters.Node)] {
            var found: [(Int, Parameters.Node)] = []
            for (name, child) in children {
                guard let number = Int(name), number >= 0 else {
                    throw .malformed("\(path): \(name.prefix(100)) is not the number of a list element.")
                }
                found.append((number, child))
            }
            return found.sorted { $0.0 < $1.0 }
        }
    }
}
