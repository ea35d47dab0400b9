// SPDX-License-Identifier: Apache-2.0

package import AWSProtocol
package import Engines
package import Foundation

/// A resource of the desired state: a document with an identifier that is unique in its kind.
package protocol StateRecord: Codable, Equatable, Sendable {
    /// The name of its kind in the store; never changed once released.
    static var kind: String { get }
    var id: String { get }
    /// Takes over what earlier versions wrote otherwise, in place.
    static func upgrade(_ fields: inout [String: Any])
}

extension StateRecord {
    package static func upgrade(_ fields: inout [String: Any]) {}
}

package struct Tag: Codable, Equatable, Sendable {
    package var key: String
    package var value: String
}

/// What clients read as a cluster's or an instance's status, and what the reconciler works off.
package enum ResourceStatus: String, Codable, Sendable {
    case creating, available, modifying, rebooting, renaming, starting, stopping, stopped, deleting
    case resettingMasterCredentials = "resetting-master-credentials"
    case incompatibleParameters = "incompatible-parameters"
    case failingOver = "failing-over"

    /// Nothing is under way.
    package var isSettled: Bool { self == .available || self == .stopped }

    /// An instance's engine is being started, or started anew.
    var isComingUp: Bool { [.creating, .modifying, .rebooting, .starting].contains(self) }
}

/// A DB cluster, as somebody asked for it.
package struct ClusterRecord: StateRecord {
    package static let kind = "cluster"

    package struct FailoverNote: Codable, Equatable, Sendable {
        /// The data plane's.
        package var number: Int
        package var isComplete: Bool
    }

    package struct FailoverWish: Codable, Equatable, Sendable {
        /// The data plane's name of an instance; nil: it chooses.
        package var target: String?
        /// It has begun when the data plane's number is higher.
        package var after: Int
        package var asked: Timestamp
    }

    package var id: String
    /// `cluster-` and 26 letters and digits: stays when the cluster is renamed.
    package var resourceID: String
    /// Its name in the data plane.
    package var planeID: String
    package var engine: EngineKind
    package var engineVersion: String
    package var status: ResourceStatus
    package var created: Timestamp
    /// Of the cluster endpoint; empty until the data plane has said it.
    package var host: String
    package var readerHost: String?
    package var port: Int
    /// The data plane's name of the instance that is the writer.
    package var writer: String?
    /// The newest failover whose beginning is among the events.
    package var failover: FailoverNote?
    /// A failover that was asked for and has not begun.
    package var failoverWish: FailoverWish?
    package var masterUsername: String
    /// The master password until the data plane has it; sealed.
    package var password: Data?
    package var databaseName: String?
    /// Whether the database that was asked for exists.
    package var isDatabaseMade: Bool
    package var subnetGroup: String
    package var securityGroups: [String]
    package var parameterGroup: String
    package var backupRetentionDays: Int
    package var backupWindow: String
    package var maintenanceWindow: String
    package var storageType: String
    /// Before it, `StorageType` does not become I/O-Optimized once more.
    package var ioOptimizedNext: Timestamp?
    package var kmsKey: String?
    package var logExports: [String]
    package var isDeletionProtected: Bool
    package var copiesTagsToSnapshots: Bool
    package var upgradesMinorVersions: Bool
    /// When a stopped cluster starts again.
    package var automaticRestart: Timestamp?
    /// As it was asked for; it means nothing here.
    package var engineLifecycleSupport: String?
    package var tags: [Tag]
}

