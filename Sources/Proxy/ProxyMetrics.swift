// SPDX-License-Identifier: Apache-2.0

/// Counters and gauges of one event loop; added up when someone asks.
///
/// Names are those of <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-proxy.monitoring.html>.
/// Plain integers: each is written by one loop only.
struct ProxyMetrics: Sendable {
    var clientConnections = 0
    var clientConnectionsReceived = 0
    var clientConnectionsClosed = 0
    var clientConnectionsSetupSucceeded = 0
    var clientConnectionsSetupFailedAuth = 0
    var clientConnectionsTLS = 0
    var clientConnectionsNoTLS = 0
    var databaseConnections = 0
    var databaseConnectionsCurrentlyBorrowed = 0
    var databaseConnectionsCurrentlyInTransaction = 0
    var databaseConnectionsCurrentlySessionPinned = 0
    var databaseConnectionsSetupSucceeded = 0
    var databaseConnectionsSetupFailed = 0
    var databaseConnectionRequests = 0
    var databaseConnectionRequestsWithTLS = 0
    var databaseConnectionsWithTLS = 0
    var maxDatabaseConnectionsAllowed = 0
    var borrowLatencyNanoseconds = 0
    var borrowLatencyCount = 0
    var queryResponseNanoseconds = 0
    /// Of that, from the moment a backend was lent.
    var databaseResponseNanoseconds = 0
    var queryResponseCount = 0
    var queryRequests = 0
    var queryRequestsTLS = 0
    var queryRequestsNoTLS = 0
    var cancelRequests = 0
    var borrowTimeouts = 0
    var loginsThrottled = 0
    /// Reads that went to the writer after a reader was tried.
    var readsRerouted = 0
    var readsSplit = 0
    var clientsWaiting = 0
    var availableTargets = 0
    var targets = 0

    static func + (left: ProxyMetrics, right: ProxyMetrics) -> ProxyMetrics {
        var sum = left
        for (path, _) in counters { sum[keyPath: path] += right[keyPath: path] }
        for (path, _) in gauges { sum[keyPath: path] += right[keyPath: path] }
        sum.borrowLatencyNanoseconds += right.borrowLatencyNanoseconds
        sum.borrowLatencyCount += right.borrowLatencyCount
        sum.queryResponseNanoseconds += right.queryResponseNanoseconds
        sum.databaseResponseNanoseconds += right.databaseResponseNanoseconds
        sum.queryResponseCount += right.queryResponseCount
        return sum
    }

    private typealias Field = WritableKeyPath<ProxyMetrics, Int> & Sendable

    private static let counters: [(any Field, String)] = [
        (\.clientConnectionsReceived, "ClientConnectionsReceived"),
        (\.clientConnectionsClosed, "ClientConnectionsClosed"),
        (\.clientConnectionsSetupSucceeded, "ClientConnectionsSetupSucceeded"),
        (\.clientConnectionsSetupFailedAuth, "ClientConnectionsSetupFailedAuth"),
        (\.clientConnectionsTLS, "ClientConnectionsTLS"),
        (\.clientConnectionsNoTLS, "ClientConnectionsNoTLS"),
        (\.databaseConnectionsSetupSucceeded, "DatabaseConnectionsSetupSucceeded"),
        (\.databaseConnectionsSetupFailed, "DatabaseConnectionsSetupFailed"),
        (\.databaseConnectionRequests, "DatabaseConnectionRequests"),
        (\.databaseConnectionRequestsWithTLS, "DatabaseConnectionRequestsWithTLS"),
        (\.queryRequests, "QueryRequests"),
        (\.queryRequestsTLS, "QueryRequestsTLS"),
        (\.queryRequestsNoTLS, "QueryRequestsNoTLS"),
        (\.cancelRequests, "CancelRequests"),
        (\.borrowTimeouts, "BorrowTimeouts"),
        (\.loginsThrottled, "LoginsThrottled"),
        (\.readsSplit, "ReadsSplit"),
        (\.readsRerouted, "ReadsRerouted"),
    ]

    private static let gauges: [(any Field, String)] = [
        (\.clientConnections, "ClientConnections"),
        (\.databaseConnections, "DatabaseConnections"),
        (\.databaseConnectionsCurrentlyBorrowed, "DatabaseConnectionsCurrentlyBorrowed"),
        (\.databaseConnectionsCurrentlyInTransaction, "DatabaseConnectionsCurrentlyInTransaction"),
        (\.databaseConnectionsCurrentlySessionPinned, "DatabaseConnectionsCurrentlySessionPinned"),
        (\.databaseConnectionsWithTLS, "DatabaseConnectionsWithTLS"),
        (\.maxDatabaseConnectionsAllowed, "MaxDatabaseConnectionsAllowed"),
        (\.clientsWaiting, "ClientsWaiting"),
        (\.availableTargets, "AvailableTargets"),
        (\.targets, "Targets"),
    ]

    /// What counts up, by name; latencies as a sum of microseconds and how many there were.
    var totals: [(name: String, value: Int)] {
        ProxyMetrics.counters.map { ($0.1, self[keyPath: $0.0]) } + [
            ("DatabaseConnectionsBorrowLatency_microseconds_sum", borrowLatencyNanoseconds / 1000),
            ("DatabaseConnectionsBorrowLatency_microseconds_count", borrowLatencyCount),
            ("QueryResponseLatency_microseconds_sum", queryResponseNanoseconds / 1000),
            ("QueryResponseLatency_microseconds_count", queryResponseCount),
            ("QueryDatabaseResponseLatency_microseconds_sum", databaseResponseNanoseconds / 1000),
            ("QueryDatabaseResponseLatency_microseconds_count", queryResponseCount),
        ]
    }

    /// What is as it is now, by name.
    var levels: [(name: String, value: Int)] {
        ProxyMetrics.gauges.map { ($0.1, self[keyPath: $0.0]) }
            + [("AvailabilityPercentage", targets == 0 ? 0 : 100 * availableTargets / targets)]
    }
}

/// What is counted of the clients of one endpoint on one event loop.
final class EndpointCounts {
    var metrics = ProxyMetrics()
}

/// What one loop counted, or all of them.
struct MetricsSnapshot: Sendable {
    struct Target: Sendable {
        var group: String
        var role: String
        var counts = TargetCounts()
    }

    var rest = ProxyMetrics()
    var endpoints: [String: ProxyMetrics] = [:]
    var targets: [String: Target] = [:]

    var whole: ProxyMetrics { endpoints.values.reduce(rest, +) }

    mutating func add(_ counts: TargetCounts, _ address: ProxyConfiguration.Address, of group: GroupContext) {
        let role: ProxyConfiguration.Role = group.topology.writer == address ? .readWrite : .readOnly
        let target = Target(group: group.configuration.name, role: role.rawValue, counts: counts)
        add(target, "\(address.host):\(address.port)")
    }

    private mutating func add(_ target: Target, _ name: String) {
        targets[name, default: Target(group: target.group, role: target.role)].counts.open += target.counts.open
        targets[name]?.counts.borrowed += target.counts.borrowed
    }

    mutating func add(_ other: MetricsSnapshot) {
        rest = rest + other.rest
        endpoints.merge(other.endpoints, uniquingKeysWith: +)
        for (name, target) in other.targets { add(target, name) }
    }
}
