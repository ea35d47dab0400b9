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
        for (path, _, _) in counters { sum[keyPath: path] += right[keyPath: path] }
        for (path, _, _) in gauges { sum[keyPath: path] += right[keyPath: path] }
        sum.borrowLatencyNanoseconds += right.borrowLatencyNanoseconds
        sum.borrowLatencyCount += right.borrowLatencyCount
        sum.queryResponseNanoseconds += right.queryResponseNanoseconds
        sum.databaseResponseNanoseconds += right.databaseResponseNanoseconds
        sum.queryResponseCount += right.queryResponseCount
        return sum
    }

    mutating func add(_ other: ProxyMetrics) { self = self + other }

    /// Which sets of dimensions a name comes in, beside that of the proxy alone.
    enum Scope {
        case proxy, endpoint, target
    }

    private typealias Field = WritableKeyPath<ProxyMetrics, Int> & Sendable

    private static let counters: [(field: any Field, name: String, scope: Scope)] = [
        (\.clientConnectionsReceived, "ClientConnectionsReceived", .endpoint),
        (\.clientConnectionsClosed, "ClientConnectionsClosed", .endpoint),
        (\.clientConnectionsSetupSucceeded, "ClientConnectionsSetupSucceeded", .endpoint),
        (\.clientConnectionsSetupFailedAuth, "ClientConnectionsSetupFailedAuth", .endpoint),
        (\.clientConnectionsTLS, "ClientConnectionsTLS", .endpoint),
        (\.clientConnectionsNoTLS, "ClientConnectionsNoTLS", .endpoint),
        (\.databaseConnectionsSetupSucceeded, "DatabaseConnectionsSetupSucceeded", .target),
        (\.databaseConnectionsSetupFailed, "DatabaseConnectionsSetupFailed", .target),
        (\.databaseConnectionRequests, "DatabaseConnectionRequests", .target),
        (\.databaseConnectionRequestsWithTLS, "DatabaseConnectionRequestsWithTLS", .target),
        (\.queryRequests, "QueryRequests", .endpoint),
        (\.queryRequestsTLS, "QueryRequestsTLS", .endpoint),
        (\.queryRequestsNoTLS, "QueryRequestsNoTLS", .endpoint),
        (\.cancelRequests, "CancelRequests", .proxy),
        (\.borrowTimeouts, "BorrowTimeouts", .proxy),
        (\.loginsThrottled, "LoginsThrottled", .proxy),
        (\.readsSplit, "ReadsSplit", .endpoint),
        (\.readsRerouted, "ReadsRerouted", .endpoint),
    ]

    private static let gauges: [(field: any Field, name: String, scope: Scope)] = [
        (\.clientConnections, "ClientConnections", .endpoint),
        (\.databaseConnections, "DatabaseConnections", .target),
        (\.databaseConnectionsCurrentlyBorrowed, "DatabaseConnectionsCurrentlyBorrowed", .target),
        (\.databaseConnectionsCurrentlyInTransaction, "DatabaseConnectionsCurrentlyInTransaction", .target),
        (\.databaseConnectionsCurrentlySessionPinned, "DatabaseConnectionsCurrentlySessionPinned", .target),
        (\.databaseConnectionsWithTLS, "DatabaseConnectionsWithTLS", .target),
        (\.maxDatabaseConnectionsAllowed, "MaxDatabaseConnectionsAllowed", .target),
        (\.clientsWaiting, "ClientsWaiting", .proxy),
        (\.availableTargets, "AvailableTargets", .proxy),
        (\.targets, "Targets", .proxy),
    ]

    /// Sums of nanoseconds, which are told in microseconds, and how many there were.
    private static let latencies: [(sum: any Field, count: any Field, name: String)] = [
        (\.borrowLatencyNanoseconds, \.borrowLatencyCount, "DatabaseConnectionsBorrowLatency"),
        (\.queryResponseNanoseconds, \.queryResponseCount, "QueryResponseLatency"),
        (\.databaseResponseNanoseconds, \.queryResponseCount, "QueryDatabaseResponseLatency"),
    ]

    /// What counts up, by name; with a scope only what comes in its sets.
    func totals(in scope: Scope? = nil) -> [(name: String, value: Int)] {
        var found = Self.counters.filter { scope == nil || $0.scope == scope }.map {
            ($0.name, self[keyPath: $0.field])
        }
        guard scope == nil || scope == .endpoint else { return found }
        for latency in Self.latencies {
            found.append(("\(latency.name)_microseconds_sum", self[keyPath: latency.sum] / 1000))
            found.append(("\(latency.name)_microseconds_count", self[keyPath: latency.count]))
        }
        return found
    }

    /// What is as it is now, by name.
    func levels(in scope: Scope? = nil) -> [(name: String, value: Int)] {
        let found = Self.gauges.filter { scope == nil || $0.scope == scope }.map { ($0.name, self[keyPath: $0.field]) }
        return scope == nil ? found + [("AvailabilityPercentage", availability)] : found
    }

    /// Percentage of targets that answer.
    var availability: Int { targets == 0 ? 0 : 100 * availableTargets / targets }
}

/// What is counted of the clients of one endpoint on one event loop.
final class EndpointCounts {
    var metrics = ProxyMetrics()
}

/// What one loop counted, or all of them.
struct MetricsSnapshot: Sendable {
    /// A target in one role; without a target or a role, all there are of the group.
    struct Place: Hashable, Sendable {
        var group: String
        var role: ProxyConfiguration.Role?
        var target: ProxyConfiguration.Address?
    }

    var rest = ProxyMetrics()
    var endpoints: [String: ProxyMetrics] = [:]
    /// What is no single target's, such as whether there is one, has a role alone.
    var places: [Place: ProxyMetrics] = [:]

    var whole: ProxyMetrics { places.values.reduce(endpoints.values.reduce(rest, +), +) }

    /// By target, whatever its role.
    var targets: [Place: ProxyMetrics] {
        places.filter { $0.key.target != nil }.reduce(into: [:]) { sums, entry in
            sums[Place(group: entry.key.group, target: entry.key.target), default: .init()].add(entry.value)
        }
    }

    /// By role, whatever the target.
    var roles: [Place: ProxyMetrics] {
        places.reduce(into: [:]) { sums, entry in
            sums[Place(group: entry.key.group, role: entry.key.role), default: .init()].add(entry.value)
        }
    }

    mutating func add(_ metrics: ProxyMetrics, at place: Place) { places[place, default: .init()].add(metrics) }

    mutating func add(_ other: MetricsSnapshot) {
        rest.add(other.rest)
        endpoints.merge(other.endpoints, uniquingKeysWith: +)
        places.merge(other.places, uniquingKeysWith: +)
    }
}
