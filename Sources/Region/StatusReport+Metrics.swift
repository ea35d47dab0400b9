// SPDX-License-Identifier: Apache-2.0

extension StatusReport {
    /// What monitoring wants of a region, in Prometheus' text format 0.0.4, under the names that CloudWatch has for Aurora
    /// where it has one: `AuroraReplicaLag` is in milliseconds, as there.
    ///
    /// An instance whose lag is not known has no sample, rather than a wrong one.
    package var metrics: String {
        var text = MetricsText()
        for cluster in clusters {
            let labels = [("DBClusterIdentifier", cluster.id)]
            for reader in cluster.readers {
                guard let lag = reader.lagMs else { continue }
                text.add(.gauge, "AuroraReplicaLag", labels + [("DBInstanceIdentifier", reader.id)], lag)
            }
            let lags = cluster.readers.compactMap(\.lagMs)
            if let longest = lags.max(), let shortest = lags.min() {
                text.add(.gauge, "AuroraReplicaLagMaximum", labels, longest)
                text.add(.gauge, "AuroraReplicaLagMinimum", labels, shortest)
            }
            let instances = (cluster.writer.map { [($0, "WRITER")] } ?? []) + cluster.readers.map { ($0, "READER") }
            for (instance, role) in instances {
                let own = labels + [("DBInstanceIdentifier", instance.id), ("Role", role)]
                text.add(.gauge, "InstanceAvailable", own, instance.state == "available" ? 1 : 0)
                text.add(.counter, "EngineRestarts", own, instance.restarts ?? 0)
            }
            text.add(.counter, "Failovers", labels, cluster.failover?.number ?? 0)
            if let last = cluster.failover?.milliseconds { text.add(.gauge, "FailoverMilliseconds", labels, last) }
            if let vdl = cluster.vdl { text.add(.counter, "VolumeDurableLSN", labels, Int(vdl)) }
        }
        for node in nodes {
            let labels = [("StorageNode", node.id), ("AvailabilityZone", node.az)]
            text.add(.gauge, "StorageNodeUp", labels, node.state == "up" ? 1 : 0)
        }
        return text.text
    }
}

/// Samples grouped by name, as the format wants them.
private struct MetricsText {
    enum Kind: String { case gauge, counter }

    private var names: [String] = []
    private var lines: [String: [String]] = [:]

    mutating func add(_ kind: Kind, _ name: String, _ labels: [(name: String, value: String)], _ value: Int) {
        if lines[name] == nil {
            names.append(name)
            lines[name] = ["# TYPE \(name) \(kind.rawValue)"]
        }
        // Names of clusters, instances and nodes have no character that would have to be escaped.
        let list = labels.map { "\($0.name)=\"\($0.value)\"" }.joined(separator: ",")
        lines[name]?.append("\(name){\(list)} \(value)")
    }

    var text: String { names.flatMap { lines[$0] ?? [] }.map { $0 + "\n" }.joined() }
}
