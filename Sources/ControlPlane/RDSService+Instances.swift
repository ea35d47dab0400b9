// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Engines
internal import Foundation

extension RDSService {
    static let instanceHandlers: [String: Handler] = [
        "CreateDBInstance": { try await $0.createInstance($1) },
        "DescribeDBInstances": { try $0.describeInstances($1) },
        "ModifyDBInstance": { try await $0.modifyInstance($1) },
        "DeleteDBInstance": { try await $0.deleteInstance($1) },
        "RebootDBInstance": { try await $0.rebootInstance($1) },
        "DescribeDBLogFiles": { try $0.describeLogFiles($1) },
        "DownloadDBLogFilePortion": { try $0.downloadLogFilePortion($1) },
    ]

    private static let unsupported = [
        "EnablePerformanceInsights", "EnableIAMDatabaseAuthentication", "ManageMasterUserPassword", "Domain",
        "DomainFqdn", "DomainIAMRoleName", "TdeCredentialArn", "TdeCredentialPassword", "MultiTenant",
        "CustomIamInstanceProfile", "Iops", "StorageThroughput", "MonitoringInterval", "PerformanceInsightsKMSKeyId",
        "PerformanceInsightsRetentionPeriod", "MultiAZ", "MaxAllocatedStorage", "ProcessorFeatures",
        "DedicatedLogVolume",
        "EnableCustomerOwnedIp", "AdditionalStorageVolumes", "DBCapacityReservationIdentifier", "DBSystemId",
        "NcharCharacterSetName", "CharacterSetName", "Timezone", "AwsBackupRecoveryPointArn", "DBSecurityGroups",
    ]
    /// Properties that an Aurora instance has from its cluster.
    private static let ofCluster = [
        "MasterUsername", "MasterUserPassword", "BackupRetentionPeriod", "PreferredBackupWindow", "DBName",
        "VpcSecurityGroupIds", "KmsKeyId", "Port", "DBPortNumber", "DeletionProtection", "AllocatedStorage",
        "MasterUserAuthenticationType",
    ]

    // MARK: - Create

    private func createInstance(_ input: Input) async throws -> AWSValue {
        let id = try input.identifier("DBInstanceIdentifier")
        let offer = try offer(input.required("Engine"), version: nil)
        let version = input.string("EngineVersion")
        guard let clusterName = input.string("DBClusterIdentifier"), !clusterName.isEmpty else {
            throw AWSError.invalidCombination("The engine \(offer.name) requires DBClusterIdentifier.")
        }
        try input.refuse(Self.unsupported)
        try refuseClusterProperties(input)
        return try await update { state in
            let cluster = try cluster(clusterName, in: state)
            guard cluster.engine == offer.kind else {
                throw AWSError.invalidCombination(
                    "The engine name requested for your DB instance (\(offer.name)) doesn't match the engine name of your DB "
                        + "cluster (\(cluster.engine.awsName)).")
            }
            // The cluster's own is good whatever has become of the package since.
            if version != cluster.engineVersion { _ = try self.offer(offer.name, version: version) }
            guard state.instances[id] == nil else {
                throw fault("DBInstanceAlreadyExistsFault", "DB instance already exists")
            }
            guard
                [.creating, .available, .modifying, .renaming, .resettingMasterCredentials].contains(cluster.status)
            else {
                throw fault(
                    "InvalidDBClusterStateFault",
                    "The DB cluster \(cluster.id) is not available: it is \(cluster.status.rawValue).")
            }
            let members = state.members(of: cluster.id)
            try checkRoom(for: cluster, members, binaries: offer.binaries, in: state)
            var record = InstanceRecord(
                id: id, planeID: state.planeID(for: id, taken: state.instances.values.map(\.planeID)),
                cluster: cluster.id, instanceClass: "", offer: offer, account: account)
            record.status = .creating
            record.tags = try input.tags()
            try change(&record, cluster, input, in: state)
            record.instanceClass = try Self.checkedClass(input.required("DBInstanceClass"))
            record.zone = try zone(input, cluster, members, in: state)
            state.instances[id] = record
            return ["DBInstance": describe(record, cluster, state)]
        }
    }

