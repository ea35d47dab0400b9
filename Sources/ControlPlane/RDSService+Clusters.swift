// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Engines
internal import Foundation

extension RDSService {
    static let clusterHandlers: [String: Handler] = [
        "CreateDBCluster": { try await $0.createCluster($1) },
        "DescribeDBClusters": { try $0.describeClusters($1) },
        "ModifyDBCluster": { try await $0.modifyCluster($1) },
        "DeleteDBCluster": { try await $0.deleteCluster($1) },
        "StartDBCluster": { try await $0.startCluster($1) },
        "StopDBCluster": { try await $0.stopCluster($1) },
        "FailoverDBCluster": { try await $0.failoverCluster($1) },
    ]

    /// Ways to get a cluster, and properties of one, that the region does not have.
    private static let unsupported = [
        "ReplicationSourceIdentifier", "GlobalClusterIdentifier", "EnableIAMDatabaseAuthentication",
        "EnableHttpEndpoint", "ManageMasterUserPassword", "EnableGlobalWriteForwarding", "EnableLocalWriteForwarding",
        "ServerlessV2ScalingConfiguration", "ScalingConfiguration", "Domain", "DomainIAMRoleName",
        "DBClusterInstanceClass", "Iops", "AllocatedStorage", "EnableLimitlessDatabase", "WithExpressConfiguration",
        "EnablePerformanceInsights", "PerformanceInsightsKMSKeyId", "PerformanceInsightsRetentionPeriod",
        "MonitoringInterval", "RotateMasterUserPassword", "MasterUserSecretKmsKeyId", "CharacterSetName",
        "CACertificateIdentifier", "DBSystemId", "RdsCustomClusterConfiguration", "PreSignedUrl", "PubliclyAccessible",
        "AwsBackupRecoveryPointArn", "AllowEngineModeChange",
    ]
    /// Properties that have one value here.
    private static let fixed: [(name: String, value: String, others: [String])] = [
        ("DatabaseInsightsMode", "standard", ["advanced"]), ("ClusterScalabilityType", "standard", ["limitless"]),
        ("MasterUserAuthenticationType", "password", ["iam-db-auth"]),
    ]
    private static let ioOptimized = "aurora-iopt1"
    /// A cluster changes to it once in so long, and back at any time.
    private static let ioOptimizedPauseSeconds: Int64 = 30 * 86400
    private static let lifecycles = [
        "open-source-rds-extended-support", "open-source-rds-extended-support-disabled",
    ]

    // MARK: - Create

    private func createCluster(_ input: Input) async throws -> AWSValue {
        let id = try input.identifier("DBClusterIdentifier")
        let offer = try offer(input.required("Engine"), version: input.string("EngineVersion"))
        try input.refuse(Self.unsupported)
        try Self.checkBacktrack(input)
        try checkZones(input)
        if let mode = input.string("EngineMode"), mode != "provisioned" {
            throw AWSError.invalidValue("The engine mode \(mode) is not supported; use provisioned.")
        }
        let user = try Self.masterUsername(input, offer.kind)
        let password = try input.required("MasterUserPassword")
        try Input.checkPassword(password)
        var cluster = ClusterRecord(
            id: id, planeID: id, offer: offer, port: offer.kind.defaultAPIPort, account: account)
        cluster.masterUsername = user
        cluster.password = try secrets.seal(password, context: cluster.resourceID)
        cluster.databaseName = try Self.databaseName(input, offer.kind)
        cluster.tags = try input.tags()
        if let group = input.string("DBSubnetGroupName") { cluster.subnetGroup = try subnetGroup(group, in: state).id }
        try change(&cluster, input)
        let record = cluster
        return try await update { state in
            var record = record
            guard state.clusters[id] == nil else {
                throw fault("DBClusterAlreadyExistsFault", "DB Cluster already exists")
            }
            guard state.clusters.count < Quota.clusters else {
                throw fault("DBClusterQuotaExceededFault", "The quota of \(Quota.clusters) DB clusters is reached.")
            }
            record.planeID = state.planeID(for: id, taken: state.clusters.values.map(\.planeID))
            state.clusters[id] = record
            return ["DBCluster": describe(record, state)]
        }
    }

