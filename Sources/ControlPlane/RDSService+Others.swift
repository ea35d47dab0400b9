// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Engines
internal import Foundation

/// Subnet groups, tags, events, subscriptions, and what the region offers.
extension RDSService {
    static let otherHandlers: [String: Handler] = [
        "CreateDBSubnetGroup": { try await $0.createSubnetGroup($1) },
        "ModifyDBSubnetGroup": { try await $0.modifySubnetGroup($1) },
        "DeleteDBSubnetGroup": { try await $0.deleteSubnetGroup($1) },
        "DescribeDBSubnetGroups": { try $0.describeSubnetGroups($1) },
        "AddTagsToResource": { try await $0.addTags($1) },
        "RemoveTagsFromResource": { try await $0.removeTags($1) },
        "ListTagsForResource": { service, input in
            ["TagList": tagList(try service.tagged(input.required("ResourceName"), in: service.state).tags)]
        },
        "DescribeEvents": { try $0.describeEvents($1) },
        "DescribeEventCategories": { try $0.describeEventCategories($1) },
        "CreateEventSubscription": { try await $0.createSubscription($1) },
        "ModifyEventSubscription": { try await $0.modifySubscription($1) },
        "AddSourceIdentifierToSubscription": { try await $0.changeSources($1) { $0.contains($1) ? $0 : $0 + [$1] } },
        "RemoveSourceIdentifierFromSubscription": {
            try await $0.changeSources($1) { list, id in list.filter { $0 != id } }
        },
        "DeleteEventSubscription": { try await $0.deleteSubscription($1) },
        "DescribeEventSubscriptions": { try $0.describeSubscriptions($1) },
        "DescribeDBEngineVersions": { try $0.describeVersions($1) },
        "DescribeOrderableDBInstanceOptions": { try $0.describeOrderable($1) },
        "DescribeAccountAttributes": { service, _ in service.accountAttributes() },
    ]

    // MARK: - Subnet groups

    private func subnets(_ input: Input) throws -> [SubnetGroupRecord.Subnet] {
        let ids = input.strings("SubnetIds") ?? []
        for id in ids where id.wholeMatch(of: /subnet-[0-9a-z]+/) == nil {
            throw fault("InvalidSubnet", "The subnet ID '\(id)' is not valid.")
        }
        guard Set(ids).count == ids.count else {
            throw fault("SubnetAlreadyInUse", "A subnet is named more than once.")
        }
        // Subnets are names only until there is a network service: they are spread over the zones in their order.
        guard ids.count >= 2 else {
            throw fault(
                "DBSubnetGroupDoesNotCoverEnoughAZs",
                "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Add subnets to cover at least 2 AZs."
            )
        }
        return ids.enumerated().map { .init(id: $0.element, zone: account.zones[$0.offset % account.zones.count]) }
    }

    private func createSubnetGroup(_ input: Input) async throws -> AWSValue {
        let group = SubnetGroupRecord(
            id: try input.identifier("DBSubnetGroupName", lengthMax: 255),
            description: try input.required("DBSubnetGroupDescription"), subnets: try subnets(input),
            tags: try input.tags())
        return try await update { state in
            guard state.subnetGroup(group.id, account) == nil else {
                throw fault("DBSubnetGroupAlreadyExistsFault", "The DB subnet group '\(group.id)' already exists.")
            }
            state.subnetGroups[group.id] = group
            return ["DBSubnetGroup": describe(group)]
        }
    }

    private func modifySubnetGroup(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBSubnetGroupName")
        let subnets = try subnets(input)
        return try await update { state in
            var group = try subnetGroup(name, in: state)
            group.subnets = subnets
            if let text = input.string("DBSubnetGroupDescription") { group.description = text }
            state.subnetGroups[group.id] = group
            return ["DBSubnetGroup": describe(group)]
        }
    }

