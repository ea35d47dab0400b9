// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Engines
internal import Foundation

extension ClusterRecord {
    static let defaultSubnetGroup = "default"
    static let defaultSecurityGroup = "sg-default"

    /// A cluster as it is when nothing else was said.
    init(id: String, planeID: String, offer: EngineOffer, port: Int, account: Account) {
        self.init(
            id: id, resourceID: ResourceID.make("cluster"), planeID: planeID, engine: offer.kind,
            engineVersion: offer.version, status: .creating, created: .now, host: "", readerHost: nil, port: port,
            writer: nil, failover: nil, failoverWish: nil, masterUsername: "", password: nil, databaseName: nil,
            isDatabaseMade: false,
            subnetGroup: Self.defaultSubnetGroup, securityGroups: [Self.defaultSecurityGroup],
            parameterGroup: offer.defaultGroup, backupRetentionDays: 1, backupWindow: "03:00-03:30",
            maintenanceWindow: "sun:05:00-sun:05:30", storageType: "aurora", kmsKey: nil, logExports: [],
            isDeletionProtected: false, copiesTagsToSnapshots: false, upgradesMinorVersions: true,
            automaticRestart: nil, tags: [])
    }
}

extension InstanceRecord {
    init(
        id: String, planeID: String, cluster: String, instanceClass: String, offer: EngineOffer, account: Account
    ) {
        self.init(
            id: id, resourceID: ResourceID.make("db"), planeID: planeID, cluster: cluster, host: nil,
            instanceClass: instanceClass, pendingClass: nil, status: .available, zone: account.zones[0],
            created: .now, promotionTier: 1, parameterGroup: offer.defaultGroup,
            maintenanceWindow: "sun:05:30-sun:06:00", certificateAuthority: "rds-ca-rsa2048-g1",
            upgradesMinorVersions: true, isPubliclyAccessible: false, copiesTagsToSnapshots: false, tags: [],
            generation: 1, applied: nil)
    }
}

/// Identifiers that outlive names: a prefix and 26 letters and digits, as AWS makes them.
enum ResourceID {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")

    static func make(_ prefix: String) -> String {
        "\(prefix)-" + String((0..<26).map { _ in alphabet[Int.random(in: 0..<alphabet.count)] })
    }
}

extension DesiredState {
    /// A name for the data plane that is not taken: the resource's own, if it is short enough for a socket's path.
    func planeID(for name: String, taken: some Sequence<String>) -> String {
        let taken = Set(taken)
        let short = String(name.prefix(30))
        guard short != name || taken.contains(short) else { return name }
        while true {
            let candidate = "\(short.prefix(22))-\(String(UInt32.random(in: .min ... .max), radix: 16))"
            if !taken.contains(candidate) { return candidate }
        }
    }

    /// A parameter group; those named `default.FAMILY` are there without being stored.
    func parameterGroup(
        _ level: ParameterGroupRecord.Level, _ name: String, _ offers: [EngineOffer]
    ) -> ParameterGroupRecord? {
        let name = name.lowercased()
        if let stored = parameterGroups[ParameterGroupRecord.id(level, name)] { return stored }
        return defaultGroups(level, offers).first { $0.name == name }
    }

    func defaultGroups(_ level: ParameterGroupRecord.Level, _ offers: [EngineOffer]) -> [ParameterGroupRecord] {
        offers.map { offer in
            ParameterGroupRecord(
                level: level, name: offer.defaultGroup, family: offer.family,
                description: "Default \(level.rawValue) parameter group for \(offer.family)", values: [:], tags: [])
        }
    }

    func subnetGroup(_ name: String, _ account: Account) -> SubnetGroupRecord? {
        let name = name.lowercased()
        if let stored = subnetGroups[name] { return stored }
        guard name == ClusterRecord.defaultSubnetGroup else { return nil }
        return SubnetGroupRecord(
            id: name, description: "default",
            subnets: account.zones.enumerated().map { .init(id: "subnet-default\($0.offset + 1)", zone: $0.element) },
            tags: [])
    }
}