    private static func masterUsername(_ input: Input, _ engine: EngineKind) throws(AWSError) -> String {
        let name = try input.required("MasterUsername")
        let lengthMax = engine == .postgres ? 63 : 16
        let isValid =
            name.utf8.count <= lengthMax && name.first.map { $0.isASCII && $0.isLetter } == true
            && name.utf8.allSatisfy { $0 == 95 || Character(UnicodeScalar($0)).isLetter || (48...57).contains($0) }
            && name.allSatisfy(\.isASCII)
        guard isValid else {
            throw .invalidValue(
                "MasterUsername \(name.prefix(100)) is not valid: a letter first, then letters, digits and underscores, at most \(lengthMax)."
            )
        }
        let names = ["rdsadmin", "root", "mysql", "mariadb.sys", "borealis"]
        let reserved = names + (engine == .postgres ? ["admin"] : [])
        let isSystem = engine == .postgres && name.lowercased().hasPrefix("pg_")
        guard !reserved.contains(name.lowercased()), !isSystem else {
            throw .invalidValue("MasterUsername \(name) cannot be used as it is a reserved word used by the engine")
        }
        return name
    }

    private static func databaseName(_ input: Input, _ engine: EngineKind) throws(AWSError) -> String? {
        guard let name = input.string("DatabaseName"), !name.isEmpty else { return nil }
        let isValid =
            name.utf8.count <= 64 && name.first.map { $0.isASCII && $0.isLetter } == true
            && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        guard isValid else {
            throw .invalidValue("DatabaseName must begin with a letter and contain only alphanumeric characters.")
        }
        // The schemas and templates of the engine. `postgres` is no such name: it is there, as at AWS, and stays as it is.
        let reserved =
            switch engine {
            case .postgres: ["template0", "template1", "rdsadmin"]
            case .mariadb: ["information_schema", "mysql", "performance_schema", "sys", "rdsadmin"]
            }
        guard !reserved.contains(name.lowercased()) else {
            throw .invalidValue("DatabaseName \(name) cannot be used. It is a reserved word for this engine")
        }
        return name
    }

    private static func checkBacktrack(_ input: Input) throws(AWSError) {
        guard let window = input.integer("BacktrackWindow"), window != 0 else { return }
        throw .invalidCombination("BacktrackWindow is not supported by this region.")
    }

    private func checkZones(_ input: Input) throws(AWSError) {
        for zone in input.strings("AvailabilityZones") ?? [] where !account.zones.contains(zone) {
            throw .invalidValue(
                "Invalid availability zone: [\(zone)]. This region has \(account.zones.joined(separator: ", ")).")
        }
    }

    private func checkFixed(_ input: Input) throws(AWSError) {
        for (name, value, others) in Self.fixed {
            guard let wanted = input.string(name), wanted != value else { continue }
            guard others.contains(wanted) else { throw .invalidValue("Invalid value \(wanted) for \(name).") }
            throw .invalidCombination("\(name) \(wanted) is not supported by this region; it is \(value).")
        }
        switch input.string("NetworkType") {
        case nil, "IPV4": break
        case "DUAL": throw fault("NetworkTypeNotSupported", "The network type DUAL is not supported; use IPV4.")
        case .some(let other): throw .invalidValue("Invalid value \(other) for NetworkType.")
        }
        if let group = input.string("OptionGroupName"), !group.hasPrefix("default:") {
            throw fault("OptionGroupNotFoundFault", "Specified OptionGroupName: \(group) not found.")
        }
    }