    private func checkRoom(
        for cluster: ClusterRecord, _ members: [InstanceRecord], binaries: String, in state: DesiredState
    ) throws {
        guard state.instances.count < Quota.instances else {
            throw fault("InstanceQuotaExceededFault", "The quota of \(Quota.instances) DB instances is reached.")
        }
        guard !members.isEmpty else { return }
        guard cluster.engine.hasReaders(binaries: binaries) else {
            throw AWSError.notImplemented(
                "The cluster \(cluster.id) has its writer, and \(cluster.engine.awsName) has no readers in this region yet."
            )
        }
        guard members.count < ObservedCluster.instancesMax else {
            throw fault(
                "InstanceQuotaExceededFault",
                "The cluster \(cluster.id) has \(members.count) instances, the most there can be.")
        }
    }

    /// The zone that was asked for, or the one with the fewest of the cluster's instances among those of its subnet group.
    private func zone(
        _ input: Input, _ cluster: ClusterRecord, _ members: [InstanceRecord], in state: DesiredState
    ) throws -> String {
        let subnets = state.subnetGroup(cluster.subnetGroup, account)?.subnets.map(\.zone) ?? account.zones
        let zones = account.zones.filter(subnets.contains)
        guard let wanted = input.string("AvailabilityZone") else {
            let used = Dictionary(grouping: members, by: \.zone).mapValues(\.count)
            return zones.min { used[$0] ?? 0 < used[$1] ?? 0 } ?? account.zones[0]
        }
        guard account.zones.contains(wanted) else {
            throw AWSError.invalidValue(
                "Invalid availability zone: [\(wanted)]. This region has \(account.zones.joined(separator: ", ")).")
        }
        guard zones.contains(wanted) else {
            throw fault(
                "InvalidVPCNetworkStateFault",
                "The subnet group \(cluster.subnetGroup) has no subnet in \(wanted): it has \(zones.joined(separator: ", "))."
            )
        }
        return wanted
    }

    private static func checkedClass(_ name: String) throws(AWSError) -> String {
        guard InstanceClass.named(name) != nil else {
            throw .invalidValue("Invalid DB Instance class: \(name). See describe-orderable-db-instance-options.")
        }
        return name
    }

    private func refuseClusterProperties(_ input: Input) throws {
        for name in Self.ofCluster where input.has(name) && input.boolean(name) != false {
            throw AWSError.invalidCombination(
                "The requested DB Instance will be a member of a DB Cluster. Set \(name) for the DB Cluster.")
        }
    }

    /// What creation and modification have in common.
    private func change(
        _ record: inout InstanceRecord, _ cluster: ClusterRecord, _ input: Input, in state: DesiredState
    ) throws {
        if let group = input.string("DBParameterGroupName") {
            let found = try parameterGroup(.instance, group, in: state)
            guard found.family == cluster.family else {
                throw AWSError.invalidCombination(
                    "The parameter group \(found.name) with DBParameterGroupFamily \(found.family) cannot be used for this "
                        + "instance. Use a group with DBParameterGroupFamily \(cluster.family).")
            }
            record.parameterGroup = found.name
        }
        if let tier = try input.integer("PromotionTier", in: 0...15) { record.promotionTier = tier }
        if let window = try input.window("PreferredMaintenanceWindow", isWeekly: true) {
            record.maintenanceWindow = window.text
        }
        if let type = input.string("StorageType"), type != cluster.storageType {
            throw fault(
                "StorageTypeNotSupportedFault",
                "The storage type is the cluster's, \(cluster.storageType), not \(type).")
        }
        if let type = input.string("NetworkType"), type != "IPV4" {
            throw fault("NetworkTypeNotSupported", "The network type \(type) is not supported; use IPV4.")
        }
        if let group = input.string("DBSubnetGroupName"), group.lowercased() != cluster.subnetGroup {
            throw AWSError.invalidCombination(
                "The DB subnet group of an instance is its cluster's, \(cluster.subnetGroup), not \(group).")
        }
        if let group = input.string("OptionGroupName"), !group.hasPrefix("default:") {
            throw fault("OptionGroupNotFoundFault", "Specified OptionGroupName: \(group) not found.")
        }
        if let authority = input.string("CACertificateIdentifier") {
            guard Self.authorities.contains(authority) else {
                throw fault("CertificateNotFoundFault", "Certificate \(authority) not found.")
            }
            record.certificateAuthority = authority
        }
        if let flag = input.boolean("AutoMinorVersionUpgrade") { record.upgradesMinorVersions = flag }
        if let flag = input.boolean("PubliclyAccessible") { record.isPubliclyAccessible = flag }
        if let flag = input.boolean("CopyTagsToSnapshot") { record.copiesTagsToSnapshots = flag }
    }

