// SPDX-License-Identifier: Apache-2.0

/// The XML that the query and EC2 protocols answer with.
package enum XMLCodec {
    /// An operation's answer.
    ///
    /// - Precondition: the value has the operation's output shape
    package static func answer(
        _ value: AWSValue, to operation: Operation, model: ServiceModel, requestID: String
    ) -> [UInt8] {
        var writer = Writer(model: model)
        writer.open("\(operation.name)Response", namespace: model.namespace)
        if model.wireProtocol == .ec2 {
            writer.element("requestId", text: requestID)
            writer.members(of: value, model.shape(named: operation.output))
        } else {
            // Without an output there is no wrapper either.
            if let wrapper = operation.resultWrapper {
                writer.open(wrapper)
                writer.members(of: value, model.shape(named: operation.output))
                writer.close(wrapper)
            }
            writer.open("ResponseMetadata")
            writer.element("RequestId", text: requestID)
            writer.close("ResponseMetadata")
        }
        writer.close("\(operation.name)Response")
        return writer.bytes
    }

    package static func error(_ error: AWSError, model: ServiceModel, requestID: String) -> [UInt8] {
        var writer = Writer(model: model)
        if model.wireProtocol == .ec2 {
            writer.open("Response")
            writer.open("Errors")
            writer.open("Error")
            writer.element("Code", text: error.code)
            writer.element("Message", text: error.message)
            writer.close("Error")
            writer.close("Errors")
            writer.element("RequestID", text: requestID)
            writer.close("Response")
        } else {
            writer.open("ErrorResponse", namespace: model.namespace)
            writer.open("Error")
            writer.element("Type", text: error.isSenderFault ? "Sender" : "Receiver")
            writer.element("Code", text: error.code)
            writer.element("Message", text: error.message)
            writer.close("Error")
            writer.element("RequestId", text: requestID)
            writer.close("ErrorResponse")
        }
        return writer.bytes
    }

    private struct Writer {
        let model: ServiceModel
        var bytes = Array("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".utf8)

        mutating func open(_ name: String, namespace: String? = nil) {
            bytes.append(UInt8(ascii: "<"))
            bytes += name.utf8
            if let namespace {
                bytes += " xmlns=\"".utf8
                escape(namespace)
                bytes.append(UInt8(ascii: "\""))
            }
            bytes.append(UInt8(ascii: ">"))
        }

        mutating func close(_ name: String) {
            bytes += "</".utf8
            bytes += name.utf8
            bytes.append(UInt8(ascii: ">"))
        }

        mutating func element(_ name: String, text: String) {
            open(name)
            escape(text)
            close(name)
        }

        mutating func members(of value: AWSValue, _ shape: Shape) {
            guard case .structure(let members) = shape, let fields = value.structure else { return }
            var written = 0
            for member in members {
                guard let field = fields[member.name] else { continue }
                write(field, model.shape(member.target), as: member.wireName)
                written += 1
            }
            precondition(
                written == fields.count, "an answer has a member that its shape lacks: \(fields.keys.sorted())")
        }

        private mutating func write(_ value: AWSValue, _ shape: Shape, as name: String) {
            switch shape {
            case .structure:
                open(name)
                members(of: value, shape)
                close(name)
            case .list(let item, let itemName, let isFlat):
                let items = value.list ?? []
                if !isFlat { open(name) }
                for element in items { write(element, model.shape(item), as: isFlat ? name : itemName) }
                if !isFlat { close(name) }
            case .map(_, let target, let keyName, let valueName, let isFlat):
                if !isFlat { open(name) }
                for (key, element) in (value.structure ?? [:]).sorted(by: { $0.key < $1.key }) {
                    open(isFlat ? name : "entry")
                    self.element(keyName, text: key)
                    write(element, model.shape(target), as: valueName)
                    close(isFlat ? name : "entry")
                }
                if !isFlat { close(name) }
            case .string, .integer, .long, .boolean, .timestamp, .double, .float, .blob:
                guard let text = Primitive.write(value, as: shape) else {
                    preconditionFailure("the answer's member \(name) has another type than its shape")
                }
                element(name, text: text)
            }
        }

        /// Most texts have nothing to escape, which their bytes tell; 0xEF begins U+FFFE and U+FFFF.
        private static func isPlain(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"), UInt8(ascii: "\""), 0..<32, 0xef: false
            default: true
            }
        }

        /// Characters that XML 1.0 cannot have at all become U+FFFD.
        private mutating func escape(_ text: String) {
            if text.utf8.allSatisfy(Self.isPlain) {
                bytes += text.utf8
                return
            }
            for scalar in text.unicodeScalars {
                switch scalar {
                case "<": bytes += "&lt;".utf8
                case ">": bytes += "&gt;".utf8
                case "&": bytes += "&amp;".utf8
                case "\"": bytes += "&quot;".utf8
                case "\r": bytes += "&#xD;".utf8
                case "\t", "\n": bytes += UTF8.encode(scalar)!
                case _ where scalar.value < 32 || scalar.value == 0xfffe || scalar.value == 0xffff:
                    bytes += "\u{fffd}".utf8
                default: bytes += UTF8.encode(scalar)!
                }
            }
        }
    }
}
