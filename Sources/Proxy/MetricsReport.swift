// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Synchronization

/// Gives snapshots to swift-metrics, with CloudWatch's sets of dimensions: the proxy; the proxy and an endpoint; the proxy, its
/// target group and a target; the proxy, its target group and a role.
///
/// Whoever runs the proxy chooses the backend by `MetricsSystem.bootstrap`; `borealis proxy` takes `PrometheusMetrics`.
final class MetricsReport: Sendable {
    private let reported: Mutex<[String: Int64]> = Mutex([:])
    private let shown: Mutex<[String: Meter]> = Mutex([:])

    func give(_ snapshot: MetricsSnapshot, proxy: String) {
        let own = [("ProxyName", proxy)]
        var meters: [String: Meter] = [:]
        give(snapshot.whole, own, nil, &meters)
        for (name, metrics) in snapshot.endpoints { give(metrics, own + [("EndpointName", name)], .endpoint, &meters) }
        for (place, metrics) in snapshot.targets {
            guard let target = place.target else { continue }
            let dimensions = [("TargetGroup", place.group), ("Target", "\(target.host):\(target.port)")]
            give(metrics, own + dimensions, .target, &meters)
        }
        for (place, metrics) in snapshot.roles {
            guard let role = place.role else { continue }
            let dimensions = own + [("TargetGroup", place.group), ("TargetRole", role.rawValue)]
            give(metrics, dimensions, .target, &meters)
            set("AvailabilityPercentage", metrics.availability, dimensions, &meters)
        }
        // Of what has left, the last value would be shown for ever.
        let gone = shown.withLock { shown in
            defer { shown = meters }
            return shown.filter { meters[$0.key] == nil }
        }
        for meter in gone.values { meter.set(0) }
    }

    private func give(
        _ metrics: ProxyMetrics, _ dimensions: [(String, String)], _ scope: ProxyMetrics.Scope?,
        _ meters: inout [String: Meter]
    ) {
        for (name, value) in metrics.totals(in: scope) { count(name, Int64(value), dimensions) }
        for (name, value) in metrics.levels(in: scope) { set(name, value, dimensions, &meters) }
    }

    private static func key(_ name: String, _ dimensions: [(String, String)]) -> String {
        name + dimensions.map { "\u{0}\($0)\u{0}\($1)" }.joined()
    }

    /// By as much as it has grown since the last report.
    private func count(_ name: String, _ value: Int64, _ dimensions: [(String, String)]) {
        let key = Self.key(name, dimensions)
        let growth = reported.withLock { reported in
            defer { reported[key] = value }
            return value - reported[key, default: 0]
        }
        Counter(label: name, dimensions: dimensions).increment(by: max(0, growth))
    }

    private func set(
        _ name: String, _ value: Int, _ dimensions: [(String, String)], _ meters: inout [String: Meter]
    ) {
        let meter = Meter(label: name, dimensions: dimensions)
        meter.set(value)
        meters[Self.key(name, dimensions)] = meter
    }
}
