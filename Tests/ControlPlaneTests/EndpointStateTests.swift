// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Testing

/// What is refused of a custom endpoint that is still being made, which with a data plane lasts for a moment only.
@Suite struct EndpointStateTests {
    @Test(arguments: ["ModifyDBClusterEndpoint", "DeleteDBClusterEndpoint"])
    func `an endpoint that is being made is neither modified nor deleted`(operation: String) async throws {
        let fixture = try await ServiceFixture()
        _ = try await fixture.perform("CreateDBCluster", ServiceFixture.cluster("c"))
        try await fixture.keeper.update { $0.clusters["c"]?.status = .available }
        let endpoint = try await fixture.perform(
            "CreateDBClusterEndpoint",
            ["DBClusterIdentifier": "c", "DBClusterEndpointIdentifier": "e", "EndpointType": "ANY"])
        #expect(endpoint["Status"]?.string == "creating")
        let error = await #expect(throws: AWSError.self) {
            try await fixture.perform(operation, ["DBClusterEndpointIdentifier": "e"])
        }
        #expect(error?.code == "InvalidDBClusterEndpointStateFault")
    }
}