    /// What creation and modification have in common.
    private func change(_ cluster: inout ClusterRecord, _ input: Input) throws {
        try checkFixed(input)
        if let lifecycle = input.string("EngineLifecycleSupport") {
            guard Self.lifecycles.contains(lifecycle) else {
                throw AWSError.invalidValue("Invalid value \(lifecycle) for EngineLifecycleSupport.")
            }
            cluster.engineLifecycleSupport = lifecycle
        }
        if let port = try input.integer("Port", in: 1150...65535) { cluster.port = port }
        if let days = try input.integer("BackupRetentionPeriod", in: 1...35) { cluster.backupRetentionDays = days }
        try changeWindows(of: &cluster, input)
        if let type = input.string("StorageType") { try changeStorage(of: &cluster, to: type) }
        if input.boolean("StorageEncrypted") == false {
            throw AWSError.invalidCombination("Every volume of this region is encrypted; leave StorageEncrypted out.")
        }
        if input.has("KmsKeyId") {
            throw fault("KMSKeyNotAccessibleFault", "This region has no key service yet; leave KmsKeyId out.")
        }
        if let group = input.string("DBClusterParameterGroupName") {
            guard let found = state.parameterGroup(.cluster, group, offers) else {
                // Operations on clusters have a code of their own for it.
                throw fault("DBClusterParameterGroupNotFoundFault", "DBClusterParameterGroup not found: \(group)")
            }
            guard found.family == cluster.family else {
                throw AWSError.invalidCombination(
                    "The parameter group \(found.name) with DBParameterGroupFamily \(found.family) cannot be used for this "
                        + "cluster. Use a group with DBParameterGroupFamily \(cluster.family).")
            }
            cluster.parameterGroup = found.name
        }
        if let groups = input.strings("VpcSecurityGroupIds") {
            cluster.securityGroups = groups.isEmpty ? [ClusterRecord.defaultSecurityGroup] : groups
        }
        if let flag = input.boolean("DeletionProtection") { cluster.isDeletionProtected = flag }
        if let flag = input.boolean("CopyTagsToSnapshot") { cluster.copiesTagsToSnapshots = flag }
        if let flag = input.boolean("AutoMinorVersionUpgrade") { cluster.upgradesMinorVersions = flag }
        if let types = input.strings("EnableCloudwatchLogsExports") { cluster.logExports = try checked(types, cluster) }
        if let change = input.structure("CloudwatchLogsExportConfiguration") {
            let enabled = try checked(change.strings("EnableLogTypes") ?? [], cluster)
            let disabled = Set(try checked(change.strings("DisableLogTypes") ?? [], cluster))
            cluster.logExports = Set(cluster.logExports).subtracting(disabled).union(enabled).sorted()
        }
    }

    /// A cluster that is being made may have one of its windows from here, which then stays out of the other one's way.
    private func changeWindows(of cluster: inout ClusterRecord, _ input: Input) throws {
        let backup = try input.window("PreferredBackupWindow", isWeekly: false)
        let maintenance = try input.window("PreferredMaintenanceWindow", isWeekly: true)
        guard backup != nil || maintenance != nil else { return }
        if let backup { cluster.backupWindow = backup.text }
        if let maintenance { cluster.maintenanceWindow = maintenance.text }
        if cluster.status == .creating, Self.windowsOverlap(cluster) {
            if backup == nil, let maintenance { cluster.backupWindow = maintenance.successor.text }
            if maintenance == nil, let backup { cluster.maintenanceWindow = backup.successor.text }
        }
        guard !Self.windowsOverlap(cluster) else {
            throw AWSError.invalidValue("The backup window and maintenance window must not overlap.")
        }
    }

    private static func windowsOverlap(_ cluster: ClusterRecord) -> Bool {
        guard let backup = TimeWindow(cluster.backupWindow), let maintenance = TimeWindow(cluster.maintenanceWindow)
        else { return false }
        return backup.overlaps(maintenance)
    }

    private func changeStorage(of cluster: inout ClusterRecord, to type: String) throws {
        guard ["aurora", Self.ioOptimized].contains(type) else {
            throw fault(
                "StorageTypeNotSupportedFault",
                "The storage type \(type) is not supported; use aurora or \(Self.ioOptimized).")
        }
        if type == Self.ioOptimized, type != cluster.storageType, cluster.status != .creating {
            if let next = cluster.ioOptimizedNext, next > .now {
                throw AWSError.invalidCombination(
                    "The storage type of \(cluster.id) was changed to \(type) less than 30 days ago: it can be again from "
                        + "\(next.iso8601) on.")
            }
            cluster.ioOptimizedNext = Timestamp(seconds: Timestamp.now.seconds + Self.ioOptimizedPauseSeconds)
        }
        cluster.storageType = type
    }