    // MARK: - Describe

    private func describeInstances(_ input: Input) throws -> AWSValue {
        let state = state
        var instances = Array(state.instances.values)
        if let name = input.string("DBInstanceIdentifier"), !name.isEmpty {
            instances = [try instance(name, in: state)]
        }
        let filters = try Filters<InstanceRecord>(
            input,
            [
                "db-cluster-id": { [$0.cluster, account.arn("cluster", $0.cluster)] },
                "db-instance-id": { [$0.id, account.arn("db", $0.id)] },
                "dbi-resource-id": { [$0.resourceID] },
                "engine": { state.clusters[$0.cluster].map { [$0.engine.awsName] } ?? [] },
                "domain": { _ in [] },
            ])
        instances = instances.filter(filters.admits).sorted { $0.id < $1.id }
        return try Page(input).answer(instances, as: "DBInstances", key: \.id) { instance in
            guard let cluster = state.clusters[instance.cluster] else { throw AWSError.internalFailure }
            return describe(instance, cluster, state)
        }
    }

    private func describe(_ instance: InstanceRecord, _ cluster: ClusterRecord, _ state: DesiredState) -> AWSValue {
        let settings = InstanceSettings(instance, cluster, state)
        var fields: [String: AWSValue] = [
            "DBInstanceIdentifier": .string(instance.id), "DBInstanceClass": .string(instance.instanceClass),
            "Engine": .string(cluster.engine.awsName), "EngineVersion": .string(cluster.engineVersion),
            "DBInstanceStatus": .string(instance.status.rawValue), "MasterUsername": .string(cluster.masterUsername),
            "AllocatedStorage": 1, "InstanceCreateTime": .timestamp(instance.created),
            "PreferredBackupWindow": .string(cluster.backupWindow),
            "BackupRetentionPeriod": .integer(Int64(cluster.backupRetentionDays)), "DBSecurityGroups": [],
            "VpcSecurityGroups": securityGroups(cluster),
            "DBParameterGroups": [
                [
                    "DBParameterGroupName": .string(instance.parameterGroup),
                    "ParameterApplyStatus": .string(settings.instanceStatus),
                ]
            ],
            "AvailabilityZone": .string(instance.zone),
            "PreferredMaintenanceWindow": .string(instance.maintenanceWindow),
            "PendingModifiedValues": .structure(
                instance.pendingClass.map { ["DBInstanceClass": .string($0)] } ?? [:]),
            "MultiAZ": false, "AutoMinorVersionUpgrade": .boolean(instance.upgradesMinorVersions),
            "ReadReplicaDBInstanceIdentifiers": [],
            "LicenseModel": cluster.engine == .postgres ? "postgresql-license" : "general-public-license",
            "OptionGroupMemberships": [], "PubliclyAccessible": .boolean(instance.isPubliclyAccessible),
            "StorageType": .string(cluster.storageType), "DbInstancePort": 0,
            "DBClusterIdentifier": .string(cluster.id), "StorageEncrypted": true, "StorageEncryptionType": "sse-rds",
            "DbiResourceId": .string(instance.resourceID),
            "CACertificateIdentifier": .string(instance.certificateAuthority), "DomainMemberships": [],
            "CopyTagsToSnapshot": .boolean(instance.copiesTagsToSnapshots), "MonitoringInterval": 0,
            "PromotionTier": .integer(Int64(instance.promotionTier)),
            "DBInstanceArn": .string(account.arn("db", instance.id)), "IAMDatabaseAuthenticationEnabled": false,
            "PerformanceInsightsEnabled": false, "DeletionProtection": .boolean(cluster.isDeletionProtected),
            "AssociatedRoles": [], "TagList": Self.tagList(instance.tags), "NetworkType": "IPV4",
            "DatabaseInsightsMode": "standard",
            // The engine's own certificate is renewed by the supervisor; when it ends is not known here.
            "CertificateDetails": ["CAIdentifier": .string(instance.certificateAuthority)],
        ]
        if let group = state.subnetGroup(cluster.subnetGroup, account) {
            fields["DBSubnetGroup"] = describe(group)
        }
        // As at AWS, an instance has an address once it is there.
        if instance.applied != nil, let host = instance.host {
            fields["Endpoint"] = ["Address": .string(host), "Port": .integer(Int64(cluster.port))]
        }
        if let name = cluster.databaseName { fields["DBName"] = .string(name) }
        if let lifecycle = cluster.engineLifecycleSupport { fields["EngineLifecycleSupport"] = .string(lifecycle) }
        if let moment = cluster.automaticRestart { fields["AutomaticRestartTime"] = .timestamp(moment) }
        return .structure(fields)
    }

