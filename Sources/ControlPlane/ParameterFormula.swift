// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// A parameter's value that depends on the instance: `LEAST({DBInstanceClassMemory/9531392},5000)`.
///
///     expression: factor (('*' | '/') factor)*
///     factor:     number | variable | function '(' expression (',' expression)* ')' | '{' expression '}'
///     function:   GREATEST LEAST SUM IF log       IF(condition, when not 0, when 0); log(x) or log(x, base), base 2
///     variable:   DBInstanceClassMemory (bytes) AllocatedStorage (bytes) EndPointPort DBInstanceVCPU
///
/// The result is cut to an integer.
package struct ParameterFormula: Sendable {
    package struct Variables: Sendable {
        var memoryBytes: Int
        var processors: Int
        var port: Int

        package init(memoryBytes: Int, processors: Int, port: Int) {
            self.memoryBytes = memoryBytes
            self.processors = processors
            self.port = port
        }

        fileprivate func value(_ name: String) -> Double? {
            switch name.lowercased() {
            case "dbinstanceclassmemory": Double(memoryBytes)
            case "dbinstancevcpu": Double(processors)
            case "endpointport": Double(port)
            // A volume grows by itself; AWS says 1 GiB for one that does.
            case "allocatedstorage": Double(1 << 30)
            default: nil
            }
        }
    }

    private indirect enum Node: Sendable {
        case number(Double)
        case variable(String)
        case product(Node, Node)
        case quotient(Node, Node)
        case call(String, [Node])
    }

    private let root: Node
    private static let depthMax = 32

    /// Whether a value is meant as a formula.
    package static func isFormula(_ text: String) -> Bool {
        text.contains("{") || text.firstMatch(of: /^(GREATEST|LEAST|SUM|IF|log)\(/) != nil
    }

    /// Nil for what is not one.
    package init?(_ text: String) {
        var parser = Parser(rest: Substring(text))
        guard let root = parser.expression(depth: 0), parser.isAtEnd else { return nil }
        self.root = root
    }

    /// Nil when it divides by zero or leaves the integers.
    package func value(_ variables: Variables) -> Int? {
        guard let number = Self.evaluate(root, variables), number.isFinite, abs(number) < 9e18 else { return nil }
        return Int(number.rounded(.towardZero))
    }

    private static func evaluate(_ node: Node, _ variables: Variables) -> Double? {
        switch node {
        case .number(let number): return number
        case .variable(let name): return variables.value(name)
        case .product(let one, let other):
            guard let one = evaluate(one, variables), let other = evaluate(other, variables) else { return nil }
            return one * other
        case .quotient(let one, let other):
            guard let one = evaluate(one, variables), let other = evaluate(other, variables), other != 0 else {
                return nil
            }
            return one / other
        case .call(let name, let nodes):
            let values = nodes.compactMap { evaluate($0, variables) }
            guard values.count == nodes.count, let first = values.first else { return nil }
            switch (name, values.count) {
            case ("greatest", _): return values.max()
            case ("least", _): return values.min()
            case ("sum", _): return values.reduce(0, +)
            case ("if", 3): return first != 0 ? values[1] : values[2]
            case ("log", 1): return log2(first)
            case ("log", 2): return log(first) / log(values[1])
            default: return nil
            }
        }
    }

    private struct Parser {
        var rest: Substring

        mutating func expression(depth: Int) -> Node? {
            guard depth < depthMax, var node = factor(depth: depth) else { return nil }
            while !isAtEnd, let sign = rest.first, sign == "*" || sign == "/" {
                rest.removeFirst()
                guard let next = factor(depth: depth) else { return nil }
                node = sign == "*" ? .product(node, next) : .quotient(node, next)
            }
            return node
        }

        private mutating func factor(depth: Int) -> Node? {
            skipBlanks()
            if take("{") {
                guard let node = expression(depth: depth + 1), take("}") else { return nil }
                return node
            }
            if let match = rest.prefixMatch(of: /-?[0-9]+(\.[0-9]+)?/), let number = Double(match.0) {
                rest.removeFirst(match.0.count)
                return .number(number)
            }
            guard let name = rest.prefixMatch(of: /[A-Za-z]+/).map({ String($0.0) }) else { return nil }
            rest.removeFirst(name.count)
            guard take("(") else { return .variable(name) }
            var arguments: [Node] = []
            repeat {
                guard let argument = expression(depth: depth + 1) else { return nil }
                arguments.append(argument)
            } while take(",")
            return take(")") ? .call(name.lowercased(), arguments) : nil
        }

        /// Whether nothing but blanks is left.
        var isAtEnd: Bool {
            mutating get {
                skipBlanks()
                return rest.isEmpty
            }
        }

        private mutating func skipBlanks() { rest = rest.drop(while: \.isWhitespace) }

        private mutating func take(_ character: Character) -> Bool {
            skipBlanks()
            guard rest.first == character else { return false }
            rest.removeFirst()
            return true
        }
    }
}