    private func checked(_ types: [String], _ cluster: ClusterRecord) throws -> [String] {
        for type in types where !cluster.engine.logTypes.contains(type) {
            throw AWSError.invalidCombination(
                "You cannot use the log type '\(type)' with engine \(cluster.engine.awsName).")
        }
        return types
    }

    // MARK: - Describe

    private func describeClusters(_ input: Input) throws -> AWSValue {
        let state = state
        var clusters = Array(state.clusters.values)
        if let name = input.string("DBClusterIdentifier"), !name.isEmpty {
            clusters = [try cluster(name, in: state)]
        }
        let filters = try Filters<ClusterRecord>(
            input,
            [
                "db-cluster-id": { [$0.id, account.arn("cluster", $0.id)] },
                "db-cluster-resource-id": { [$0.resourceID] },
                "engine": { [$0.engine.awsName] },
                "clone-group-id": { [$0.resourceID] },
                "domain": { _ in [] },
            ])
        clusters = clusters.filter(filters.admits).sorted { $0.id < $1.id }
        return try Page(input).answer(clusters, as: "DBClusters", key: \.id) { describe($0, state) }
    }

    func describe(_ cluster: ClusterRecord, _ state: DesiredState) -> AWSValue {
        let members = state.members(of: cluster.id)
        var fields: [String: AWSValue] = [
            "AllocatedStorage": 1, "AvailabilityZones": AWSValue(account.zones),
            "BackupRetentionPeriod": .integer(Int64(cluster.backupRetentionDays)),
            "DBClusterIdentifier": .string(cluster.id), "DBClusterParameterGroup": .string(cluster.parameterGroup),
            "DBSubnetGroup": .string(cluster.subnetGroup), "Status": .string(cluster.status.rawValue),
            "MultiAZ": .boolean(Set(members.map(\.zone)).count > 1), "Engine": .string(cluster.engine.awsName),
            "EngineVersion": .string(cluster.engineVersion), "Port": .integer(Int64(cluster.port)),
            "MasterUsername": .string(cluster.masterUsername), "PreferredBackupWindow": .string(cluster.backupWindow),
            "PreferredMaintenanceWindow": .string(cluster.maintenanceWindow), "ReadReplicaIdentifiers": [],
            "DBClusterMembers": .list(members.map { member($0, cluster, state) }),
            "VpcSecurityGroups": securityGroups(cluster), "StorageEncrypted": true,
            "StorageEncryptionType": "sse-rds", "DbClusterResourceId": .string(cluster.resourceID),
            "DBClusterArn": .string(account.arn("cluster", cluster.id)), "AssociatedRoles": [],
            "IAMDatabaseAuthenticationEnabled": false, "ClusterCreateTime": .timestamp(cluster.created),
            "EnabledCloudwatchLogsExports": AWSValue(cluster.logExports), "EngineMode": "provisioned",
            "StorageType": .string(cluster.storageType), "DeletionProtection": .boolean(cluster.isDeletionProtected),
            "HttpEndpointEnabled": false, "ActivityStreamStatus": "stopped",
            "CopyTagsToSnapshot": .boolean(cluster.copiesTagsToSnapshots), "CrossAccountClone": false,
            "DomainMemberships": [], "TagList": Self.tagList(cluster.tags), "NetworkType": "IPV4",
            "DatabaseInsightsMode": "standard", "PerformanceInsightsEnabled": false,
            "ClusterScalabilityType": "standard",
            "AutoMinorVersionUpgrade": .boolean(cluster.upgradesMinorVersions),
        ]
        if !cluster.host.isEmpty {
            fields["Endpoint"] = .string(cluster.host)
            fields["ReaderEndpoint"] = .string(cluster.readerHost ?? cluster.host)
        }
        let custom = state.endpoints.values.filter { $0.cluster == cluster.id }.sorted { $0.id < $1.id }
        if !custom.isEmpty { fields["CustomEndpoints"] = AWSValue(custom.compactMap(\.host)) }
        if let name = cluster.databaseName { fields["DatabaseName"] = .string(name) }
        if let lifecycle = cluster.engineLifecycleSupport { fields["EngineLifecycleSupport"] = .string(lifecycle) }
        if let moment = cluster.automaticRestart { fields["AutomaticRestartTime"] = .timestamp(moment) }
        if let moment = cluster.ioOptimizedNext {
            fields["IOOptimizedNextAllowedModificationTime"] = .timestamp(moment)
        }
        if cluster.status == .resettingMasterCredentials {
            fields["PendingModifiedValues"] = ["MasterUserPassword": "****"]
        }
        return .structure(fields)
    }

