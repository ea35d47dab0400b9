// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Engines
import Testing

@Suite struct ScratchEngineTests {
    private static func defaults(_ fixture: ServiceFixture, _ family: String, _ name: String) async throws -> AWSValue?
    {
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

    /// All pages of a group's parameters, or of a family's.
    private static func pages(
        _ fixture: ServiceFixture, _ operation: String, _ input: AWSValue
    ) async throws -> [AWSValue] {
        var found: [AWSValue] = []
        var marker: AWSValue?
        repeat {
            let more = marker.map { ["Marker": $0] } ?? [:]
            var answer = try await fixture.perform(operation, input.with(["MaxRecords": 20]).with(more))
            answer = answer["EngineDefaults"] ?? answer
            found += answer["Parameters"]?.list ?? []
            marker = answer["Marker"]
        } while marker != nil && found.count < 5000
        return found
    }

    private static let families = ["aurora-postgresql15": EngineKind.postgres, "aurora-mysql10.11": .mariadb]

    @Test(arguments: families.keys.sorted()) func `pages leave nothing out and have nothing twice`(family: String)
        async throws
    {
        let fixture = try await ServiceFixture { try $0.locateBinaries(requested: nil, environment: [:]) }
        for (operation, input): (String, AWSValue) in [
            ("DescribeDBParameters", ["DBParameterGroupName": .string("default.\(family)")]),
            ("DescribeDBClusterParameters", ["DBClusterParameterGroupName": .string("default.\(family)")]),
            ("DescribeEngineDefaultParameters", ["DBParameterGroupFamily": .string(family)]),
        ] {
            let names = try await Self.pages(fixture, operation, input).compactMap { $0["ParameterName"]?.string }
            let all = try #require(fixture.keeper.state.catalogs[family]?.parameters.map(\.name))
            #expect(names == all.sorted() && names.count > 300, "\(operation)")
        }
    }

    @Test(arguments: families.keys.sorted()) func `what depends on the class is the system's, as a formula`(
        family: String
    )
        async throws
    {
        let kind = try #require(Self.families[family])
        let fixture = try await ServiceFixture { try $0.locateBinaries(requested: nil, environment: [:]) }
        _ = try await fixture.perform(
            "CreateDBParameterGroup",
            ServiceFixture.parameterGroup("DBParameterGroup", "g").with(["DBParameterGroupFamily": .string(family)]))
        func formulas(_ source: String) async throws -> [String: String] {
            let found = try await Self.pages(
                fixture, "DescribeDBParameters", ["DBParameterGroupName": "g", "Source": .string(source)])
            #expect(found.allSatisfy { $0["Source"]?.string == source })
            return found.reduce(into: [:]) { $0[$1["ParameterName"]?.string ?? ""] = $1["ParameterValue"]?.string }
        }
        let shown = try await formulas("system")
        // They are those that an instance gets, with the same values.
        let oneClass = try #require(InstanceClass.named("db.r6g.large"))
        let variables = ParameterFormula.Variables(memoryBytes: 16 << 30, processors: 2, port: 0)
        #expect(
            shown.compactMapValues { ParameterFormula($0)?.value(variables).map(String.init) }
                == oneClass.settings(for: kind))
        _ = try await fixture.perform(
            "ModifyDBParameterGroup",
            [
                "DBParameterGroupName": "g",
                "Parameters": [
                    ["ParameterName": "max_connections", "ParameterValue": "77", "ApplyMethod": "pending-reboot"]
                ],
            ])
        #expect(try await formulas("system").keys.sorted() == shown.keys.filter { $0 != "max_connections" }.sorted())
        #expect(try await formulas("user") == ["max_connections": "77"])
        #expect(try await formulas("engine-default")["max_connections"] == nil)
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
                    [
                        "ParameterName": "log_min_duration_statement", "ParameterValue": "500",
                        "ApplyMethod": "immediate",
                    ]
                ],
            ])
        let answer = try await fixture.perform(
            "DescribeDBClusterParameters", ["DBClusterParameterGroupName": "g", "Source": "user"])
        #expect(answer["Parameters"]?.list?.compactMap { $0["ParameterValue"]?.string } == ["500"])
    }
}
