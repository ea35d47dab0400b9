// SPDX-License-Identifier: Apache-2.0

/// AWS's REST-JSON protocol: the operation is in the method and the path; members are in the path, the query, headers and a
/// JSON body, as the shape's locations say (smithy.io, "AWS restJson1 protocol").
package enum RestJSONCodec {
    /// The operation that a request is about, with what its path holds. The template with the most fixed parts wins.
    package static func operation(
        of request: HTTPRequestMessage, model: ServiceModel
    ) -> (operation: Operation, labels: [String: String])? {
        var best: (operation: Operation, labels: [String: String], fixed: Int)?
        for operation in model.operations.values where operation.method == request.method {
            guard let template = operation.uri, let labels = match(template, request) else { continue }
            let fixed = template.split(separator: "/").count { !$0.hasPrefix("{") } + template.count { $0 == "=" }
            if best.map({ ($0.fixed, operation.name) < (fixed, $0.operation.name) }) ?? true {
                best = (operation, labels, fixed)
            }
        }
        return best.map { ($0.operation, $0.labels) }
    }

    /// Reads an operation's input. Throws as `JSONCodec.decode` does.
    package static func decode(
        _ request: HTTPRequestMessage, of operation: Operation, labels: [String: String], model: ServiceModel
    ) throws(AWSError) -> AWSValue {
        guard case .structure(let members) = model.shape(named: operation.input) else { return .structure([:]) }
        var fields: [String: AWSValue] = [:]
        let query = PercentEncoding.form(request.query.utf8).map {
            (name: String(decoding: $0.name, as: UTF8.self), value: String(decoding: $0.value, as: UTF8.self))
        }
        let taken = Set(members.filter { $0.location == .query }.map(\.wireName))
        for member in members {
            let shape = model.shape(member.target)
            switch member.location {
            case .body, .status: break
            case .label:
                fields[member.name] = try labels[member.wireName].map { text throws(AWSError) in
                    try Primitive.read(text, as: shape, at: member.wireName)
                }
            case .header:
                fields[member.name] = try request.header(member.wireName.lowercased()).map {
                    text throws(AWSError) in try header(text, shape, member.wireName, model)
                }
            case .headers: fields[member.name] = prefixed(request.headers, member.wireName)
            case .query: fields[member.name] = try parameters(query, shape, member.wireName, taken, model)
            case .payload: fields[member.name] = try payload(request.body, shape, model)
            }
        }
        if !members.contains(where: { $0.location == .payload }) {
            let body = members.filter { $0.location == .body }
            let found = try JSONCodec.decode(request.body, members: body, model: model)
            fields.merge(found) { $1 }
        }
        for member in members where member.isRequired && fields[member.name] == nil {
            throw AWSError(
                "ValidationException",
                "Value null at '\(member.wireName)' failed to satisfy constraint: Member must not be null")
        }
        return .structure(fields)
    }

    /// An operation's answer.
    ///
    /// - Precondition: the value has the operation's output shape
    package static func answer(
        _ value: AWSValue, to operation: Operation, model: ServiceModel
    ) -> HTTPResponseMessage {
        var answer = HTTPResponseMessage(status: operation.status, contentType: "application/json", body: [])
        guard case .structure(let members) = model.shape(named: operation.output), let fields = value.structure else {
            return answer
        }
        for member in members {
            guard let field = fields[member.name] else { continue }
            let shape = model.shape(member.target)
            switch member.location {
            case .status: answer.status = field.integer ?? answer.status
            case .header: answer.headers[member.wireName.lowercased()] = text(of: field, shape, model)
            case .headers:
                for (key, one) in field.structure ?? [:] {
                    answer.headers["\(member.wireName)\(key)".lowercased()] = one.string ?? ""
                }
            case .payload:
                switch field {
                case .blob(let bytes): (answer.body, answer.contentType) = (bytes, "application/octet-stream")
                case .string(let text): (answer.body, answer.contentType) = (Array(text.utf8), "text/plain")
                default: answer.body = JSONCodec.bytes(of: field, shape, model)
                }
            case .body, .label, .query: break
            }
        }
        if !members.contains(where: { $0.location == .payload }) {
            let body = members.filter { $0.location == .body }
            let present = fields.filter { field in body.contains { $0.name == field.key } }
            answer.body = JSONCodec.bytes(of: .structure(present), .structure(body), model)
        }
        return answer
    }

    /// An error: its code is in a header as well as in the body.
    package static func error(_ error: AWSError) -> HTTPResponseMessage {
        HTTPResponseMessage(
            status: error.status, contentType: "application/json", headers: ["x-amzn-errortype": error.code],
            body: JSONCodec.error(error))
    }

    // MARK: - Paths

    /// What a template's `{name}` and `{name+}` stand for in a path; nil when it does not match.
    private static func match(_ template: String, _ request: HTTPRequestMessage) -> [String: String]? {
        let halves = template.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        if halves.count > 1 {
            let query = Set(request.query.split(separator: "&").map { $0.hasSuffix("=") ? $0.dropLast() : $0 })
            guard halves[1].split(separator: "&").allSatisfy({ query.contains($0.hasSuffix("=") ? $0.dropLast() : $0) })
            else { return nil }
        }
        var labels: [String: String] = [:]
        var path = request.path.split(separator: "/", omittingEmptySubsequences: true)[...]
        for part in halves[0].split(separator: "/") {
            guard part.hasPrefix("{") else {
                guard path.popFirst() == part else { return nil }
                continue
            }
            let name = part.dropFirst().dropLast()
            if name.hasSuffix("+") {
                guard !path.isEmpty else { return nil }
                labels[String(name.dropLast())] = path.map(unescaped).joined(separator: "/")
                path = []
            } else {
                guard let found = path.popFirst() else { return nil }
                labels[String(name)] = unescaped(found)
            }
        }
        return path.isEmpty ? labels : nil
    }

    /// In a path a `+` is a plus.
    private static func unescaped(_ text: Substring) -> String {
        String(decoding: PercentEncoding.decode(text.replacing("+", with: "%2B").utf8), as: UTF8.self)
    }

    // MARK: - Headers and queries

    private static func header(
        _ text: String, _ shape: Shape, _ name: String, _ model: ServiceModel
    ) throws(AWSError) -> AWSValue {
        switch shape {
        case .timestamp:
            guard let moment = Timestamp(http: text) ?? Timestamp(iso8601: text) else {
                throw .malformed("\(name): `\(text.prefix(100))` is not a time.")
            }
            return .timestamp(moment)
        case .list(let item, _, _):
            var found: [AWSValue] = []
            for part in text.split(separator: ",") {
                var bare = part.drop { $0 == " " }
                while bare.hasSuffix(" ") { bare = bare.dropLast() }
                found.append(try header(String(bare), model.shape(item), name, model))
            }
            return .list(found)
        default: return try Primitive.read(text, as: shape, at: name)
        }
    }

    private static func text(of value: AWSValue, _ shape: Shape, _ model: ServiceModel) -> String {
        switch (shape, value) {
        case (.timestamp, .timestamp(let moment)): return moment.http
        case (.list(let item, _, _), .list(let items)):
            return items.map { text(of: $0, model.shape(item), model) }.joined(separator: ",")
        default:
            guard let text = Primitive.write(value, as: shape) else {
                preconditionFailure("the answer has another type than its shape")
            }
            return text
        }
    }

    private static func prefixed(_ headers: [(name: String, value: String)], _ prefix: String) -> AWSValue? {
        let start = prefix.lowercased()
        let found = headers.filter { $0.name.hasPrefix(start) }.map {
            (String($0.name.dropFirst(start.count)), AWSValue.string($0.value))
        }
        return found.isEmpty ? nil : .structure(Dictionary(found) { first, _ in first })
    }

    private static func parameters(
        _ query: [(name: String, value: String)], _ shape: Shape, _ name: String, _ taken: Set<String>,
        _ model: ServiceModel
    ) throws(AWSError) -> AWSValue? {
        let values = query.filter { $0.name == name }.map(\.value)
        switch shape {
        case .list(let item, _, _):
            guard !values.isEmpty else { return nil }
            var found: [AWSValue] = []
            for value in values { found.append(try Primitive.read(value, as: model.shape(item), at: name)) }
            return .list(found)
        case .map(_, let target, _, _, _):
            // A map takes every parameter that no other member has.
            var entries: [String: AWSValue] = [:]
            for (key, group) in Dictionary(grouping: query.filter({ !taken.contains($0.name) }), by: \.name) {
                if case .list = model.shape(target) {
                    entries[key] = .list(group.map { .string($0.value) })
                } else {
                    entries[key] = .string(group[0].value)
                }
            }
            return entries.isEmpty ? nil : .structure(entries)
        default:
            guard let value = values.first else { return nil }
            return try Primitive.read(value, as: shape, at: name)
        }
    }

    private static func payload(_ body: [UInt8], _ shape: Shape, _ model: ServiceModel) throws(AWSError) -> AWSValue? {
        switch shape {
        case .blob: return body.isEmpty ? nil : .blob(body)
        case .string: return body.isEmpty ? nil : .string(String(decoding: body, as: UTF8.self))
        case .structure(let members):
            return body.isEmpty ? nil : .structure(try JSONCodec.decode(body, members: members, model: model))
        default: throw .malformed("The body cannot be read as what it should be.")
        }
    }
}