    private func member(_ instance: InstanceRecord, _ cluster: ClusterRecord, _ state: DesiredState) -> AWSValue {
        [
            "DBInstanceIdentifier": .string(instance.id),
            "IsClusterWriter": .boolean(state.isWriter(instance, of: cluster)),
            "DBClusterParameterGroupStatus": .string(InstanceSettings(instance, cluster, state).clusterStatus),
            "PromotionTier": .integer(Int64(instance.promotionTier)),
        ]
    }

    func securityGroups(_ cluster: ClusterRecord) -> AWSValue {
        .list(cluster.securityGroups.map { ["VpcSecurityGroupId": .string($0), "Status": "active"] })
    }

    // MARK: - Modify

    private func modifyCluster(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBClusterIdentifier")
        try input.refuse(Self.unsupported)
        try Self.checkBacktrack(input)
        return try await update { state in
            var record = try cluster(name, in: state)
            let old = record
            guard record.status == .available else {
                throw fault(
                    "InvalidDBClusterStateFault",
                    "DB cluster \(record.id) is not in available state: it is \(record.status.rawValue).")
            }
            if let port = input.integer("Port"), port != record.port {
                throw AWSError.invalidCombination("The port of a cluster is fixed when it is made in this region.")
            }
            if let version = input.string("EngineVersion"), version != record.engineVersion {
                _ = try offer(record.engine.awsName, version: version)
            }
            if let group = input.string("DBInstanceParameterGroupName"), !group.isEmpty {
                throw AWSError.invalidCombination(
                    "The db-instance-parameter-group-name can only be specified for a major engine version upgrade.")
            }
            try change(&record, input)
            if let password = input.string("MasterUserPassword") {
                try Input.checkPassword(password)
                record.password = try secrets.seal(password, context: record.resourceID)
                record.status = .resettingMasterCredentials
            }
            if input.has("NewDBClusterIdentifier") {
                try rename(&record, to: input.identifier("NewDBClusterIdentifier"), in: &state)
                if record.id != old.id && record.status == .available { record.status = .renaming }
            }
            if record != old && record.status == .available { record.status = .modifying }
            state.clusters[record.id] = record
            return ["DBCluster": describe(record, state)]
        }
    }

    private func rename(_ record: inout ClusterRecord, to id: String, in state: inout DesiredState) throws {
        guard id != record.id else { return }
        guard state.clusters[id] == nil else {
            throw fault("DBClusterAlreadyExistsFault", "DB Cluster already exists")
        }
        let old = record.id
        for member in state.members(of: old) { state.instances[member.id]?.cluster = id }
        for endpoint in state.endpoints.values where endpoint.cluster == old {
            state.endpoints[endpoint.id]?.cluster = id
        }
        state.clusters[old] = nil
        record.id = id
        state.renameSource("db-cluster", from: old, to: id)
        state.note(.clusterRenamed(from: old, to: id), cluster: record, account: account, now: .now)
    }

    // MARK: - Delete, stop, start