    // MARK: - Modify, reboot, delete

    private func modifyInstance(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBInstanceIdentifier")
        try input.refuse(Self.unsupported)
        try refuseClusterProperties(input)
        let newClass = try input.string("DBInstanceClass").map { name throws(AWSError) in try Self.checkedClass(name) }
        return try await update { state in
            var record = try instance(name, in: state)
            guard let cluster = state.clusters[record.cluster] else { throw AWSError.internalFailure }
            guard [.available, .incompatibleParameters].contains(record.status) else {
                throw fault(
                    "InvalidDBInstanceStateFault",
                    "Database instance is not in available state: \(record.id) is \(record.status.rawValue).")
            }
            try change(&record, cluster, input, in: state)
            // What waits for its time comes with a request that waits for nothing, and goes by one for the class that it has.
            let isImmediate = input.boolean("ApplyImmediately") == true
            if newClass == record.instanceClass {
                record.pendingClass = nil
            } else if let newClass = newClass ?? (isImmediate ? record.pendingClass : nil) {
                if isImmediate {
                    record.instanceClass = newClass
                    record.pendingClass = nil
                    record.generation += 1
                    record.status = .modifying
                    state.note(.classChanging, instance: record, account: account, now: .now)
                } else {
                    record.pendingClass = newClass
                }
            }
            if input.has("NewDBInstanceIdentifier") {
                let id = try input.identifier("NewDBInstanceIdentifier")
                guard id == record.id || state.instances[id] == nil else {
                    throw fault("DBInstanceAlreadyExistsFault", "DB instance already exists")
                }
                state.instances[record.id] = nil
                state.renameMember(record.id, to: id)
                if id != record.id && record.status == .available { record.status = .renaming }
                record.id = id
            }
            state.instances[record.id] = record
            return ["DBInstance": describe(record, cluster, state)]
        }
    }

