// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Synchronization

/// Gives snapshots to swift-metrics, with CloudWatch's sets of dimensions: the proxy; the proxy and an endpoint; the proxy, its
/// target group, and a target with its role.
///
/// Whoever runs the proxy chooses the backend by `MetricsSystem.bootstrap`; `borealis proxy` takes `PrometheusMetrics`.
final class MetricsReport: Sendable {
    private let reported: Mutex<[String: Int64]> = Mutex([:])

    func give(_ snapshot: MetricsSnapshot, proxy: String) {
        let own = [("ProxyName", proxy)]
        give(snapshot.whole, own)
        for (name, metrics) in snapshot.endpoints { give(metrics, own + [("EndpointName", name)]) }
        for (name, target) in snapshot.targets {
            let dimensions = own + [("TargetGroup", target.group), ("Target", name), ("TargetRole", target.role)]
            set("DatabaseConnections", target.counts.open, dimensions)
            set("DatabaseConnectionsCurrentlyBorrowed", target.counts.borrowed, dimensions)
        }
    }

    private func give(_ metrics: ProxyMetrics, _ dimensions: [(String, String)]) {
        for (name, value) in metrics.totals { count(name, Int64(value), dimensions) }
        for (name, value) in metrics.levels { set(name, value, dimensions) }
    }

    /// By as much as it has grown since the last report.
    private func count(_ name: String, _ value: Int64, _ dimensions: [(String, String)]) {
        let key = name + dimensions.map { "\u{0}\($0)\u{0}\($1)" }.joined()
        let growth = reported.withLock { reported in
            defer { reported[key] = value }
            return value - reported[key, default: 0]
        }
        Counter(label: name, dimensions: dimensions).increment(by: max(0, growth))
    }

    private func set(_ name: String, _ value: Int, _ dimensions: [(String, String)]) {
        Meter(label: name, dimensions: dimensions).set(value)
    }
}