    private func deleteSubnetGroup(_ input: Input) async throws -> AWSValue {
        let name = try input.required("DBSubnetGroupName")
        return try await update { state in
            let group = try subnetGroup(name, in: state)
            let user = state.clusters.values.first { $0.subnetGroup == group.id }
            guard user == nil, group.id != ClusterRecord.defaultSubnetGroup else {
                throw fault(
                    "InvalidDBSubnetGroupStateFault",
                    "Cannot delete the subnet group '\(group.id)' because at least one database cluster, "
                        + "\(user?.id ?? "the next one"), is using it.")
            }
            state.subnetGroups[group.id] = nil
            return [:]
        }
    }

    private func describeSubnetGroups(_ input: Input) throws -> AWSValue {
        let state = state
        let fallback = state.subnetGroup(ClusterRecord.defaultSubnetGroup, account)
        var groups = Array(state.subnetGroups.values)
        if let fallback, state.subnetGroups[fallback.id] == nil { groups.append(fallback) }
        if let name = input.string("DBSubnetGroupName"), !name.isEmpty { groups = [try subnetGroup(name, in: state)] }
        _ = try Filters<SubnetGroupRecord>(input, [:])
        return try Page(input).answer(groups.sorted { $0.id < $1.id }, as: "DBSubnetGroups", key: \.id, describe)
    }

    func describe(_ group: SubnetGroupRecord) -> AWSValue {
        [
            "DBSubnetGroupName": .string(group.id), "DBSubnetGroupDescription": .string(group.description),
            "VpcId": "vpc-default", "SubnetGroupStatus": "Complete",
            "Subnets": .list(
                group.subnets.map {
                    [
                        "SubnetIdentifier": .string($0.id), "SubnetStatus": "Active",
                        "SubnetAvailabilityZone": ["Name": .string($0.zone)],
                    ]
                }),
            "DBSubnetGroupArn": .string(account.arn("subgrp", group.id)), "SupportedNetworkTypes": ["IPV4"],
        ]
    }

    // MARK: - Tags

    private struct Tagged {
        var tags: [Tag]
        var set: @Sendable (inout DesiredState, [Tag]) -> Void
    }

