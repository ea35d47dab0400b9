// SPDX-License-Identifier: Apache-2.0

import Foundation
import Region
import Testing

@Suite struct StatusMetricsTests {
    private static let json = """
        {"clusters": [{"id": "demo", "engine": "postgres", "status": "available", "vdl": 4096, "volume": "vol-1",
            "writer": {"id": "demo-1", "url": "", "state": "available", "restarts": 2},
            "readers": [{"id": "demo-2", "url": "", "state": "available", "restarts": 0, "lagMs": 12},
                {"id": "demo-3", "url": "", "state": "recovering"},
                {"id": "demo-4", "url": "", "state": "available", "restarts": 0, "lagMs": 3}],
            "failover": {"number": 3, "from": "demo-2", "to": "demo-1", "reason": "r", "isPlanned": true, "isComplete": true,
                "milliseconds": 900}}],
         "nodes": [{"id": "a1", "az": "a", "state": "up"}, {"id": "b2", "az": "b", "state": "down"}],
         "processes": [], "layout": "compact", "directory": "/d", "uptimeSeconds": 1, "faults": []}
        """

    private static func lines() throws -> [String] {
        let report = try JSONDecoder().decode(StatusReport.self, from: Data(json.utf8))
        return report.metrics.split(separator: "\n").map(String.init)
    }

    @Test func `a reader's lag is a gauge in milliseconds, and one that is not known is left out`() throws {
        let lags = try Self.lines().filter { $0.contains("AuroraReplicaLag") }
        #expect(
            lags == [
                "# TYPE AuroraReplicaLag gauge",
                #"AuroraReplicaLag{DBClusterIdentifier="demo",DBInstanceIdentifier="demo-2"} 12"#,
                #"AuroraReplicaLag{DBClusterIdentifier="demo",DBInstanceIdentifier="demo-4"} 3"#,
                "# TYPE AuroraReplicaLagMaximum gauge", #"AuroraReplicaLagMaximum{DBClusterIdentifier="demo"} 12"#,
                "# TYPE AuroraReplicaLagMinimum gauge", #"AuroraReplicaLagMinimum{DBClusterIdentifier="demo"} 3"#,
            ])
    }

    @Test func `instances, failovers and nodes have their samples`() throws {
        let lines = try Self.lines()
        for line in [
            #"InstanceAvailable{DBClusterIdentifier="demo",DBInstanceIdentifier="demo-1",Role="WRITER"} 1"#,
            #"InstanceAvailable{DBClusterIdentifier="demo",DBInstanceIdentifier="demo-3",Role="READER"} 0"#,
            #"EngineRestarts{DBClusterIdentifier="demo",DBInstanceIdentifier="demo-1",Role="WRITER"} 2"#,
            #"Failovers{DBClusterIdentifier="demo"} 3"#, #"FailoverMilliseconds{DBClusterIdentifier="demo"} 900"#,
            #"VolumeDurableLSN{DBClusterIdentifier="demo"} 4096"#,
            #"StorageNodeUp{StorageNode="a1",AvailabilityZone="a"} 1"#,
            #"StorageNodeUp{StorageNode="b2",AvailabilityZone="b"} 0"#,
        ] { #expect(lines.contains(line), "\(line)") }
    }

    @Test func `each name is announced once, before all of its samples`() throws {
        var announced: [String] = []
        for line in try Self.lines() {
            if line.hasPrefix("# TYPE ") {
                announced.append(String(line.split(separator: " ")[2]))
            } else {
                #expect(line.prefix { $0 != "{" } == announced.last ?? "")
            }
        }
        #expect(Set(announced).count == announced.count)
    }
}
