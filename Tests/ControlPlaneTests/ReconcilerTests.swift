// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Engines
import Foundation
import Testing

/// Steps that take days, or that a real data plane takes by chance only.
@Suite struct ReconcilerTests {
    private static let past = Timestamp(seconds: 1)

    private let fixture: ServiceFixture
    private let plane = ScriptedPlane()

    init() async throws { fixture = try await ServiceFixture() }

    private func make(_ cluster: String, _ instances: [String] = []) async throws {
        _ = try await fixture.perform("CreateDBCluster", ServiceFixture.cluster(cluster))
        for id in instances { _ = try await fixture.perform("CreateDBInstance", ServiceFixture.instance(id, cluster)) }
    }

    private func settle(_ cluster: String) async throws {
        try await fixture.reconcile(plane) { state in
            state.clusters[cluster]?.status == .available
                && state.instances.values.allSatisfy { $0.cluster != cluster || $0.status == .available }
        }
    }

    private func events(_ number: String) -> [EventRecord] {
        fixture.keeper.state.events.values.filter { $0.event == "RDS-EVENT-\(number)" }
    }

    @Test(.timeLimit(.minutes(1))) func `the first instance that is asked for is the writer`()
        async throws
    {
        try await make("c", ["zeta"])
        // Another millisecond.
        try await Task.sleep(for: .milliseconds(5))
        _ = try await fixture.perform("CreateDBInstance", ServiceFixture.instance("alpha", "c"))
        try await settle("c")
        #expect(fixture.keeper.state.clusters["c"]?.writer == "zeta")
        let found = try await fixture.perform("DescribeDBClusters", ["DBClusterIdentifier": "c"])
        let members = found["DBClusters"]?.list?.first?["DBClusterMembers"]?.list ?? []
        #expect(members.map { $0["IsClusterWriter"]?.boolean } == [false, true])
    }

    @Test(.timeLimit(.minutes(1))) func `without instances the password waits for a writer`()
        async throws
    {
        try await make("c")
        try await settle("c")
        _ = try await fixture.perform(
            "ModifyDBCluster", ["DBClusterIdentifier": "c", "MasterUserPassword": "another-one"])
        #expect(fixture.keeper.state.clusters["c"]?.status == .resettingMasterCredentials)
        // Also before it has settled, an instance may be created.
        _ = try await fixture.perform("CreateDBInstance", ServiceFixture.instance("i", "c"))
        _ = try await fixture.perform("DeleteDBInstance", ["DBInstanceIdentifier": "i"])
        try await settle("c")
        #expect(events("0016").count == 1)
        #expect(await plane.passwords == ["c": "long-enough"])
        #expect(fixture.keeper.state.clusters["c"]?.password != nil)
    }

    @Test(.timeLimit(.minutes(1))) func `what was stopped for too long is started as a whole or not at all`()
        async throws
    {
        try await make("c", ["i", "j"])
        try await settle("c")
        _ = try await fixture.perform("StopDBCluster", ["DBClusterIdentifier": "c"])
        try await fixture.reconcile(plane) { $0.clusters["c"]?.status == .stopped }
        try await fixture.keeper.update { $0.clusters["c"]?.automaticRestart = Self.past }
        // The store takes one change more and then none: what it has then is what the next control plane begins with.
        await fixture.store.refuse(after: 1)
        try await fixture.reconcile(plane, for: .milliseconds(300))
        let kept = try DesiredState(try await fixture.store.load())
        #expect(kept.clusters["c"]?.status == .starting)
        #expect(kept.instances.values.map(\.status) == [.starting, .starting])
        await fixture.store.refuse(after: nil)
        try await settle("c")
        #expect(events("0153").count == 1 && events("0151").count == 1)
    }

    @Test(.timeLimit(.minutes(1)), arguments: ["stopping", "stopped", "starting"])
    func `a writer stays as long as nobody can take over`(status: String) async throws {
        try await make("c", ["i"])
        try await Task.sleep(for: .milliseconds(5))
        _ = try await fixture.perform("CreateDBInstance", ServiceFixture.instance("j", "c"))
        try await settle("c")
        try await fixture.keeper.update { $0.clusters["c"]?.status = try #require(ResourceStatus(rawValue: status)) }
        let error = await #expect(throws: AWSError.self) {
            try await fixture.perform("DeleteDBInstance", ["DBInstanceIdentifier": "i"])
        }
        #expect(error?.code == "InvalidDBClusterStateFault")
        // Readers go, and then the last one.
        for id in ["j", "i"] {
            _ = try await fixture.perform("DeleteDBInstance", ["DBInstanceIdentifier": .string(id)])
        }
    }

    @Test(.timeLimit(.minutes(1))) func `a failover that does not begin has failed after a minute`() async throws {
        try await make("c", ["i", "j"])
        try await settle("c")
        await plane.refuseFailovers()
        _ = try await fixture.perform("FailoverDBCluster", ["DBClusterIdentifier": "c"])
        try await fixture.reconcile(plane, for: .milliseconds(200))
        #expect(fixture.keeper.state.clusters["c"]?.status == .failingOver && events("0069").isEmpty)
        try await fixture.keeper.update { $0.clusters["c"]?.failoverWish?.asked = Self.past }
        try await settle("c")
        #expect(events("0069").count == 1 && fixture.keeper.state.clusters["c"]?.failoverWish == nil)
    }

    @Test(.timeLimit(.minutes(1))) func `a writer that is promoted again is told of as such`() async throws {
        try await make("c", ["i"])
        try await settle("c")
        await plane.promoteAgain("i", in: "c")
        try await fixture.reconcile(plane) { $0.clusters["c"]?.failover?.isComplete == true }
        try await settle("c")
        #expect(events("0070").map(\.message) == ["Promoting previous primary again: i"])
        #expect(events("0071").isEmpty)
    }

    @Test(.timeLimit(.minutes(1))) func `a newer package of the same major version is seen on what runs`() async throws
    {
        try await make("c", ["i"])
        try await fixture.keeper.update { $0.clusters["c"]?.engineVersion = "15.3" }
        // Until something runs it is what was asked for, which instances may be asked for as well.
        _ = try await fixture.perform(
            "CreateDBInstance", ServiceFixture.instance("j", "c").with(["EngineVersion": "15.3"]))
        await #expect(throws: AWSError.self) {
            try await fixture.perform(
                "CreateDBInstance", ServiceFixture.instance("k", "c").with(["EngineVersion": "15.2"]))
        }
        try await settle("c")
        let found = try await fixture.perform("DescribeDBInstances", ["DBInstanceIdentifier": "i"])
        #expect(found["DBInstances"]?.list?.first?["EngineVersion"]?.string == "15.14")
        try await fixture.keeper.update { $0.clusters["c"]?.engineVersion = "14.9" }
        try await fixture.reconcile(plane, for: .milliseconds(200))
        #expect(fixture.keeper.state.clusters["c"]?.engineVersion == "14.9")
    }
}
