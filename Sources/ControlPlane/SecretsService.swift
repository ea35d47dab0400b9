// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Foundation

/// Secrets Manager as far as DB proxies and their users need it: values, their newest two versions, deletion with a
/// recovery window. There is no rotation, no replication and no resource policy.
///
/// Values are sealed under the region's own key before they are stored. The calls are those of
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Operations.html>.
struct SecretsService: AWSService {
    private typealias Handler = @Sendable (SecretsService, Input) async throws -> AWSValue

    private static let secretsMax = 1_000
    private static let bytesMax = 65_536
    private static let recoveryDays = 7...30
    private static let pageMax = 100

    let model = ServiceModel.secretsManager
    let keeper: StateKeeper
    let account: Account
    let box: SecretBox

    private static let handlers: [String: Handler] = [
        "CreateSecret": { try await $0.create($1) },
        "PutSecretValue": { try await $0.put($1) },
        "UpdateSecret": { try await $0.update($1) },
        "GetSecretValue": { try $0.value($1) },
        "DescribeSecret": { try $0.describeOne($1) },
        "ListSecrets": { try $0.list($1) },
        "DeleteSecret": { try await $0.delete($1) },
        "RestoreSecret": { try await $0.restore($1) },
    ]

    func perform(_ operation: String, _ input: Input, caller: SignatureV4.Signer) async throws -> AWSValue {
        guard let handler = Self.handlers[operation] else {
            throw AWSError.notImplemented("The operation \(operation) is not available in this region yet.")
        }
        return try await handler(self, input)
    }

    private func fault(_ shape: String, _ message: String) -> AWSError { AWSError(model, shape, message) }

    // MARK: - Making and changing

    private func create(_ input: Input) async throws -> AWSValue {
        try input.refuse(["KmsKeyId", "Type", "CrossAccountPrimaryARN"])
        guard (input.structures("AddReplicaRegions") ?? []).isEmpty else {
            throw fault("InvalidParameterException", "This region has no other region to copy a secret to.")
        }
        let name = input.string("Name") ?? ""
        guard name.wholeMatch(of: /[A-Za-z0-9\/_+=.@-]{1,512}/) != nil else {
            throw fault(
                "InvalidParameterException",
                "Invalid name. It has 1 to 512 of the characters a-z A-Z 0-9 / _ + = . @ -")
        }
        let now = Timestamp.now
        var secret = SecretRecord(
            id: name, suffix: Self.letters(), description: input.string("Description"), created: now, changed: now,
            tags: try input.tags())
        secret.current = try version(input, of: secret, now)
        let made = secret
        return try await keeper.update { state in
            state.forgetSecrets(now: now)
            guard state.secrets[name] == nil else {
                throw fault(
                    "ResourceExistsException", "The operation failed because the secret \(name) already exists.")
            }
            guard state.secrets.count < Self.secretsMax else {
                throw fault("LimitExceededException", "There are \(Self.secretsMax) secrets, the most there can be.")
            }
            state.secrets[name] = made
            return answer(made)
        }
    }

    private func put(_ input: Input) async throws -> AWSValue {
        guard (input.strings("VersionStages") ?? ["AWSCURRENT"]) == ["AWSCURRENT"] else {
            throw fault("InvalidParameterException", "This region moves the stages AWSCURRENT and AWSPREVIOUS only.")
        }
        guard input.has("SecretString") || input.has("SecretBinary") else {
            throw fault("InvalidParameterException", "Give SecretString or SecretBinary.")
        }
        var fields = try await change(input) { _ in }.structure ?? [:]
        fields["VersionStages"] = ["AWSCURRENT"]
        return .structure(fields)
    }

    private func update(_ input: Input) async throws -> AWSValue {
        try input.refuse(["KmsKeyId", "Type"])
        return try await change(input) { secret in
            if let text = input.string("Description") { secret.description = text }
        }
    }

