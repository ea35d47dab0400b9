// SPDX-License-Identifier: Apache-2.0

/// A value as an operation takes or gives it, whatever the wire protocol.
package enum AWSValue: Sendable, Equatable {
    case string(String)
    case integer(Int64)
    case double(Double)
    case boolean(Bool)
    case timestamp(Timestamp)
    case blob([UInt8])
    case list([AWSValue])
    /// A structure's members, or a map's entries.
    case structure([String: AWSValue])
}

extension AWSValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(booleanLiteral value: Bool) { self = .boolean(value) }
    package init(arrayLiteral elements: AWSValue...) { self = .list(elements) }
    package init(dictionaryLiteral elements: (String, AWSValue)...) {
        self = .structure(Dictionary(elements) { $1 })
    }

    package init(_ strings: some Sequence<String>) { self = .list(strings.map(AWSValue.string)) }

    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var integer: Int? { if case .integer(let value) = self { Int(value) } else { nil } }
    package var boolean: Bool? { if case .boolean(let value) = self { value } else { nil } }
    package var timestamp: Timestamp? { if case .timestamp(let value) = self { value } else { nil } }
    package var list: [AWSValue]? { if case .list(let value) = self { value } else { nil } }
    package var structure: [String: AWSValue]? { if case .structure(let value) = self { value } else { nil } }

    /// A structure's member.
    package subscript(_ name: String) -> AWSValue? { structure?[name] }
}
