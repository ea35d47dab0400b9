// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Engines

/// What the region has to offer: engines, classes, quotas.
extension RDSService {
    static let offerHandlers: [String: Handler] = [
        "DescribeDBEngineVersions": { try $0.describeVersions($1) },
        "DescribeOrderableDBInstanceOptions": { try $0.describeOrderable($1) },
        "DescribeAccountAttributes": { service, _ in service.accountAttributes() },
    ]

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
                "SupportedCACertificateIdentifiers": AWSValue(Self.authorities),
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
        return try Page(input, sizes: 20...1000).answer(
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
        let endpoints = Dictionary(grouping: state.endpoints.values, by: \.cluster).values.map(\.count).max() ?? 0
        let quotas: [(String, Int, Int)] = [
            ("DBClusters", state.clusters.count, Quota.clusters),
            ("DBInstances", state.instances.count, Quota.instances),
            ("DBClusterParameterGroups", groups.count { $0.level == .cluster }, Quota.parameterGroups),
            ("DBParameterGroups", groups.count { $0.level == .instance }, Quota.parameterGroups),
            ("DBSubnetGroups", state.subnetGroups.count, Quota.subnetGroups),
            (
                "SubnetsPerDBSubnetGroup", state.subnetGroups.values.map(\.subnets.count).max() ?? 0,
                Quota.subnetsPerGroup
            ),
            ("EventSubscriptions", state.subscriptions.count, Quota.subscriptions),
            ("CustomEndpointsPerDBCluster", endpoints, Quota.endpointsPerCluster),
            ("ReadReplicasPerMaster", 0, Quota.readersPerCluster),
        ]
        return [
            "AccountQuotas": .list(
                quotas.map {
                    ["AccountQuotaName": .string($0.0), "Used": .integer(Int64($0.1)), "Max": .integer(Int64($0.2))]
                })
        ]
    }
}
