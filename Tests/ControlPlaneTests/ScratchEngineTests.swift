// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Engines
import Testing

@Suite struct ScratchEngineTests {
    private static func defaults(_ fixture: ServiceFixture, _ family: String, _ name: String) async throws -> AWSValue? {
        let answer = try await fixture.perform(
            "DescribeEngineDefaultClusterParameters",
            [
                "DBParameterGroupFamily": .string(family),
                "Filters": [["Name": "parameter-name", "Values": [.string(name)]]],
            ])
        return answer["EngineDefaults"]?["Parameters"]?.list?.first
    }

    @Test func `engines that have not run yet tell their parameters`() async throws {
        let fixture = try await ServiceFixture { try $0.locateBinaries(requested: nil, environment: [:]) }
        let expected: [(String, String, String, String, String?)] = [
            ("aurora-postgresql15", "work_mem", "integer", "dynamic", "64-2147483647"),
            ("aurora-postgresql15", "wal_buffers", "integer", "static", "-1-262143"),
            ("aurora-mysql10.11", "max_connections", "integer", "dynamic", "10-100000"),
            ("aurora-mysql10.11", "character_set_server", "string", "static", nil),
            (
                "aurora-mysql10.11", "tx_isolation", "string", "static",
                "READ-UNCOMMITTED,READ-COMMITTED,REPEATABLE-READ,SERIALIZABLE"
            ),
        ]
        for (family, name, type, apply, allowed) in expected {
            let found = try await Self.defaults(fixture, family, name)
            #expect(found?["DataType"]?.string == type, "\(name)")
            #expect(found?["ApplyType"]?.string == apply, "\(name)")
            #expect(found?["AllowedValues"]?.string == allowed, "\(name)")
        }
    }

    @Test func `a group's parameters can be changed before anything runs`() async throws {
        let fixture = try await ServiceFixture { try $0.locateBinaries(requested: nil, environment: [:]) }
        _ = try await fixture.perform(
            "CreateDBClusterParameterGroup", ServiceFixture.parameterGroup("DBClusterParameterGroup", "g"))
        _ = try await fixture.perform(
            "ModifyDBClusterParameterGroup",
            [
                "DBClusterParameterGroupName": "g",
                "Parameters": [
                    ["ParameterName": "log_min_duration_statement", "ParameterValue": "500", "ApplyMethod": "immediate"]
                ],
            ])
        let answer = try await fixture.perform(
            "DescribeDBClusterParameters", ["DBClusterParameterGroupName": "g", "Source": "user"])
        #expect(answer["Parameters"]?.list?.compactMap { $0["ParameterValue"]?.string } == ["500"])
    }
}
