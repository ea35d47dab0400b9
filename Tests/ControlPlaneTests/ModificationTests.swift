// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Testing

/// What a change leaves behind, where that does not take an engine.
@Suite struct ModificationTests {
    private let fixture: ServiceFixture

    init() async throws {
        fixture = try await ServiceFixture()
        _ = try await fixture.perform("CreateDBCluster", ServiceFixture.cluster("c"))
        _ = try await fixture.perform("CreateDBInstance", ServiceFixture.instance("i", "c"))
        try await rest()
    }

    /// What is under way is done.
    private func rest() async throws {
        try await fixture.keeper.update { state in
            for id in state.clusters.keys { state.clusters[id]?.status = .available }
            for id in state.instances.keys { state.instances[id]?.status = .available }
        }
    }

    private func modify(_ members: [String: AWSValue]) async throws -> AWSValue {
        let answer = try await fixture.perform(
            "ModifyDBCluster", AWSValue.structure(["DBClusterIdentifier": "c"]).with(members))
        try await rest()
        return try #require(answer["DBCluster"])
    }

    private func modifyInstance(_ members: [String: AWSValue]) async throws -> AWSValue {
        let answer = try await fixture.perform(
            "ModifyDBInstance", AWSValue.structure(["DBInstanceIdentifier": "i"]).with(members))
        try await rest()
        return try #require(answer["DBInstance"])
    }

    private func refusal(_ operation: String, _ input: AWSValue) async -> AWSError? {
        await #expect(throws: AWSError.self) { try await fixture.perform(operation, input) }
    }

    // MARK: - Classes

    private static func classes(_ instance: AWSValue) -> [String?] {
        [instance["DBInstanceClass"]?.string, instance["PendingModifiedValues"]?["DBInstanceClass"]?.string]
    }

    @Test func `a class that waits goes when the one that there is is asked for`() async throws {
        var found = try await modifyInstance(["DBInstanceClass": "db.t4g.large"])
        #expect(Self.classes(found) == ["db.r6g.large", "db.t4g.large"])
        found = try await modifyInstance(["DBInstanceClass": "db.r6g.large"])
        #expect(Self.classes(found) == ["db.r6g.large", nil] && found["DBInstanceStatus"] == "available")
    }

    @Test func `a class that waits comes with a request that does not`() async throws {
        _ = try await modifyInstance(["DBInstanceClass": "db.t4g.large"])
        var found = try await modifyInstance(["PromotionTier": 3])
        #expect(Self.classes(found) == ["db.r6g.large", "db.t4g.large"])
        found = try await modifyInstance(["ApplyImmediately": true])
        #expect(Self.classes(found) == ["db.t4g.large", nil] && found["DBInstanceStatus"] == "modifying")
        found = try await modifyInstance(["ApplyImmediately": true])
        #expect(Self.classes(found) == ["db.t4g.large", nil] && found["DBInstanceStatus"] == "available")
    }

    // MARK: - Windows

    private func windows(_ id: String, _ members: [String: AWSValue]) async throws -> [String?] {
        let made = try await fixture.perform("CreateDBCluster", ServiceFixture.cluster(id).with(members))
        return ["PreferredBackupWindow", "PreferredMaintenanceWindow"].map { made["DBCluster"]?[$0]?.string }
    }

