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
}