    private func rebootInstance(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBInstanceIdentifier")
        return try await update { state in
            var record = try instance(name, in: state)
            guard let cluster = state.clusters[record.cluster] else { throw AWSError.internalFailure }
            guard [.available, .incompatibleParameters].contains(record.status) else {
                throw fault(
                    "InvalidDBInstanceStateFault",
                    "Instance \(record.id) cannot be rebooted while it is \(record.status.rawValue).")
            }
            if input.boolean("ForceFailover") == true {
                throw AWSError.invalidCombination(
                    "ForceFailover cannot be specified for an instance of a DB cluster: use FailoverDBCluster.")
            }
            if let next = record.pendingClass { record.instanceClass = next }
            record.pendingClass = nil
            record.generation += 1
            record.status = .rebooting
            state.note(.instanceShutDown, instance: record, account: account, now: .now)
            state.instances[record.id] = record
            return ["DBInstance": describe(record, cluster, state)]
        }
    }

    private func deleteInstance(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBInstanceIdentifier")
        return try await update { state in
            var record = try instance(name, in: state)
            guard let cluster = state.clusters[record.cluster] else { throw AWSError.internalFailure }
            guard record.status != .deleting else {
                throw fault("InvalidDBInstanceStateFault", "Instance \(record.id) is already being deleted.")
            }
            // What an Aurora instance has is in its cluster's volume, which is kept.
            if input.string("FinalDBSnapshotIdentifier") != nil {
                throw AWSError.invalidCombination(
                    "FinalDBSnapshotIdentifier can not be specified when deleting a cluster instance.")
            }
            let heirs = state.members(of: cluster.id).filter { $0.id != record.id && $0.status != .deleting }
            // A writer hands over first, and where instances are being stopped or started nobody can take over.
            guard
                heirs.isEmpty || !state.isWriter(record, of: cluster)
                    || ![.stopping, .stopped, .starting].contains(cluster.status)
            else {
                throw fault(
                    "InvalidDBClusterStateFault",
                    "The writer \(record.id) cannot be deleted before its readers while the cluster \(cluster.id) is "
                        + "\(cluster.status.rawValue).")
            }
            record.status = .deleting
            record.deleted = .now
            state.instances[record.id] = record
            return ["DBInstance": describe(record, cluster, state)]
        }
    }

    // MARK: - Logs

    private func describeLogFiles(_ input: Input) throws -> AWSValue {
        let state = state
        let record = try instance(input.required("DBInstanceIdentifier"), in: state)
        guard let cluster = state.clusters[record.cluster] else { throw AWSError.internalFailure }
        _ = try Filters<LogDirectory.File>(input, [:])
        var files = logs.files(of: record.planeID, cluster.engine)
        if let part = input.string("FilenameContains") { files = files.filter { $0.name.contains(part) } }
        if let size = input.integer("FileSize") { files = files.filter { $0.bytes >= size } }
        if let since = input.integer("FileLastWritten") {
            files = files.filter { $0.written.milliseconds >= Int64(since) }
        }
        return try Page(input).answer(files, as: "DescribeDBLogFiles", key: \.name) { file in
            [
                "LogFileName": .string(file.name), "LastWritten": .integer(file.written.milliseconds),
                "Size": .integer(Int64(file.bytes)),
            ]
        }
    }

    private func downloadLogFilePortion(_ input: Input) throws -> AWSValue {
        let state = state
        let record = try instance(input.required("DBInstanceIdentifier"), in: state)
        guard let cluster = state.clusters[record.cluster] else { throw AWSError.internalFailure }
        let name = try input.required("LogFileName")
        guard logs.files(of: record.planeID, cluster.engine).contains(where: { $0.name == name }) else {
            throw fault("DBLogFileNotFoundFault", "The log file \(name) of \(record.id) does not exist.")
        }
        let lines = try input.integer("NumberOfLines", in: 1...10_000)
        var offset: Int?
        if let marker = input.string("Marker") {
            guard let number = Int(marker), number >= 0 else {
                throw AWSError.invalidValue("Invalid marker: \(marker.prefix(100))")
            }
            offset = number
        }
        let portion = try logs.portion(of: record.planeID, cluster.engine, from: offset, lines: lines)
        return [
            "LogFileData": .string(portion.text), "Marker": .string("\(portion.end)"),
            "AdditionalDataPending": .boolean(portion.isMore),
        ]
    }
}