    @Test func `a window that was not asked for is not in the other one's way`() async throws {
        #expect(try await windows("d", [:]) == ["03:00-03:30", "sun:05:00-sun:05:30"])
        #expect(
            try await windows("e", ["PreferredBackupWindow": "04:45-06:15"]) == ["04:45-06:15", "sun:06:15-sun:06:45"])
        #expect(
            try await windows("f", ["PreferredMaintenanceWindow": "Tue:23:00-Wed:04:00"]) == [
                "04:00-04:30", "tue:23:00-wed:04:00",
            ])
        #expect(
            try await windows("g", ["PreferredMaintenanceWindow": "tue:04:00-tue:04:30"]) == [
                "03:00-03:30", "tue:04:00-tue:04:30",
            ])
    }

    @Test(arguments: [
        ["PreferredBackupWindow": "04:45-05:15"], ["PreferredMaintenanceWindow": "mon:03:29-mon:03:59"],
        ["PreferredBackupWindow": "23:30-00:30", "PreferredMaintenanceWindow": "mon:00:00-mon:00:30"],
    ])
    func `windows do not overlap`(members: [String: String]) async throws {
        let input = AWSValue.structure(["DBClusterIdentifier": "c"]).with(members.mapValues(AWSValue.string))
        let error = await refusal("ModifyDBCluster", input)
        #expect(error?.message == "The backup window and maintenance window must not overlap.")
        #expect(error?.code == "InvalidParameterValue")
    }

    @Test func `windows that lie over each other since earlier are left alone`() async throws {
        try await fixture.keeper.update { $0.clusters["c"]?.backupWindow = "05:00-06:00" }
        #expect(try await modify(["BackupRetentionPeriod": 3])["PreferredBackupWindow"] == "05:00-06:00")
    }

    @Test(arguments: [
        ("PreferredBackupWindow", "05:00-05:29"), ("PreferredBackupWindow", "05:00-05:00"),
        ("PreferredMaintenanceWindow", "sun:05:00-sun:05:00"), ("PreferredMaintenanceWindow", "sun:05:00-mon:05:01"),
    ])
    func `a window has half an hour to a day`(name: String, text: String) async throws {
        let error = await refusal("ModifyDBCluster", .structure(["DBClusterIdentifier": "c", name: .string(text)]))
        #expect(error?.code == "InvalidParameterValue")
    }

    // MARK: - Storage

    @Test func `a cluster becomes optimized for input and output once a month`() async throws {
        #expect(try await modify(["StorageType": "aurora"])["IOOptimizedNextAllowedModificationTime"] == nil)
        let changed = try await modify(["StorageType": "aurora-iopt1"])
        let next = try #require(changed["IOOptimizedNextAllowedModificationTime"]?.timestamp)
        // The same again is no change, and back it goes at any time.
        _ = try await modify(["StorageType": "aurora-iopt1"])
        let back = try await modify(["StorageType": "aurora"])
        #expect(back["StorageType"] == "aurora")
        #expect(back["IOOptimizedNextAllowedModificationTime"]?.timestamp == next)
        let input: AWSValue = ["DBClusterIdentifier": "c", "StorageType": "aurora-iopt1"]
        #expect(await refusal("ModifyDBCluster", input)?.code == "InvalidParameterCombination")
        try await fixture.keeper.update { $0.clusters["c"]?.ioOptimizedNext = Timestamp(seconds: 1) }
        #expect(try await modify(["StorageType": "aurora-iopt1"])["StorageType"] == "aurora-iopt1")
    }

    @Test func `a cluster that is made as one may become one once more`() async throws {
        let made = try await fixture.perform(
            "CreateDBCluster", ServiceFixture.cluster("d").with(["StorageType": "aurora-iopt1"]))
        #expect(made["DBCluster"]?["StorageType"] == "aurora-iopt1")
        #expect(made["DBCluster"]?["IOOptimizedNextAllowedModificationTime"] == nil)
    }

    // MARK: - Names

    private func sources(_ name: String, _ type: String, _ source: String) async throws {
        _ = try await fixture.perform(
            "CreateEventSubscription",
            ServiceFixture.subscription(name).with(["SourceType": .string(type), "SourceIds": [.string(source)]]))
    }

    @Test func `subscriptions follow what is renamed`() async throws {
        _ = try await fixture.perform("CreateDBProxy", ServiceFixture.proxy("p"))
        try await fixture.keeper.update { $0.proxies["p"]?.status = .available }
        try await sources("clusters", "db-cluster", "c")
        try await sources("instances", "db-instance", "i")
        try await sources("proxies", "db-proxy", "p")
        _ = try await modify(["NewDBClusterIdentifier": "i"])
        _ = try await modifyInstance(["NewDBInstanceIdentifier": "c"])
        _ = try await fixture.perform("ModifyDBProxy", ["DBProxyName": "p", "NewDBProxyName": "q"])
        let subscriptions = fixture.keeper.state.subscriptions
        #expect(subscriptions["clusters"]?.sources == ["i"])
        #expect(subscriptions["instances"]?.sources == ["c"])
        #expect(subscriptions["proxies"]?.sources == ["q"])
    }

    @Test func `an instance tells what it has from its cluster`() async throws {
        let moment = Timestamp(seconds: 1_800_000_000)
        _ = try await modify(["EngineLifecycleSupport": "open-source-rds-extended-support-disabled"])
        try await fixture.keeper.update { $0.clusters["c"]?.automaticRestart = moment }
        let found = try await fixture.perform("DescribeDBInstances", [:])["DBInstances"]?.list?.first
        #expect(found?["EngineLifecycleSupport"] == "open-source-rds-extended-support-disabled")
        #expect(found?["AutomaticRestartTime"] == .timestamp(moment))
        #expect(found?["CertificateDetails"]?["CAIdentifier"] == found?["CACertificateIdentifier"])
        #expect(found?["DatabaseInsightsMode"] == "standard")
    }
}
