// SPDX-License-Identifier: Apache-2.0

package import CoreMetrics
import Synchronization

/// A backend of swift-metrics that keeps the newest value of everything, and writes it in Prometheus' text format 0.0.4
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
package final class PrometheusMetrics: MetricsFactory {
    private enum Kind: String {
        case counter, gauge
    }

    /// One line of the text.
    private final class Cell: CounterHandler, MeterHandler, RecorderHandler, TimerHandler {
        private let held = Mutex(0.0)
        var value: Double { held.withLock { $0 } }

        func increment(by amount: Int64) { held.withLock { $0 += Double(amount) } }
        func increment(by amount: Double) { held.withLock { $0 += amount } }
        func decrement(by amount: Double) { held.withLock { $0 -= amount } }
        func reset() { held.withLock { $0 = 0 } }
        func set(_ value: Int64) { held.withLock { $0 = Double(value) } }
        func set(_ value: Double) { held.withLock { $0 = value } }
        func record(_ value: Int64) { set(value) }
        func record(_ value: Double) { set(value) }
        func recordNanoseconds(_ duration: Int64) { set(Double(duration) / 1e9) }
    }

    private struct Family {
        var kind: Kind
        var cells: [String: Cell] = [:]
    }

    private let families: Mutex<[String: Family]> = Mutex([:])

    package init() {}

    private func cell(_ kind: Kind, _ name: String, _ dimensions: [(String, String)]) -> Cell {
        let labels = dimensions.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
        return families.withLock { families in
            if let known = families[name]?.cells[labels] { return known }
            let made = Cell()
            families[name, default: Family(kind: kind)].cells[labels] = made
            return made
        }
    }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { $0 += $1 == "\"" || $1 == "\\" ? "\\\($1)" : $1 == "\n" ? "\\n" : "\($1)" }
    }

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        cell(.counter, label, dimensions)
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        cell(.gauge, label, dimensions)
    }

    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler { cell(.gauge, label, dimensions) }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        cell(.gauge, label + "_seconds", dimensions)
    }

    // Names stay for as long as the process does.
    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    /// All of it; of one name the line with the fewest labels comes first.
    package var text: String {
        families.withLock { families in
            families.sorted { $0.key < $1.key }.map { name, family in
                let lines = family.cells.sorted { ($0.key.utf8.count, $0.key) < ($1.key.utf8.count, $1.key) }
                return "# TYPE \(name) \(family.kind.rawValue)\n"
                    + lines.map { "\(name){\($0)} \(Self.number($1.value))\n" }.joined()
            }.joined()
        }
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }
}
