// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol

/// What can happen to a resource, with AWS's number and category for it.
struct EventKind: Sendable {
    let number: String
    let category: String
    let message: String

    static let clusterCreated = EventKind("0170", "creation", "DB cluster created.")
    static let clusterDeleted = EventKind("0171", "deletion", "DB cluster deleted.")
    static let clusterStopped = EventKind("0150", "notification", "DB cluster stopped.")
    static let clusterStarted = EventKind("0151", "notification", "DB cluster started.")
    static let clusterStartedByItself = EventKind(
        "0153", "notification",
        "DB cluster is being started due to it exceeding the maximum allowed time being stopped.")
    static let credentialsReset = EventKind("0016", "configuration change", "Reset master credentials.")
    static let instanceCreated = EventKind("0005", "creation", "DB instance created.")
    static let instanceDeleted = EventKind("0003", "deletion", "DB instance deleted.")
    static let instanceShutDown = EventKind("0004", "availability", "DB instance shutdown.")
    static let instanceRestarted = EventKind("0006", "availability", "DB instance restarted.")
    static let recoveryStarted = EventKind("0020", "recovery", "Recovery of the DB instance has started.")
    static let recoveryCompleted = EventKind("0021", "recovery", "Recovery of the DB instance is complete.")
    static let classChanging = EventKind(
        "0012", "configuration change", "Applying modification to database instance class.")
    static let classChanged = EventKind(
        "0014", "configuration change", "Finished applying modification to DB instance class.")
    static let instanceStopped = EventKind("0087", "notification", "DB instance stopped.")
    static let instanceStarted = EventKind("0088", "notification", "DB instance started.")

    static func clusterRenamed(from old: String, to new: String) -> EventKind {
        EventKind("0172", "notification", "Renamed DB cluster from \(old) to \(new).")
    }

    static let proxyCreated = EventKind("0203", "creation", "DB proxy created.")
    static let proxyModified = EventKind("0204", "configuration change", "DB proxy modified.")
    static let proxyDeleted = EventKind("0205", "deletion", "DB proxy deleted.")
    static let proxyEndpointCreated = EventKind("0206", "creation", "DB proxy endpoint created.")
    static let proxyEndpointModified = EventKind("0207", "configuration change", "DB proxy endpoint modified.")
    static let proxyEndpointDeleted = EventKind("0208", "deletion", "DB proxy endpoint deleted.")

    static func targetAdded(_ name: String) -> EventKind {
        EventKind("0213", "configuration change", "Added the new DB instance \(name) to the target group.")
    }

    static func targetRemoved(_ name: String) -> EventKind {
        EventKind("0214", "configuration change", "Removed the deleted DB instance \(name) from the target group.")
    }

    static func targetClusterRemoved(_ name: String) -> EventKind {
        EventKind("0215", "configuration change", "Removed the deleted DB cluster \(name) from the target group.")
    }

    static let failoverFailed = EventKind(
        "0069", "failover", "Cluster failover failed, check the health of your cluster instances and try again.")

    static func failoverStarted(to name: String, crossesZones: Bool) -> EventKind {
        crossesZones
            ? EventKind("0073", "failover", "Started cross AZ failover to DB instance: \(name)")
            : EventKind("0072", "failover", "Started same AZ failover to DB instance: \(name)")
    }

    static func failoverCompleted(to name: String) -> EventKind {
        EventKind("0071", "failover", "Completed failover to DB instance: \(name)")
    }

    static func promotedAgain(_ name: String) -> EventKind {
        EventKind("0070", "failover", "Promoting previous primary again: \(name)")
    }

    static func incompatibleParameters(_ reason: String) -> EventKind {
        EventKind("0035", "failure", "The engine does not start with the instance's parameters: \(reason)")
    }

    static func parameterUpdated(_ name: String, to value: String, method: String) -> EventKind {
        EventKind(
            "0037", "configuration change", "Updated parameter \(name) to \(value) with apply method \(method)")
    }

    init(_ number: String, _ category: String, _ message: String) {
        self.number = number
        self.category = category
        self.message = message
    }