    /// Puts the value that `input` has, if any, in front of those before, and whatever else `body` does.
    private func change(
        _ input: Input, _ body: @Sendable (inout SecretRecord) -> Void
    ) async throws -> AWSValue {
        try await keeper.update { state in
            var secret = try live(input, in: state)
            if let version = try version(input, of: secret, .now), version.id != secret.current?.id {
                secret.previous = secret.current
                secret.current = version
            }
            body(&secret)
            secret.changed = .now
            state.secrets[secret.id] = secret
            return answer(secret)
        }
    }

    private func version(
        _ input: Input, of secret: SecretRecord, _ now: Timestamp
    ) throws -> SecretRecord.Version? {
        let binary = input.bytes("SecretBinary")
        guard let text = input.string("SecretString") ?? binary.map({ Data($0).base64EncodedString() }) else {
            return nil
        }
        guard binary == nil || !input.has("SecretString") else {
            throw fault("InvalidParameterException", "Give one of SecretString and SecretBinary.")
        }
        guard (1...Self.bytesMax).contains(text.utf8.count) else {
            throw fault("InvalidParameterException", "A secret's value has between 1 and \(Self.bytesMax) bytes.")
        }
        return SecretRecord.Version(
            id: input.string("ClientRequestToken") ?? UUID().uuidString.lowercased(),
            value: try box.seal(text, context: secret.arn(account)), isBinary: binary != nil, created: now)
    }

