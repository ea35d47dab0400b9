// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Engines
import Foundation
import Testing

/// Limits, without a data plane: nobody carries out what is asked for here.
@Suite struct QuotaTests {
    private struct MemoryStore: StateStore {
        func load() async throws -> [StoredDocument] { [] }
        func commit(_ changes: [StoreChange]) async throws {}
    }

    private let service: RDSService
    private let keeper: StateKeeper

    init() async throws {
        keeper = try await StateKeeper(store: MemoryStore())
        service = RDSService(
            keeper: keeper,
            offers: [
                EngineOffer(kind: .postgres, version: "15.14", binaries: "/none"),
                EngineOffer(kind: .mariadb, version: "10.11.11", binaries: "/none"),
            ], account: Account(), secrets: SecretBox(key: Data(repeating: 7, count: 32)),
            logs: LogDirectory(instances: "/none"),
            authority: CertificateFacts(thumbprint: "", validFrom: 0, validTill: 0), topics: try TopicFile(path: nil))
    }

    /// Repeats an operation until it is refused.
    /// - Returns: how often it succeeded, and the code of the refusal
    private func count(_ operation: String, _ input: (Int) -> AWSValue) async throws -> (count: Int, code: String) {
        for number in 0..<1000 {
            do { _ = try await service.perform(operation, input(number)) } catch let error as AWSError {
                return (number, error.code)
            }
        }
        return (1000, "")
    }

    private func quota(_ name: String) async throws -> Int {
        let answer = try await service.perform("DescribeAccountAttributes", [:])
        let found = answer["AccountQuotas"]?.list?.first { $0["AccountQuotaName"]?.string == name }
        return try #require(found?["Max"]?.integer)
    }

    private static func cluster(_ id: String, _ engine: String = "aurora-postgresql") -> AWSValue {
        [
            "DBClusterIdentifier": .string(id), "Engine": .string(engine), "MasterUsername": "app",
            "MasterUserPassword": "long-enough",
        ]
    }

    private static func instance(_ id: String, _ cluster: String) -> AWSValue {
        [
            "DBInstanceIdentifier": .string(id), "DBClusterIdentifier": .string(cluster), "Engine": "aurora-postgresql",
            "DBInstanceClass": "db.r6g.large",
        ]
    }

    @Test func `a region has so many clusters and no more`() async throws {
        let (count, code) = try await count("CreateDBCluster") { Self.cluster("c-\($0)") }
        #expect(code == "DBClusterQuotaExceededFault")
        #expect(count == (try await quota("DBClusters")))
    }

    @Test func `a cluster has a writer and fifteen readers, a region so many instances`() async throws {
        let all = try await quota("DBInstances")
        var made = 0
        for number in 0... {
            _ = try await service.perform("CreateDBCluster", Self.cluster("c-\(number)"))
            let (count, code) = try await count("CreateDBInstance") {
                Self.instance("i-\(number)-\($0)", "c-\(number)")
            }
            made += count
            #expect(code == "InstanceQuotaExceeded")
            guard count == 16 else { break }
        }
        #expect(made == all)
    }

    @Test(arguments: ["DBClusterParameterGroup", "DBParameterGroup"])
    func `there are so many parameter groups of a level`(noun: String) async throws {
        let (count, code) = try await count("Create\(noun)") {
            [
                "\(noun)Name": .string("g-\($0)"), "DBParameterGroupFamily": "aurora-postgresql15", "Description": "d",
            ]
        }
        #expect(code == "DBParameterGroupQuotaExceeded")
        #expect(count == (try await quota("\(noun)s")))
        let copy = try await self.count("Copy\(noun)") { _ in
            [
                "Source\(noun)Identifier": "g-0", "Target\(noun)Identifier": "copy", "Target\(noun)Description": "d",
            ]
        }
        #expect(copy == (0, "DBParameterGroupQuotaExceeded"))
    }

    private static func subnets(_ group: String, _ count: Int) -> AWSValue {
        [
            "DBSubnetGroupName": .string(group), "DBSubnetGroupDescription": "d",
            "SubnetIds": AWSValue((0..<count).map { "subnet-\($0)" }),
        ]
    }

    @Test func `there are so many subnet groups, with so many subnets`() async throws {
        let (count, code) = try await count("CreateDBSubnetGroup") { Self.subnets("g-\($0)", 2) }
        #expect(code == "DBSubnetGroupQuotaExceeded")
        #expect(count == (try await quota("DBSubnetGroups")))
        let most = try await quota("SubnetsPerDBSubnetGroup")
        _ = try await service.perform("ModifyDBSubnetGroup", Self.subnets("g-0", most))
        let error = await #expect(throws: AWSError.self) {
            try await service.perform("ModifyDBSubnetGroup", Self.subnets("g-0", most + 1))
        }
        #expect(error?.code == "DBSubnetQuotaExceededFault")
    }

    @Test func `there are so many event subscriptions`() async throws {
        let (count, code) = try await count("CreateEventSubscription") {
            ["SubscriptionName": .string("s-\($0)"), "SnsTopicArn": "arn:aws:sns:us-east-1:123456789012:t"]
        }
        #expect(code == "EventSubscriptionQuotaExceeded")
        #expect(count == (try await quota("EventSubscriptions")))
    }

    @Test func `a resource has fifty tags`() async throws {
        _ = try await service.perform("CreateDBCluster", Self.cluster("c"))
        let (count, code) = try await count("AddTagsToResource") {
            [
                "ResourceName": "arn:aws:rds:us-east-1:123456789012:cluster:c",
                "Tags": [["Key": .string("k-\($0)"), "Value": "v"]],
            ]
        }
        #expect((count, code) == (50, "InvalidParameterValue"))
    }

    @Test func `a name that both levels know is one for events`() async throws {
        let made: AWSValue = [
            "SubscriptionName": "s", "SnsTopicArn": "arn:aws:sns:us-east-1:123456789012:t",
            "SourceType": "db-parameter-group", "SourceIds": ["default.aurora-mysql10.11"],
        ]
        let answer = try await service.perform("CreateEventSubscription", made)
        #expect(answer["EventSubscription"]?["Status"] == "topic-not-exist")
    }
}
