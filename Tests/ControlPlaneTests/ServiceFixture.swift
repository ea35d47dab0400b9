// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import ControlPlane
import Engines
import Foundation
import Logging

/// The RDS operations over a state in memory. Nobody carries out what is asked for, unless a test has it reconciled.
struct ServiceFixture {
    /// A store that can be told to fail after so many changes.
    actor MemoryStore: StateStore {
        private struct Refusal: Error {}

        private var documents: [StoreKey: Data] = [:]
        private var rest: Int?

        func refuse(after count: Int?) { rest = count }

        func load() async throws -> [StoredDocument] { documents.map { StoredDocument(key: $0.key, value: $0.value) } }

        func commit(_ changes: [StoreChange]) async throws {
            if let left = rest {
                guard left > 0 else { throw Refusal() }
                rest = left - 1
            }
            for change in changes {
                switch change {
                case .put(let key, let value): documents[key] = value
                case .remove(let key): documents[key] = nil
                }
            }
        }
    }

    let store = MemoryStore()
    let keeper: StateKeeper
    let service: RDSService
    private let offers: [EngineOffer]
    private let secrets = SecretBox(key: Data(repeating: 7, count: 32))
    private let account = Account()

    /// - Parameter binaries: the directory of an engine's programs
    init(binaries: (EngineKind) throws -> String = { _ in "/none" }) async throws {
        keeper = try await StateKeeper(store: store)
        offers = [
            EngineOffer(kind: .postgres, version: "15.14", binaries: try binaries(.postgres)),
            EngineOffer(kind: .mariadb, version: "10.11.11", binaries: try binaries(.mariadb)),
        ]
        service = RDSService(
            keeper: keeper, offers: offers, account: account, secrets: secrets, logs: LogDirectory(instances: "/none"),
            authority: CertificateFacts(thumbprint: "", validFrom: 0, validTill: 0), topics: try TopicFile(path: nil))
    }

    func perform(_ operation: String, _ input: AWSValue) async throws -> AWSValue {
        try await service.perform(operation, input)
    }

    // MARK: - Reconciling

    /// Lets a reconciler of its own work until something is so.
    func reconcile(_ plane: ScriptedPlane, until isDone: (DesiredState) throws -> Bool) async throws {
        let work = try start(plane)
        defer { work.cancel() }
        while try !isDone(keeper.state) { try await Task.sleep(for: .milliseconds(5)) }
        work.cancel()
        await work.value
    }

    /// Lets a reconciler of its own work for a while.
    func reconcile(_ plane: ScriptedPlane, for time: Duration) async throws {
        let work = try start(plane)
        try await Task.sleep(for: time)
        work.cancel()
        await work.value
    }

    private func start(_ plane: ScriptedPlane) throws -> Task<Void, Never> {
        let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).json").path
        try AccessKeys.make(endpoint: "http://127.0.0.1").save(file) { try $0.write(to: URL(fileURLWithPath: $1)) }
        defer { try? FileManager.default.removeItem(atPath: file) }
        let reconciler = Reconciler(
            keeper: keeper, plane: plane, offers: offers, secrets: secrets, account: account,
            keyFile: try AccessKeyFile(path: file), crash: CrashPoint(environment: [:]),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        return Task { await reconciler.run() }
    }

    // MARK: - Inputs

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

    static func proxy(_ id: String) -> AWSValue {
        [
            "DBProxyName": .string(id), "EngineFamily": "POSTGRESQL", "RoleArn": "arn:aws:iam::123456789012:role/any",
            "VpcSubnetIds": ["subnet-1", "subnet-2"],
        ]
    }
}

extension AWSValue {
    /// The same structure with other members as well.
    func with(_ members: [String: AWSValue]) -> AWSValue {
        .structure((structure ?? [:]).merging(members) { $1 })
    }
}