    private static func letters() -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        return String((0..<6).map { _ in alphabet[Int.random(in: 0..<alphabet.count)] })
    }

    private func answer(_ secret: SecretRecord) -> AWSValue {
        var fields: [String: AWSValue] = ["ARN": .string(secret.arn(account)), "Name": .string(secret.id)]
        if let version = secret.current { fields["VersionId"] = .string(version.id) }
        return .structure(fields)
    }

    // MARK: - Reading

    private func find(_ input: Input, in state: DesiredState) throws(AWSError) -> SecretRecord {
        guard let secret = state.secret(input.string("SecretId") ?? "", account),
            secret.deletion.map({ $0 > .now }) ?? true
        else { throw fault("ResourceNotFoundException", "Secrets Manager can't find the specified secret.") }
        return secret
    }

    /// One that nobody has asked to be deleted.
    private func live(_ input: Input, in state: DesiredState) throws(AWSError) -> SecretRecord {
        let secret = try find(input, in: state)
        guard secret.deletion == nil else {
            throw fault(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.")
        }
        return secret
    }

    private func value(_ input: Input) throws -> AWSValue {
        let secret = try live(input, in: keeper.state)
        let wanted = [("AWSCURRENT", secret.current), ("AWSPREVIOUS", secret.previous)].first { stage, version in
            guard let version else { return false }
            return input.string("VersionId").map { $0 == version.id } ?? true
                && input.string("VersionStage").map { $0 == stage } ?? true
        }
        guard let (stage, version) = wanted, let version else {
            throw fault(
                "ResourceNotFoundException",
                "Secrets Manager can't find the specified secret value for the version asked for.")
        }
        let text = try box.open(version.value, context: secret.arn(account))
        var fields: [String: AWSValue] = [
            "ARN": .string(secret.arn(account)), "Name": .string(secret.id), "VersionId": .string(version.id),
            "VersionStages": .list([.string(stage)]), "CreatedDate": .timestamp(version.created),
        ]
        if version.isBinary {
            fields["SecretBinary"] = .blob(Array(Data(base64Encoded: text) ?? Data()))
        } else {
            fields["SecretString"] = .string(text)
        }
        return .structure(fields)
    }

    private func describeOne(_ input: Input) throws -> AWSValue {
        .structure(describe(try find(input, in: keeper.state), versions: "VersionIdsToStages"))
    }

    private func list(_ input: Input) throws -> AWSValue {
        let now = Timestamp.now
        var filters: [(key: String, values: [String])] = []
        for filter in input.structures("Filters") ?? [] {
            guard let key = filter.string("Key"), ["name", "description", "tag-key", "all"].contains(key) else {
                throw fault("InvalidParameterException", "A filter's key is name, description, tag-key or all.")
            }
            filters.append((key, filter.strings("Values") ?? []))
        }
        let found = keeper.state.secrets.values.sorted { $0.id < $1.id }.filter { secret in
            if let deletion = secret.deletion {
                guard deletion > now, input.boolean("IncludePlannedDeletion") == true else { return false }
            }
            return filters.allSatisfy { filter in filter.values.contains { Self.matches(secret, filter.key, $0) } }
        }
        let start = try input.string("NextToken").map { token throws(AWSError) in
            guard let index = found.firstIndex(where: { $0.id > token }) else {
                throw fault("InvalidNextTokenException", "The token is not one of an unfinished list.")
            }
            return index
        }
        let rest = found[(start ?? 0)...]
        let page = rest.prefix(max(1, min(input.integer("MaxResults") ?? Self.pageMax, Self.pageMax)))
        var answer: [String: AWSValue] = [
            "SecretList": .list(page.map { .structure(describe($0, versions: "SecretVersionsToStages")) })
        ]
        if page.count < rest.count, let last = page.last { answer["NextToken"] = .string(last.id) }
        return .structure(answer)
    }

    /// Names and tags match from their beginning, descriptions anywhere.
    private static func matches(_ secret: SecretRecord, _ key: String, _ value: String) -> Bool {
        let name = secret.id.hasPrefix(value)
        let description = secret.description?.localizedCaseInsensitiveContains(value) ?? false
        let tag = secret.tags.contains { $0.key.hasPrefix(value) }
        return switch key {
        case "name": name
        case "description": description
        case "tag-key": tag
        default: name || description || tag
        }
    }

    private func describe(_ secret: SecretRecord, versions: String) -> [String: AWSValue] {
        var stages: [String: AWSValue] = [:]
        if let version = secret.current { stages[version.id] = ["AWSCURRENT"] }
        if let version = secret.previous { stages[version.id] = ["AWSPREVIOUS"] }
        var fields: [String: AWSValue] = [
            "ARN": .string(secret.arn(account)), "Name": .string(secret.id), "RotationEnabled": false,
            "CreatedDate": .timestamp(secret.created), "LastChangedDate": .timestamp(secret.changed),
            "Tags": RDSService.tagList(secret.tags), versions: .structure(stages),
        ]
        if let text = secret.description { fields["Description"] = .string(text) }
        if let deletion = secret.deletion { fields["DeletedDate"] = .timestamp(deletion) }
        return fields
    }

    // MARK: - Deleting

    private func delete(_ input: Input) async throws -> AWSValue {
        let isForced = input.boolean("ForceDeleteWithoutRecovery") ?? false
        let days = input.integer("RecoveryWindowInDays")
        guard days.map(Self.recoveryDays.contains) ?? true, !isForced || days == nil else {
            throw fault(
                "InvalidParameterException",
                "Give RecoveryWindowInDays from 7 to 30, or ForceDeleteWithoutRecovery, or neither.")
        }
        return try await keeper.update { state in
            var secret = try find(input, in: state)
            let wait = isForced ? 0 : Int64(days ?? Self.recoveryDays.upperBound) * 86_400_000
            let deletion = Timestamp(milliseconds: Timestamp.now.milliseconds + wait)
            secret.deletion = deletion
            state.secrets[secret.id] = isForced ? nil : secret
            return [
                "ARN": .string(secret.arn(account)), "Name": .string(secret.id), "DeletionDate": .timestamp(deletion),
            ]
        }
    }

    private func restore(_ input: Input) async throws -> AWSValue {
        try await keeper.update { state in
            var secret = try find(input, in: state)
            secret.deletion = nil
            state.secrets[secret.id] = secret
            return ["ARN": .string(secret.arn(account)), "Name": .string(secret.id)]
        }
    }
}