    /// The categories that each kind of source has at AWS. Of the last ones a region has none, so they have no events.
    static let categories: [(sourceType: String, categories: [String])] = [
        (
            "db-cluster",
            [
                "configuration change", "creation", "deletion", "failover", "failure", "global failover", "maintenance",
                "notification",
            ]
        ),
        ("db-cluster-snapshot", ["backup", "creation", "deletion", "notification", "restoration"]),
        (
            "db-instance",
            [
                "availability", "backup", "backtrack", "configuration change", "creation", "deletion", "failover",
                "failure", "low storage", "maintenance", "notification", "read replica", "recovery", "restoration",
                "security patching",
            ]
        ),
        ("db-parameter-group", ["configuration change"]),
        ("db-proxy", ["configuration change", "creation", "deletion", "failure", "notification"]),
        ("db-security-group", ["configuration change", "failure"]),
        ("db-snapshot", ["creation", "deletion", "notification", "restoration"]),
        ("custom-engine-version", ["creation", "failure"]),
        ("blue-green-deployment", ["creation", "deletion", "failure", "notification"]),
        ("db-shard-group", ["configuration change", "creation", "deletion", "failure", "notification"]),
        ("zero-etl", ["creation", "deletion", "failure", "notification"]),
    ]
}

extension DesiredState {
    /// Events are kept for this long.
    static let eventSeconds: Int64 = 14 * 86400
    /// Older ones go first beyond this number.
    private static let eventsMax = 5000

    mutating func note(_ kind: EventKind, cluster: ClusterRecord, account: Account, now: Timestamp) {
        note(kind, sourceType: "db-cluster", source: cluster.id, arn: account.arn("cluster", cluster.id), now: now)
    }

    mutating func note(_ kind: EventKind, instance: InstanceRecord, account: Account, now: Timestamp) {
        note(kind, sourceType: "db-instance", source: instance.id, arn: account.arn("db", instance.id), now: now)
    }

    mutating func note(_ kind: EventKind, group: ParameterGroupRecord, account: Account, now: Timestamp) {
        note(
            kind, sourceType: "db-parameter-group", source: group.name,
            arn: account.arn(group.level == .cluster ? "cluster-pg" : "pg", group.name), now: now)
    }

    mutating func note(_ kind: EventKind, proxy: ProxyRecord, account: Account, now: Timestamp) {
        note(kind, sourceType: "db-proxy", source: proxy.id, arn: account.arn("db-proxy", proxy.resourceID), now: now)
    }

    /// Notes it of every proxy that leads to a cluster.
    mutating func note(_ kind: EventKind, proxiesOf cluster: ClusterRecord?, account: Account, now: Timestamp) {
        guard let cluster else { return }
        for proxy in proxies.values.sorted(by: { $0.id < $1.id }) where proxy.target == .cluster(cluster.resourceID) {
            note(kind, proxy: proxy, account: account, now: now)
        }
    }

    private mutating func note(_ kind: EventKind, sourceType: String, source: String, arn: String, now: Timestamp) {
        let last = events.keys.max().flatMap { Int64($0) } ?? 0
        let id = EventRecord.id(number: max(last + 1, now.milliseconds * 1000))
        events[id] = EventRecord(
            id: id, sourceType: sourceType, source: source, sourceARN: arn, event: "RDS-EVENT-\(kind.number)",
            categories: [kind.category], message: kind.message, date: now)
        if events.count > Self.eventsMax, let oldest = events.keys.min() { events[oldest] = nil }
    }

    mutating func dropOldEvents(now: Timestamp) {
        for event in events.values where event.date.seconds < now.seconds - Self.eventSeconds { events[event.id] = nil }
    }
}

/// Whose region it is.
package struct Account: Sendable, Equatable {
    package var id: String
    package var region: String

    package init(id: String = "123456789012", region: String = "us-east-1") {
        self.id = id
        self.region = region
    }

    func arn(_ type: String, _ name: String) -> String { "arn:aws:rds:\(region):\(id):\(type):\(name)" }

    /// The name of a zone that the data plane has a letter for.
    func zone(_ letter: String) -> String? { zones.first { !letter.isEmpty && $0 == region + letter } }

    func letter(ofZone name: String) -> String? { zones.contains(name) ? name.last.map(String.init) : nil }

    /// The region's three availability zones.
    var zones: [String] { ["a", "b", "c"].map { region + $0 } }
}