    private func deleteCluster(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBClusterIdentifier")
        return try await update { state in
            var record = try cluster(name, in: state)
            guard record.status != .deleting else {
                throw fault("InvalidDBClusterStateFault", "Cluster \(record.id) is already being deleted.")
            }
            guard !record.isDeletionProtected else {
                throw AWSError.invalidCombination(
                    "Cannot delete protected Cluster, please disable deletion protection and try again.")
            }
            if input.string("FinalDBSnapshotIdentifier") != nil {
                throw AWSError.invalidCombination(
                    input.boolean("SkipFinalSnapshot") == true
                        ? "FinalDBSnapshotIdentifier cannot be specified when skipping final snapshot creation."
                        : "This region cannot make snapshots yet: use SkipFinalSnapshot, and nothing of the cluster is kept."
                )
            }
            guard input.boolean("SkipFinalSnapshot") == true else {
                throw AWSError.invalidCombination(
                    "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")
            }
            let members = state.members(of: record.id)
            guard members.allSatisfy({ $0.status == .deleting }) else {
                throw fault(
                    "InvalidDBClusterStateFault",
                    "Cluster cannot be deleted, it still contains DB instances in non-deleting state.")
            }
            record.status = .deleting
            for endpoint in state.endpoints.values where endpoint.cluster == record.id {
                state.endpoints[endpoint.id]?.status = .deleting
            }
            state.clusters[record.id] = record
            return ["DBCluster": describe(record, state)]
        }
    }

    private func stopCluster(_ input: Input) async throws -> AWSValue {
        try await turn(input, from: .available, to: .stopping) { state, id in
            let members = state.members(of: id)
            guard !members.isEmpty, members.allSatisfy({ $0.status == .available }) else {
                throw fault(
                    "InvalidDBInstanceStateFault",
                    "Every instance of DbCluster \(id) has to be available, and there has to be one.")
            }
            for member in members {
                state.instances[member.id]?.status = .stopping
                state.instances[member.id]?.generation += 1
            }
        }
    }

    private func startCluster(_ input: Input) async throws -> AWSValue {
        try await turn(input, from: .stopped, to: .starting) { state, id in state.start(membersOf: id) }
    }

    private func failoverCluster(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBClusterIdentifier")
        let wanted = input.string("TargetDBInstanceIdentifier")
        return try await update { state in
            var record = try cluster(name, in: state)
            guard record.status == .available else {
                throw fault(
                    "InvalidDBClusterStateFault",
                    "DB cluster \(record.id) is not in available state: it is \(record.status.rawValue).")
            }
            let target = try wanted.map { try failoverTarget($0, of: record, in: state) }
            let readers = state.members(of: record.id).filter { !state.isWriter($0, of: record) }
            guard readers.contains(where: { $0.status == .available }) else {
                throw fault(
                    "InvalidDBClusterStateFault",
                    "Cluster \(record.id) cannot be failed over, it has no available Aurora Replica.")
            }
            record.status = .failingOver
            record.failoverWish = ClusterRecord.FailoverWish(
                target: target?.planeID, after: record.failover?.number ?? 0, asked: .now)
            state.clusters[record.id] = record
            return ["DBCluster": describe(record, state)]
        }
    }

    private func failoverTarget(
        _ name: String, of cluster: ClusterRecord, in state: DesiredState
    ) throws -> InstanceRecord {
        let target = try instance(name, in: state)
        guard target.cluster == cluster.id, !state.isWriter(target, of: cluster) else {
            throw fault(
                "InvalidDBInstanceStateFault",
                "The instance \(target.id) is not an Aurora Replica of the cluster \(cluster.id).")
        }
        guard target.status == .available else {
            throw fault(
                "InvalidDBInstanceStateFault",
                "The instance \(target.id) is not in available state: it is \(target.status.rawValue).")
        }
        return target
    }

    private func turn(
        _ input: Input, from old: ResourceStatus, to new: ResourceStatus,
        _ members: @Sendable (inout DesiredState, String) throws -> Void
    ) async throws -> AWSValue {
        let name = try input.required("DBClusterIdentifier")
        return try await withoutActuallyEscaping(members) { members in
            try await update { state in
                var record = try cluster(name, in: state)
                guard record.status == old else {
                    throw fault("InvalidDBClusterStateFault", "DbCluster \(record.id) is not in \(old.rawValue) state.")
                }
                try members(&state, record.id)
                record.status = new
                state.clusters[record.id] = record
                return ["DBCluster": describe(record, state)]
            }
        }
    }
}
