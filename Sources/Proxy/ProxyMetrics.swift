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
    var databaseConnectionsWithTLS = 0
    var maxDatabaseConnectionsAllowed = 0
    var borrowLatencyNanoseconds = 0
    var borrowLatencyCount = 0
    var queryResponseNanoseconds = 0
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

    /// Prometheus text format 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
    func prometheusText(proxyName: String) -> String {
        let label = "{ProxyName=\"\(proxyName.filter { $0 != "\"" && $0 != "\\" && $0 != "\n" })\"}"
        var text = ""
        func line(_ kind: String, _ name: String, _ value: String) {
            text += "# TYPE \(name) \(kind)\n\(name)\(label) \(value)\n"
        }
        for (path, name) in ProxyMetrics.counters { line("counter", name, "\(self[keyPath: path])") }
        for (path, name) in ProxyMetrics.gauges { line("gauge", name, "\(self[keyPath: path])") }
        line("gauge", "AvailabilityPercentage", "\(targets == 0 ? 0 : 100 * availableTargets / targets)")
        func average(_ name: String, _ total: Int, _ count: Int) {
            line("counter", name + "_microseconds_sum", "\(total / 1000)")
            line("counter", name + "_microseconds_count", "\(count)")
        }
        average("DatabaseConnectionsBorrowLatency", borrowLatencyNanoseconds, borrowLatencyCount)
        average("QueryResponseLatency", queryResponseNanoseconds, queryResponseCount)
        return text
    }
}
