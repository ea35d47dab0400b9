// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Testing

/// Limits, without a data plane: nobody carries out what is asked for here.
@Suite struct QuotaTests {
    private let fixture: ServiceFixture

    init() async throws { fixture = try await ServiceFixture() }

    /// Repeats an operation until it is refused.
    /// - Returns: how often it succeeded, and the code of the refusal
    private func count(_ operation: String, _ input: (Int) -> AWSValue) async throws -> (count: Int, code: String) {
        for number in 0..<1000 {
            do { _ = try await fixture.perform(operation, input(number)) } catch let error as AWSError {
                return (number, error.code)
            }
        }
        return (1000, "")
    }

    private func quota(_ name: String) async throws -> Int {
        let answer = try await fixture.perform("DescribeAccountAttributes", [:])
        let found = answer["AccountQuotas"]?.list?.first { $0["AccountQuotaName"]?.string == name }
        return try #require(found?["Max"]?.integer)
    }

    @Test func `a region has so many clusters and no more`() async throws {
        let (count, code) = try await count("CreateDBCluster") { ServiceFixture.cluster("c-\($0)") }
        #expect(code == "DBClusterQuotaExceededFault")
        #expect(count == (try await quota("DBClusters")))
    }

    @Test func `a cluster has a writer and fifteen readers, a region so many instances`() async throws {
        let all = try await quota("DBInstances")
        var made = 0
        for number in 0... {
            _ = try await fixture.perform("CreateDBCluster", ServiceFixture.cluster("c-\(number)"))
            let (count, code) = try await count("CreateDBInstance") {
                ServiceFixture.instance("i-\(number)-\($0)", "c-\(number)")
            }
            made += count
            #expect(code == "InstanceQuotaExceeded")
            guard count == 16 else { break }
        }
        #expect(made == all)
    }

    @Test(arguments: ["DBClusterParameterGroup", "DBParameterGroup"])
    func `there are so many parameter groups of a level`(noun: String) async throws {
        let (count, code) = try await count("Create\(noun)") { ServiceFixture.parameterGroup(noun, "g-\($0)") }
        #expect(code == "DBParameterGroupQuotaExceeded")
        #expect(count == (try await quota("\(noun)s")))
        let copy = try await self.count("Copy\(noun)") { _ in
            [
                "Source\(noun)Identifier": "g-0", "Target\(noun)Identifier": "copy", "Target\(noun)Description": "d",
            ]
        }
        #expect(copy == (0, "DBParameterGroupQuotaExceeded"))
    }

    @Test func `there are so many subnet groups, with so many subnets`() async throws {
        let (count, code) = try await count("CreateDBSubnetGroup") { ServiceFixture.subnetGroup("g-\($0)", 2) }
        #expect(code == "DBSubnetGroupQuotaExceeded")
        #expect(count == (try await quota("DBSubnetGroups")))
        let most = try await quota("SubnetsPerDBSubnetGroup")
        _ = try await fixture.perform("ModifyDBSubnetGroup", ServiceFixture.subnetGroup("g-0", most))
        let error = await #expect(throws: AWSError.self) {
            try await fixture.perform("ModifyDBSubnetGroup", ServiceFixture.subnetGroup("g-0", most + 1))
        }
        #expect(error?.code == "DBSubnetQuotaExceededFault")
    }

    @Test func `there are so many event subscriptions`() async throws {
        let (count, code) = try await count("CreateEventSubscription") {
            ServiceFixture.subscription("s-\($0)")
        }
        #expect(code == "EventSubscriptionQuotaExceeded")
        #expect(count == (try await quota("EventSubscriptions")))
    }

    @Test func `a resource has fifty tags`() async throws {
        _ = try await fixture.perform("CreateDBCluster", ServiceFixture.cluster("c"))
        let (count, code) = try await count("AddTagsToResource") {
            [
                "ResourceName": "arn:aws:rds:us-east-1:123456789012:cluster:c",
                "Tags": [["Key": .string("k-\($0)"), "Value": "v"]],
            ]
        }
        #expect((count, code) == (50, "InvalidParameterValue"))
    }

    @Test(arguments: [(50, nil), (51, "InvalidParameterValue")])
    func `a resource is made with fifty tags at most`(count: Int, code: String?) async throws {
        let tags = AWSValue.list((0..<count).map { ["Key": .string("k-\($0)"), "Value": "v"] })
        let input = ServiceFixture.cluster("c").with(["Tags": tags])
        do {
            _ = try await fixture.perform("CreateDBCluster", input)
            #expect(code == nil)
        } catch let error as AWSError { #expect(error.code == code) }
    }

    @Test func `there are so many proxies, with so many endpoints`() async throws {
        let proxies = try await count("CreateDBProxy") { ServiceFixture.proxy("p-\($0)") }
        #expect(proxies == (20, "DBProxyQuotaExceededFault"))
        try await fixture.keeper.update { $0.proxies["p-0"]?.status = .available }
        let endpoints = try await count("CreateDBProxyEndpoint") {
            [
                "DBProxyName": "p-0", "DBProxyEndpointName": .string("e-\($0)"),
                "VpcSubnetIds": ["subnet-1", "subnet-2"],
            ]
        }
        #expect(endpoints == (20, "DBProxyEndpointQuotaExceededFault"))
    }

    @Test func `a name that both levels know is one for events`() async throws {
        let made: AWSValue = [
            "SubscriptionName": "s", "SnsTopicArn": "arn:aws:sns:us-east-1:123456789012:t",
            "SourceType": "db-parameter-group", "SourceIds": ["default.aurora-mysql10.11"],
        ]
        let answer = try await fixture.perform("CreateEventSubscription", made)
        #expect(answer["EventSubscription"]?["Status"] == "topic-not-exist")
    }
}
