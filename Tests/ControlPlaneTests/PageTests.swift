// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Testing

@Suite struct PageTests {
    private let fixture: ServiceFixture

    init() async throws { fixture = try await ServiceFixture() }

    /// All pages of a list, twenty a page, with what happens between them.
    private func pages(
        _ operation: String, _ list: String, _ name: String, between: () async throws -> Void = {}
    ) async throws -> [[String]] {
        var pages: [[String]] = []
        var marker: AWSValue?
        repeat {
            var input: [String: AWSValue] = ["MaxRecords": 20]
            input["Marker"] = marker
            let answer = try await fixture.perform(operation, .structure(input))
            pages.append((answer[list]?.list ?? []).compactMap { $0[name]?.string })
            marker = answer["Marker"]
            try await between()
        } while marker != nil && pages.count < 20
        return pages
    }

    private static func names(_ count: Int, _ prefix: String) -> [String] { (0..<count).map { "\(prefix)\($0 + 100)" } }

    @Test func `clusters and their instances come in pages`() async throws {
        for name in Self.names(41, "c") {
            _ = try await fixture.perform("CreateDBCluster", ServiceFixture.cluster(name))
        }
        let clusters = try await pages("DescribeDBClusters", "DBClusters", "DBClusterIdentifier")
        #expect(clusters.map(\.count) == [20, 20, 1])
        #expect(clusters.flatMap { $0 } == Self.names(41, "c"))
        for (number, name) in Self.names(40, "i").enumerated() {
            _ = try await fixture.perform("CreateDBInstance", ServiceFixture.instance(name, "c\(100 + number / 16)"))
        }
        // A last page that is full is the last one all the same.
        let instances = try await pages("DescribeDBInstances", "DBInstances", "DBInstanceIdentifier")
        #expect(instances.map(\.count) == [20, 20])
        #expect(instances.flatMap { $0 } == Self.names(40, "i"))
    }

    @Test func `what comes and goes between two pages moves nothing`() async throws {
        for name in Self.names(45, "g") {
            _ = try await fixture.perform("CreateDBSubnetGroup", ServiceFixture.subnetGroup(name, 2))
        }
        var isFirst = true
        let found = try await pages("DescribeDBSubnetGroups", "DBSubnetGroups", "DBSubnetGroupName") {
            guard isFirst else { return }
            isFirst = false
            // `default` and g100 to g118 have been seen; the last of them goes, and one comes before them.
            _ = try await fixture.perform("DeleteDBSubnetGroup", ["DBSubnetGroupName": "g118"])
            _ = try await fixture.perform("CreateDBSubnetGroup", ServiceFixture.subnetGroup("a", 2))
        }
        #expect(found.flatMap { $0 } == ["default"] + Self.names(45, "g"))
    }

    @Test(arguments: ["DBClusterParameterGroup", "DBParameterGroup"])
    func `parameter groups come in pages, those by default among them`(noun: String) async throws {
        for name in Self.names(25, "g") {
            _ = try await fixture.perform("Create\(noun)", ServiceFixture.parameterGroup(noun, name))
        }
        let found = try await pages("Describe\(noun)s", "\(noun)s", "\(noun)Name")
        #expect(found.map(\.count) == [20, 7])
        #expect(Set(found.flatMap { $0 }).count == 27)
    }

    @Test func `a filter goes before the pages`() async throws {
        for name in Self.names(30, "c") {
            _ = try await fixture.perform("CreateDBCluster", ServiceFixture.cluster(name))
        }
        let answer = try await fixture.perform(
            "DescribeDBClusters",
            [
                "MaxRecords": 20,
                "Filters": [["Name": "db-cluster-id", "Values": ["c129", "C128", "nobody"]]],
            ])
        #expect(answer["DBClusters"]?.list?.compactMap { $0["DBClusterIdentifier"]?.string } == ["c128", "c129"])
        #expect(answer["Marker"] == nil)
    }
}
