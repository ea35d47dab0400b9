// SPDX-License-Identifier: Apache-2.0

package import AWSProtocol
internal import Engines
internal import Foundation

/// A service of the endpoint: a table of shapes and what to do for its operations.
protocol AWSService: Sendable {
    var model: ServiceModel { get }
    /// Throws `AWSError` for what the client is told; anything else is an internal failure.
    func perform(_ operation: String, _ input: Input, caller: SignatureV4.Signer) async throws -> AWSValue
}

/// Amazon RDS as far as Aurora's clients need it. Handlers change the desired state; the reconciler does the work.
package struct RDSService: AWSService {
    typealias Handler = @Sendable (RDSService, Input) async throws -> AWSValue

    let model = ServiceModel.rds
    let keeper: StateKeeper
    let offers: [EngineOffer]
    let account: Account
    let secrets: SecretBox
    let logs: LogDirectory
    let authority: CertificateFacts
    let topics: TopicFile
    let scratch = ScratchCatalogs()

    private static let handlers: [String: Handler] = [
        clusterHandlers, instanceHandlers, endpointHandlers, certificateHandlers,
        parameterHandlers, subnetHandlers, tagHandlers, eventHandlers, offerHandlers, absentHandlers,
        proxyHandlers, proxyTargetHandlers, proxyEndpointHandlers,
    ]
    .reduce(into: [:]) { all, some in all.merge(some) { $1 } }

    package init(
        keeper: StateKeeper, offers: [EngineOffer], account: Account, secrets: SecretBox, logs: LogDirectory,
        authority: CertificateFacts, topics: TopicFile
    ) {
        self.keeper = keeper
        self.offers = offers
        self.account = account
        self.secrets = secrets
        self.logs = logs
        self.authority = authority
        self.topics = topics
    }

    func perform(_ operation: String, _ input: Input, caller: SignatureV4.Signer) async throws -> AWSValue {
        try await perform(operation, input)
    }

    /// The same without a caller: every caller may do everything.
    package func perform(_ operation: String, _ input: AWSValue) async throws -> AWSValue {
        try await perform(operation, Input(input))
    }

    private func perform(_ operation: String, _ input: Input) async throws -> AWSValue {
        guard let handler = Self.handlers[operation] else {
            throw AWSError.notImplemented("The operation \(operation) is not available in this region yet.")
        }
        return try await handler(self, input)
    }

    var state: DesiredState { keeper.state }

    /// Changes the desired state; the error's shape decides code and status.
    func update<Result: Sendable>(
        _ body: @Sendable (inout DesiredState) throws -> Result
    ) async throws -> Result {
        try await keeper.update(body)
    }

    func fault(_ shape: String, _ message: String) -> AWSError { AWSError(model, shape, message) }

    // MARK: - Finding things

    func cluster(_ name: String, in state: DesiredState) throws(AWSError) -> ClusterRecord {
        let id = Self.bareName(name, "cluster")
        let found = state.clusters[id] ?? state.clusters.values.first { $0.resourceID.lowercased() == id }
        guard let found else { throw fault("DBClusterNotFoundFault", "DBCluster \(name) not found.") }
        return found
    }

    func instance(_ name: String, in state: DesiredState) throws(AWSError) -> InstanceRecord {
        let id = Self.bareName(name, "db")
        let found = state.instances[id] ?? state.instances.values.first { $0.resourceID.lowercased() == id }
        guard let found else { throw fault("DBInstanceNotFoundFault", "DBInstance \(name) not found.") }
        return found
    }

    func parameterGroup(
        _ level: ParameterGroupRecord.Level, _ name: String, in state: DesiredState
    ) throws(AWSError) -> ParameterGroupRecord {
        let bare = Self.bareName(name, level == .cluster ? "cluster-pg" : "pg")
        guard let found = state.parameterGroup(level, bare, offers) else {
            let title = level == .cluster ? "DBClusterParameterGroup" : "DBParameterGroup"
            throw fault("DBParameterGroupNotFoundFault", "\(title) not found: \(name)")
        }
        return found
    }

    func subnetGroup(_ name: String, in state: DesiredState) throws(AWSError) -> SubnetGroupRecord {
        guard let found = state.subnetGroup(Self.bareName(name, "subgrp"), account) else {
            throw fault("DBSubnetGroupNotFoundFault", "DBSubnetGroup \(name) not found.")
        }
        return found
    }

    /// A name or an ARN of the type, in lower case.
    private static func bareName(_ text: String, _ type: String) -> String {
        let parts = text.split(separator: ":", maxSplits: 6, omittingEmptySubsequences: false)
        guard parts.count == 7, parts[0] == "arn", parts[5] == type else { return text.lowercased() }
        return parts[6].lowercased()
    }

    func offer(of kind: EngineKind) throws -> EngineOffer {
        guard let offer = offers.first(where: { $0.kind == kind }) else {
            throw AWSError.invalidValue("The engine \(kind.awsName) is not installed here.")
        }
        return offer
    }

    /// The engine that a client asks for, in the version it asks for.
    func offer(_ engine: String, version: String?) throws -> EngineOffer {
        guard let offer = offers.first(where: { $0.name == engine.lowercased() }) else {
            let names = offers.map(\.name).joined(separator: ", ")
            throw AWSError.invalidValue("Invalid DB engine: \(engine). This region has \(names).")
        }
        if let version, !offer.satisfies(version) {
            throw AWSError.invalidCombination(
                "Cannot find version \(version) for \(engine). This region has \(offer.version).")
        }
        return offer
    }

    static func tagList(_ tags: [Tag]) -> AWSValue {
        .list(tags.map { ["Key": .string($0.key), "Value": .string($0.value)] })
    }

    static func merge(_ tags: [Tag], into old: [Tag]) -> [Tag] {
        old.filter { tag in !tags.contains { $0.key == tag.key } } + tags
    }
}

/// STS, as far as clients use it to see who they are.
struct STSService: AWSService {
    let model = ServiceModel.sts
    let account: Account
    let keys: AccessKeyFile

    func perform(_ operation: String, _ input: Input, caller: SignatureV4.Signer) async throws -> AWSValue {
        switch operation {
        case "GetCallerIdentity":
            let principal = keys.current.principal(of: caller.accessKey)
            return [
                "UserId": .string(principal == "root" ? account.id : caller.accessKey), "Account": .string(account.id),
                "Arn": .string("arn:aws:iam::\(account.id):\(principal)"),
            ]
        default:
            throw AWSError.notImplemented("The operation \(operation) is not available in this region yet.")
        }
    }
}