    private func tagged(_ arn: String, in state: DesiredState) throws -> Tagged {
        let parts = arn.split(separator: ":", maxSplits: 6, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 7, parts[0...4].joined(separator: ":") == "arn:aws:rds:\(account.region):\(account.id)"
        else {
            throw AWSError.invalidValue("Invalid resource name: \(arn.prefix(200))")
        }
        let name = parts[6]
        switch parts[5] {
        case "cluster":
            let record = try cluster(name, in: state)
            return Tagged(tags: record.tags) { $0.clusters[record.id]?.tags = $1 }
        case "db":
            let record = try instance(name, in: state)
            return Tagged(tags: record.tags) { $0.instances[record.id]?.tags = $1 }
        case "cluster-pg", "pg":
            let record = try parameterGroup(parts[5] == "pg" ? .instance : .cluster, name, in: state)
            return Tagged(tags: record.tags) { $0.parameterGroups[record.id, default: record].tags = $1 }
        case "subgrp":
            let record = try subnetGroup(name, in: state)
            return Tagged(tags: record.tags) { $0.subnetGroups[record.id, default: record].tags = $1 }
        case "cluster-endpoint":
            let record = try endpoint(name, in: state)
            return Tagged(tags: record.tags) { $0.endpoints[record.id]?.tags = $1 }
        case "db-proxy":
            let record = try proxy(name, in: state)
            return Tagged(tags: record.tags) { $0.proxies[record.id]?.tags = $1 }
        case "es":
            let record = try subscription(name, in: state)
            return Tagged(tags: record.tags) { $0.subscriptions[record.id]?.tags = $1 }
        default: throw AWSError.invalidValue("Invalid resource name: \(arn.prefix(200))")
        }
    }

    private func addTags(_ input: Input) async throws -> AWSValue {
        let arn = try input.required("ResourceName")
        let added = try input.tags()
        return try await update { state in
            let resource = try tagged(arn, in: state)
            let tags = Self.merge(added, into: resource.tags)
            guard tags.count <= 50 else { throw AWSError.invalidValue("A resource has at most 50 tags.") }
            resource.set(&state, tags)
            return [:]
        }
    }

    private func removeTags(_ input: Input) async throws -> AWSValue {
        let arn = try input.required("ResourceName")
        let keys = Set(input.strings("TagKeys") ?? [])
        return try await update { state in
            let resource = try tagged(arn, in: state)
            resource.set(&state, resource.tags.filter { !keys.contains($0.key) })
            return [:]
        }
    }

    // MARK: - Events

    private func describeEvents(_ input: Input) throws -> AWSValue {
        let type = input.string("SourceType")
        if let type, !EventKind.categories.contains(where: { $0.sourceType == type }) {
            throw AWSError.invalidValue("Invalid source type: \(type)")
        }
        if input.has("SourceIdentifier") && type == nil {
            throw AWSError.invalidCombination("SourceType is required with SourceIdentifier.")
        }
        let now = Timestamp.now
        let minutes = try input.integer("Duration", in: 1...20160) ?? 60
        let end = input.timestamp("EndTime") ?? now
        let start = input.timestamp("StartTime") ?? Timestamp(milliseconds: end.milliseconds - Int64(minutes) * 60_000)
        guard start <= end else { throw AWSError.invalidCombination("The start time is after the end time.") }
        let categories = input.strings("EventCategories").map(Set.init)
        let source = input.string("SourceIdentifier")?.lowercased()
        let events = state.events.values.filter { event in
            event.date >= start && event.date <= end && (type == nil || event.sourceType == type)
                && (source == nil || event.source == source)
                && (categories == nil || !event.categories.allSatisfy { categories?.contains($0) == false })
        }.sorted { $0.id < $1.id }
        return try Page(input).answer(events, as: "Events", key: \.id) { event in
            [
                "SourceIdentifier": .string(event.source), "SourceType": .string(event.sourceType),
                "Message": .string(event.message), "EventCategories": AWSValue(event.categories),
                "Date": .timestamp(event.date), "SourceArn": .string(event.sourceARN),
            ]
        }
    }

    private func describeEventCategories(_ input: Input) throws -> AWSValue {
        let type = input.string("SourceType")
        let found = EventKind.categories.filter { type == nil || type == "" || $0.sourceType == type }
        guard !found.isEmpty else { throw AWSError.invalidValue("Invalid source type: \(type ?? "")") }
        return [
            "EventCategoriesMapList": .list(
                found.map { ["SourceType": .string($0.sourceType), "EventCategories": AWSValue($0.categories)] })
        ]
    }

    // MARK: - Event subscriptions

    private func subscription(_ name: String, in state: DesiredState) throws(AWSError) -> EventSubscriptionRecord {
        guard let found = state.subscriptions[name.lowercased()] else {
            throw fault("SubscriptionNotFoundFault", "Event Subscription \(name) not found.")
        }
        return found
    }

    private func change(_ record: inout EventSubscriptionRecord, _ input: Input) throws {
        if let topic = input.string("SnsTopicArn") {
            guard topic.hasPrefix("arn:aws:sns:") else {
                throw fault("SNSTopicArnNotFoundFault", "The topic \(topic.prefix(200)) is not an SNS topic's ARN.")
            }
            record.topicARN = topic
        }
        if let type = input.string("SourceType") { record.sourceType = type }
        if let categories = input.strings("EventCategories") { record.categories = categories }
        if let flag = input.boolean("Enabled") { record.isEnabled = flag }
        if let type = record.sourceType {
            guard let known = EventKind.categories.first(where: { $0.sourceType == type }) else {
                throw fault("SourceNotFoundFault", "Invalid source type: \(type)")
            }
            for category in record.categories where !known.categories.contains(category) {
                throw fault("SubscriptionCategoryNotFoundFault", "The category \(category) is not one of \(type).")
            }
        }
    }

    private func createSubscription(_ input: Input) async throws -> AWSValue {
        var record = EventSubscriptionRecord(
            id: try input.identifier("SubscriptionName", lengthMax: 255), topicARN: "", sourceType: nil,
            sources: input.strings("SourceIds") ?? [], categories: [], isEnabled: true, created: .now,
            tags: try input.tags())
        try change(&record, input)
        guard record.sources.isEmpty || record.sourceType != nil else {
            throw AWSError.invalidCombination("SourceType is required with SourceIds.")
        }
        let made = record
        return try await update { state in
            guard state.subscriptions[made.id] == nil else {
                throw fault("SubscriptionAlreadyExistFault", "Event Subscription already exists: \(made.id)")
            }
            state.subscriptions[made.id] = made
            return ["EventSubscription": describe(made)]
        }
    }

    private func modifySubscription(_ input: Input) async throws -> AWSValue {
        let name = try input.required("SubscriptionName")
        return try await update { state in
            var record = try subscription(name, in: state)
            try change(&record, input)
            state.subscriptions[record.id] = record
            return ["EventSubscription": describe(record)]
        }
    }

    private func changeSources(
        _ input: Input, _ change: @escaping @Sendable ([String], String) -> [String]
    ) async throws -> AWSValue {
        let name = try input.required("SubscriptionName")
        let source = try input.required("SourceIdentifier").lowercased()
        return try await update { state in
            var record = try subscription(name, in: state)
            let sources = change(record.sources, source)
            if sources.count > record.sources.count { try check(source, of: record, in: state) }
            guard sources != record.sources || record.sources.contains(source) else {
                throw fault("SourceNotFoundFault", "Source \(source) is not one of the subscription \(record.id).")
            }
            record.sources = sources
            state.subscriptions[record.id] = record
            return ["EventSubscription": describe(record)]
        }
    }

    /// A source has to be there when it is added.
    private func check(
        _ source: String, of record: EventSubscriptionRecord, in state: DesiredState
    ) throws(AWSError) {
        let isKnown: Bool
        switch record.sourceType {
        case "db-cluster": isKnown = state.clusters[source] != nil
        case "db-instance": isKnown = state.instances[source] != nil
        case "db-parameter-group": isKnown = state.parameterGroup(.instance, source, offers) != nil
        case nil:
            throw .invalidCombination("SourceType is required with SourceIdentifier.")
        default: isKnown = false
        }
        guard isKnown else { throw fault("SourceNotFoundFault", "Source \(source) not found.") }
    }

    private func deleteSubscription(_ input: Input) async throws -> AWSValue {
        let name = try input.required("SubscriptionName")
        return try await update { state in
            let record = try subscription(name, in: state)
            state.subscriptions[record.id] = nil
            return ["EventSubscription": describe(record)]
        }
    }

    private func describeSubscriptions(_ input: Input) throws -> AWSValue {
        let state = state
        var found = Array(state.subscriptions.values)
        if let name = input.string("SubscriptionName"), !name.isEmpty { found = [try subscription(name, in: state)] }
        return try Page(input).answer(
            found.sorted { $0.id < $1.id }, as: "EventSubscriptionsList", key: \.id, describe)
    }

    private func describe(_ record: EventSubscriptionRecord) -> AWSValue {
        var fields: [String: AWSValue] = [
            "CustomerAwsId": .string(account.id), "CustSubscriptionId": .string(record.id),
            "SnsTopicArn": .string(record.topicARN), "Status": "active",
            "SubscriptionCreationTime": .string(record.created.iso8601), "SourceIdsList": AWSValue(record.sources),
            "EventCategoriesList": AWSValue(record.categories), "Enabled": .boolean(record.isEnabled),
            "EventSubscriptionArn": .string(account.arn("es", record.id)),
        ]
        if let type = record.sourceType { fields["SourceType"] = .string(type) }
        return .structure(fields)
    }

    // MARK: - What there is to have

    private func describeVersions(_ input: Input) throws -> AWSValue {
        var found = offers
        if let engine = input.string("Engine"), !engine.isEmpty { found = found.filter { $0.name == engine } }
        if let version = input.string("EngineVersion") { found = found.filter { $0.satisfies(version) } }
        if let family = input.string("DBParameterGroupFamily") { found = found.filter { $0.family == family } }
        let filters = try Filters<EngineOffer>(
            input,
            [
                "engine": { [$0.name] }, "engine-version": { [$0.version] },
                "db-parameter-group-family": { [$0.family] }, "engine-mode": { _ in ["provisioned"] },
                "status": { _ in ["available"] },
            ])
        return try Page(input).answer(
            found.filter(filters.admits).sorted { $0.name < $1.name }, as: "DBEngineVersions", key: \.name
        ) { offer in
            [
                "Engine": .string(offer.name), "EngineVersion": .string(offer.version),
                "MajorEngineVersion": .string(offer.majorVersion), "DBParameterGroupFamily": .string(offer.family),
                "DBEngineDescription": .string("\(offer.kind.title) on a Borealis volume"),
                "DBEngineVersionDescription": .string("\(offer.kind.title) \(offer.version)"),
                "ValidUpgradeTarget": [], "ExportableLogTypes": AWSValue(offer.kind.logTypes),
                "SupportsLogExportsToCloudwatchLogs": false, "SupportsReadReplica": false,
                "SupportedEngineModes": ["provisioned"], "SupportedFeatureNames": [], "Status": "available",
                "SupportsParallelQuery": false, "SupportsGlobalDatabases": false, "SupportsBabelfish": false,
                "SupportsLimitlessDatabase": false, "SupportsLocalWriteForwarding": false, "TagList": [],
            ]
        }
    }

    private func describeOrderable(_ input: Input) throws -> AWSValue {
        let engine = try input.required("Engine")
        let offer = try offer(engine, version: nil)
        if let version = input.string("EngineVersion"), !offer.satisfies(version) {
            return ["OrderableDBInstanceOptions": []]
        }
        var classes = InstanceClass.all
        if let name = input.string("DBInstanceClass") { classes = classes.filter { $0.name == name } }
        _ = try Filters<InstanceClass>(input, [:])
        let zones = AWSValue.list(account.zones.map { ["Name": .string($0)] })
        return try Page(input).answer(
            classes.sorted { $0.name < $1.name }, as: "OrderableDBInstanceOptions", key: \.name
        ) { one in
            [
                "Engine": .string(offer.name), "EngineVersion": .string(offer.version),
                "DBInstanceClass": .string(one.name),
                "LicenseModel": offer.kind == .postgres ? "postgresql-license" : "general-public-license",
                "AvailabilityZones": zones, "MultiAZCapable": false, "ReadReplicaCapable": false, "Vpc": true,
                "SupportsStorageEncryption": true, "StorageType": "aurora", "SupportsIops": false,
                "SupportsEnhancedMonitoring": false, "SupportsIAMDatabaseAuthentication": false,
                "SupportsPerformanceInsights": false, "AvailableProcessorFeatures": [],
                "SupportedEngineModes": ["provisioned"], "SupportsStorageAutoscaling": false,
                "SupportsKerberosAuthentication": false, "OutpostCapable": false, "SupportsGlobalDatabases": false,
                "SupportsClusters": true, "SupportedNetworkTypes": ["IPV4"],
            ]
        }
    }

    private func accountAttributes() -> AWSValue {
        let state = state
        let groups = state.parameterGroups.values
        let quotas: [(String, Int, Int)] = [
            ("DBClusters", state.clusters.count, 40), ("DBInstances", state.instances.count, 40),
            ("DBClusterParameterGroups", groups.count { $0.level == .cluster }, 50),
            ("DBParameterGroups", groups.count { $0.level == .instance }, 50),
            ("DBSubnetGroups", state.subnetGroups.count, 50), ("EventSubscriptions", state.subscriptions.count, 20),
            ("ManualClusterSnapshots", 0, 100), ("ReadReplicasPerMaster", 0, 15),
        ]
        return [
            "AccountQuotas": .list(
                quotas.map {
                    ["AccountQuotaName": .string($0.0), "Used": .integer(Int64($0.1)), "Max": .integer(Int64($0.2))]
                })
        ]
    }
}