/// A DB instance, as somebody asked for it.
package struct InstanceRecord: StateRecord {
    package static let kind = "instance"

    /// What the running engine was last given.
    package struct Applied: Codable, Equatable, Sendable {
        package var settings: [String: String]
        package var clusterGroup: String
        package var instanceGroup: String
        /// Of the start that brought them.
        package var generation: Int?
    }

    package var id: String
    /// `db-` and 26 letters and digits.
    package var resourceID: String
    /// Its name in the data plane.
    package var planeID: String
    package var cluster: String
    /// Its own address, once the data plane has said it.
    package var host: String?
    package var instanceClass: String
    /// A class that the next reboot brings.
    package var pendingClass: String?
    package var status: ResourceStatus
    package var zone: String
    package var created: Timestamp
    package var promotionTier: Int
    package var parameterGroup: String
    package var maintenanceWindow: String
    package var certificateAuthority: String
    package var upgradesMinorVersions: Bool
    package var isPubliclyAccessible: Bool
    package var copiesTagsToSnapshots: Bool
    package var tags: [Tag]
    /// Raised by everything that restarts the engine; 0 is an engine that was found running and never touched.
    package var generation: Int
    package var applied: Applied?
    /// The engine's process when it was last seen running: another one is a restart.
    package var enginePID: Int32?
    /// Whether its engine went down by itself and is not back.
    package var isRecovering: Bool?
    /// When its deletion was asked for.
    package var deleted: Timestamp?
}

extension InstanceRecord {
    func isOlder(than other: InstanceRecord) -> Bool { (created, id) < (other.created, other.id) }

    /// The order of promotion: by tier, then the larger class, then the lower name.
    func isPromoted(before other: InstanceRecord) -> Bool {
        let (own, others) = (InstanceClass.named(instanceClass), InstanceClass.named(other.instanceClass))
        return (promotionTier, -(own?.memoryBytes ?? 0), id)
            < (other.promotionTier, -(others?.memoryBytes ?? 0), other.id)
    }
}

/// A parameter group of either level.
package struct ParameterGroupRecord: StateRecord {
    package enum Level: String, Codable, Sendable { case cluster, instance }

    package struct Value: Codable, Equatable, Sendable {
        package var value: String
        /// Whether it waits for a reboot although it could be changed at once.
        package var waitsForReboot: Bool
    }

    package static let kind = "parameterGroup"

    package var level: Level
    package var name: String
    package var family: String
    package var description: String
    package var values: [String: Value]
    package var tags: [Tag]

    package var id: String { Self.id(level, name) }
    package static func id(_ level: Level, _ name: String) -> String { "\(level.rawValue)/\(name)" }
    package var isDefault: Bool { name.hasPrefix("default.") }
}

package struct SubnetGroupRecord: StateRecord {
    package static let kind = "subnetGroup"

    package struct Subnet: Codable, Equatable, Sendable {
        package var id: String
        package var zone: String

        package init(id: String, zone: String) {
            self.id = id
            self.zone = zone
        }
    }

    package var id: String
    package var description: String
    package var subnets: [Subnet]
    package var tags: [Tag]

    package init(id: String, description: String, subnets: [Subnet], tags: [Tag]) {
        self.id = id
        self.description = description
        self.subnets = subnets
        self.tags = tags
    }
}

package struct EventRecord: StateRecord {
    package static let kind = "event"

    /// Sorts as the events happened.
    package var id: String
    package var sourceType: String
    package var source: String
    package var sourceARN: String
    /// `RDS-EVENT-0170`
    package var event: String
    package var categories: [String]
    package var message: String
    package var date: Timestamp
}

extension EventRecord {
    /// The lowest identifier of an event that happens at a moment.
    static func id(at moment: Timestamp) -> String { id(number: moment.milliseconds * 1000) }

    static func id(number: Int64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 20 - digits.count)) + digits
    }
}

package struct EventSubscriptionRecord: StateRecord {
    package static let kind = "eventSubscription"

    package var id: String
    package var topicARN: String
    package var sourceType: String?
    package var sources: [String]
    package var categories: [String]
    package var isEnabled: Bool
    package var created: Timestamp
    package var tags: [Tag]
    /// The newest event that was delivered, or that it does not want any more.
    package var delivered: String?
}

/// The parameters of an engine, as an engine that runs here has told them.
package struct ParameterCatalogRecord: StateRecord {
    package static let kind = "parameterCatalog"

    package struct Parameter: Codable, Equatable, Sendable {
        package var name: String
        /// The engine's own default; nil when it has none.
        package var value: String?
        /// `string`, `integer`, `float`, `boolean`, `list`.
        package var dataType: String
        package var allowed: String?
        /// Whether a running engine takes a change.
        package var isDynamic: Bool
        package var isModifiable: Bool
    }

    /// The parameter group family.
    package var id: String
    package var engineVersion: String
    package var parameters: [Parameter]
}
