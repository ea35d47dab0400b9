// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Testing

/// What is refused of a proxy that is on its way, which with a data plane lasts for a moment only.
@Suite struct ProxyStateTests {
    private let fixture: ServiceFixture

    init() async throws {
        fixture = try await ServiceFixture()
        _ = try await fixture.perform("CreateDBProxy", ServiceFixture.proxy("p"))
    }

    private static let endpoint: AWSValue = [
        "DBProxyName": "p", "DBProxyEndpointName": "e", "VpcSubnetIds": ["subnet-1", "subnet-2"],
    ]

    private func refusal(_ operation: String, _ input: AWSValue) async -> String? {
        await #expect(throws: AWSError.self) { try await fixture.perform(operation, input) }?.code
    }

    @Test func `a proxy that is being made is not changed`() async throws {
        #expect(await refusal("ModifyDBProxy", ["DBProxyName": "p"]) == "InvalidDBProxyStateFault")
        #expect(await refusal("CreateDBProxyEndpoint", Self.endpoint) == "InvalidDBProxyStateFault")
        let group: AWSValue = ["DBProxyName": "p", "TargetGroupName": "default"]
        #expect(await refusal("ModifyDBProxyTargetGroup", group) == "InvalidDBProxyStateFault")
    }

    @Test func `a proxy that is being deleted gets no target and is not deleted again`() async throws {
        _ = try await fixture.perform("CreateDBCluster", ServiceFixture.cluster("c"))
        _ = try await fixture.perform("DeleteDBProxy", ["DBProxyName": "p"])
        #expect(await refusal("DeleteDBProxy", ["DBProxyName": "p"]) == "InvalidDBProxyStateFault")
        let target: AWSValue = ["DBProxyName": "p", "DBClusterIdentifiers": ["c"]]
        #expect(await refusal("RegisterDBProxyTargets", target) == "InvalidDBProxyStateFault")
    }

    /// One whose proxy cannot come to run could not be got rid of otherwise.
    @Test func `an endpoint that is being made is not modified but may be deleted, once`() async throws {
        try await fixture.keeper.update { $0.proxies["p"]?.status = .available }
        _ = try await fixture.perform("CreateDBProxyEndpoint", Self.endpoint)
        let name: AWSValue = ["DBProxyEndpointName": "e"]
        #expect(await refusal("ModifyDBProxyEndpoint", name) == "InvalidDBProxyEndpointStateFault")
        _ = try await fixture.perform("DeleteDBProxyEndpoint", name)
        #expect(await refusal("DeleteDBProxyEndpoint", name) == "InvalidDBProxyEndpointStateFault")
    }
}
