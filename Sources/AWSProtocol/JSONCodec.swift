// SPDX-License-Identifier: Apache-2.0

/// AWS's JSON protocols, 1.0 and 1.1: a JSON object each way, the operation in `X-Amz-Target`.
package enum JSONCodec {
    /// The operation that a target names: `PREFIX.Operation`.
    package static func operation(target: String, model: ServiceModel) -> Operation? {
        let prefix = model.targetPrefix + "."
        return target.hasPrefix(prefix) ? model.operations[String(target.dropFirst(prefix.count))] : nil
    }

    /// Reads an operation's input. An empty body is an empty object.
    ///
    /// Throws `SerializationException` for what is not JSON or has another type, `ValidationException` for a required member
    /// that is not there. Members that the shape does not have are passed over.
    package static func decode(
        _ body: [UInt8], of operation: Operation, model: ServiceModel
    ) throws(AWSError) -> AWSValue {
        var parser = JSONParser(body)
        let json = body.isEmpty ? .object([:]) : try parser.document()
        return try value(json, model.shape(named: operation.input), model, at: "") ?? .structure([:])
    }

    /// Some of an input's members, of a body that has only those.
    static func decode(
        _ body: [UInt8], members: [Shape.Member], model: ServiceModel
    ) throws(AWSError) -> [String: AWSValue] {
        var parser = JSONParser(body)
        let json = body.isEmpty ? .object([:]) : try parser.document()
        return try value(json, .structure(members), model, at: "")?.structure ?? [:]
    }

    static func bytes(of value: AWSValue, _ shape: Shape, _ model: ServiceModel) -> [UInt8] {
        var bytes: [UInt8] = []
        write(value, shape, model, into: &bytes)
        return bytes
    }

    /// An operation's answer.
    ///
    /// - Precondition: the value has the operation's output shape
    package static func answer(_ value: AWSValue, to operation: Operation, model: ServiceModel) -> [UInt8] {
        var bytes: [UInt8] = []
        write(value, model.shape(named: operation.output), model, into: &bytes)
        return bytes
    }

    package static func error(_ error: AWSError) -> [UInt8] {
        var bytes = Array("{\"__type\":".utf8)
        quote(error.code, into: &bytes)
        bytes += ",\"message\":".utf8
        quote(error.message, into: &bytes)
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    // MARK: - Reading

    private static func value(
        _ json: JSONValue, _ shape: Shape, _ model: ServiceModel, at path: String
    ) throws(AWSError) -> AWSValue? {
        switch (shape, json) {
        case (_, .null): return nil
        case (.structure(let members), .object(let fields)):
            var found: [String: AWSValue] = [:]
            for member in members {
                let name = path.isEmpty ? member.wireName : "\(path).\(member.wireName)"
                if let field = fields[member.wireName] {
                    found[member.name] = try value(field, model.shape(member.target), model, at: name)
                }
                if member.isRequired && found[member.name] == nil {
                    throw AWSError(
                        "ValidationException",
                        "Value null at '\(name)' failed to satisfy constraint: Member must not be null")
                }
            }
            return .structure(found)
        case (.list(let item, _, _), .array(let items)):
            var found: [AWSValue] = []
            for item_ in items {
                if let one = try value(item_, model.shape(item), model, at: path) { found.append(one) }
            }
            return .list(found)
        case (.map(_, let target, _, _, _), .object(let fields)):
            var found: [String: AWSValue] = [:]
            for (key, field) in fields {
                found[key] = try value(field, model.shape(target), model, at: "\(path).\(key)")
            }
            return .structure(found)
        case (.string, .string(let text)): return .string(text)
        case (.boolean, .boolean(let flag)): return .boolean(flag)
        case (.integer, .number(let text)):
            if let number = Int32(text) { return .integer(Int64(number)) }
        case (.long, .number(let text)):
            if let number = Int64(text) { return .integer(number) }
        case (.double, .number(let text)), (.float, .number(let text)):
            if let number = Double(text) { return .double(number) }
        case (.timestamp, .number(let text)):
            if let seconds = Double(text), abs(seconds) < 1e12 {
                return .timestamp(Timestamp(milliseconds: Int64((seconds * 1000).rounded())))
            }
        case (.timestamp, .string(let text)):
            if let moment = Timestamp(iso8601: text) ?? Timestamp(http: text) { return .timestamp(moment) }
        case (.blob, .string(let text)):
            if let bytes = Base64Codec.decode(text) { return .blob(bytes) }
        default: break
        }
        throw AWSError("SerializationException", "The member '\(path)' has another type than it should have.")
    }

    // MARK: - Writing

    private static func write(_ value: AWSValue, _ shape: Shape, _ model: ServiceModel, into bytes: inout [UInt8]) {
        switch (shape, value) {
        case (.structure(let members), .structure(let fields)):
            let present = members.compactMap { member in fields[member.name].map { (member, $0) } }
            precondition(present.count == fields.count, "an answer has a member that its shape lacks")
            object(present.map { ($0.0.wireName, $0.1, model.shape($0.0.target)) }, model, into: &bytes)
        case (.map(_, let target, _, _, _), .structure(let fields)):
            let shape = model.shape(target)
            object(fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value, shape) }, model, into: &bytes)
        case (.list(let item, _, _), .list(let items)):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in items.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                write(element, model.shape(item), model, into: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case (.timestamp, .timestamp(let moment)): bytes += "\(Double(moment.milliseconds) / 1000)".utf8
        case (.string, _), (.blob, _):
            guard let text = Primitive.write(value, as: shape) else {
                preconditionFailure("the answer has another type than its shape")
            }
            quote(text, into: &bytes)
        default:
            guard let text = Primitive.write(value, as: shape) else {
                preconditionFailure("the answer has another type than its shape")
            }
            bytes += text.utf8
        }
    }

    private static func object(
        _ fields: [(String, AWSValue, Shape)], _ model: ServiceModel, into bytes: inout [UInt8]
    ) {
        bytes.append(UInt8(ascii: "{"))
        for (index, field) in fields.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            quote(field.0, into: &bytes)
            bytes.append(UInt8(ascii: ":"))
            write(field.1, field.2, model, into: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }

    private static func quote(_ text: String, into bytes: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<32: bytes += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
