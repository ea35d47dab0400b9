// SPDX-License-Identifier: Apache-2.0

package import Engines
package import Keyring
package import VolumeModel

/// A DB cluster as the metadata store knows it.
package struct ClusterRecord: Sendable {
    /// Whether its volume has been filled.
    package enum State: String, Sendable {
        /// Not yet, or not completely.
        case creating
        case available
    }
    package var id: String
    package var engine: EngineKind
    package var volume: VolumeID
    package var state: State
    package var host: String
    package var port: Int
    package var superuser: String
    /// Sealed under the key provider, bound to the cluster's id.
    package var password: WrappedKey
    /// Whether the control plane asked for it; `borealis up` runs those of its own that it is told to.
    package var isManaged = false
    /// The instance that is the writer, by what was decided last; nil: the first one that there will be.
    package var writer: String?
    package var failover: FailoverRecord?
}

/// The newest change of a cluster's writer. It is stored together with the new writer's name, in one transaction: what is
/// stored is what has to happen, and repeating it is harmless.
package struct FailoverRecord: Codable, Sendable, Equatable {
    package var number: Int
    package var from: String
    package var to: String
    package var reason: String
    package var isPlanned: Bool
    package var isComplete = false
    /// From the decision to the first accepted connection.
    package var milliseconds: Int?
}

package struct VolumeRecord: Sendable {
    package var id: VolumeID
    package var groupBytes: UInt64
    package var chunkBytes: UInt64
    package var dataKey: WrappedKey
}

package struct InstanceRecord: Sendable, Equatable {
    package var id: String
    package var cluster: String
    /// What the control plane wants of it.
    package var isRunning = true
    package var generation = 0
    /// Of its engine; they outrank those of the cluster.
    package var settings: [String: String] = [:]
    /// A loopback address of its own.
    package var host = ""
    /// The letter of its availability zone.
    package var zone = ""
    /// 0 is promoted first, 15 last.
    package var tier = 1
    package var memoryBytes = 0
    /// A DB instance class, such as `db.r6g.large`; empty: none was asked for.
    package var instanceClass = ""
    /// From 1; no other instance of the cluster has it.
    package var number = 1
}

/// A storage node, and where the process that hosts it listens.
package struct NodeRecord: Sendable {
    package var id: NodeID
    package var role: String
    package var host: String
    package var port: Int
    package var state = State.member
    /// The node whose place it is to take, while it is joining.
    package var replaces: NodeID?
    /// Where its segments are; nil: in its process's directory.
    package var directory: String?

    package enum State: String, Sendable {
        /// A member of protection groups.
        case member
        /// It is being filled and takes the place of `replaces`.
        case joining
        /// In no membership any more; its process has not removed it yet.
        case leaving
        /// Gone. The record keeps its name from being used again.
        case retired
    }
}

/// A protection group's six segments.
package struct GroupRecord: Sendable, Equatable {
    package var volume: VolumeID
    package var group: GroupID
    package var membership: Membership

    package init(volume: VolumeID, group: GroupID, membership: Membership) {
        self.volume = volume
        self.group = group
        self.membership = membership
    }
}
