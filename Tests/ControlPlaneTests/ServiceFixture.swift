// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Engines
import Foundation

/// The RDS operations over a state in memory, without a data plane: nobody carries out what is asked for.
struct ServiceFixture {
    private struct MemoryStore: StateStore {
        func load() async throws -> [StoredDocument] { [] }
        func commit(_ changes: [StoreChange]) async throws {}
    }

    let keeper: StateKeeper
    let service: RDSService

    /// - Parameter binaries: the directory of an engine's programs
    init(binaries: (EngineKind) throws -> String = { _ in "/none" }) async throws {
        keeper = try await StateKeeper(store: MemoryStore())
        service = RDSService(
            keeper: keeper,
            offers: [
                EngineOffer(kind: .postgres, version: "15.14", binaries: try binaries(.postgres)),
                EngineOffer(kind: .mariadb, version: "10.11.11", binaries: try binaries(.mariadb)),
            ], account: Account(), secrets: SecretBox(key: Data(repeating: 7, count: 32)),
            logs: LogDirectory(instances: "/none"),
            authority: CertificateFacts(thumbprint: "", validFrom: 0, validTill: 0), topics: try TopicFile(path: nil))
    }

    func perform(_ operation: String, _ input: AWSValue) async throws -> AWSValue {
        try await service.perform(operation, input)
    }

    static func cluster(_ id: String) -> AWSValue {
        [
            "DBClusterIdentifier": .string(id), "Engine": "aurora-postgresql", "MasterUsername": "app",
            "MasterUserPassword": "long-enough",
        ]
    }

    static func instance(_ id: String, _ cluster: String) -> AWSValue {
        [
            "DBInstanceIdentifier": .string(id), "DBClusterIdentifier": .string(cluster), "Engine": "aurora-postgresql",
            "DBInstanceClass": "db.r6g.large",
        ]
    }

    static func subnetGroup(_ id: String, _ count: Int) -> AWSValue {
        [
            "DBSubnetGroupName": .string(id), "DBSubnetGroupDescription": "d",
            "SubnetIds": AWSValue((0..<count).map { "subnet-\($0)" }),
        ]
    }

    static func parameterGroup(_ noun: String, _ id: String) -> AWSValue {
        .structure([
            "\(noun)Name": .string(id), "DBParameterGroupFamily": "aurora-postgresql15", "Description": "d",
        ])
    }

    static func subscription(_ id: String) -> AWSValue {
        ["SubscriptionName": .string(id), "SnsTopicArn": "arn:aws:sns:us-east-1:123456789012:t"]
    }
}
