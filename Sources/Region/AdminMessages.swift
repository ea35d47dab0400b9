// SPDX-License-Identifier: Apache-2.0

package import Endpoints
package import StorageNode
package import VolumeDriver

/// What is said on the admin sockets: one JSON object a line.
///
/// A client sends an `AdminRequest`; the server answers with any number of `AdminReply` that have only `line` or
/// `progress`, and then with one that has `ok`. A connection may carry any number of requests, one after the other.
/// `borealis status` and the like talk to the supervisor's socket, the supervisor to those of its processes.
package struct AdminRequest: Codable, Sendable {
    package enum Command: String, Codable, Sendable {
        /// The supervisor answers with `region`, a process with `process`.
        case status
        /// Shuts down cleanly; the answer comes at once.
        case stop
        /// `fault` says which.
        case fault
        /// `volume` says what to do with which volume; the report comes as lines.
        case volume
        /// Supervisor: makes a new version of the master key and wraps all data keys again.
        case rotateKeys
        /// Supervisor: a configuration for a copy-on-write mount of a volume (`volume` has its LSN and directory).
        case mount
        /// Replaces a storage node: `node` says which. The supervisor reports progress until it is done; a process takes the
        /// order up and answers at once.
        case replaceNode
        /// A process: forgets the node that `node` names.
        case removeNode
        /// Supervisor: what the control plane wants of a cluster or an instance (`cluster`).
        case cluster
        /// A process: take a volume's key, and run an instance on it if there is one (`adoption`).
        case adopt
        /// Supervisor: answers the endpoints' process with `topology`; `endpoints` is how that is.
        case endpoints
        /// A process: stop an instance (`instance`), and be without it. Done when its status is gone.
        case release
        /// A process: says how its instances are, as `process` of one reply after the other: when something changes, and
        /// twice a second. Ends with the connection.
        case watch
        /// A process: let go of everything that its storage nodes have of a volume (`removedVolume`).
        case removeVolume
        /// A process: tells its readers of a cluster (`mark`) what the writer said.
        case mark
        /// A process: have a writer's engine write out what it can, so that it shuts down quickly (`instance`).
        case settle
    }

    package var command: Command
    package var fault: FaultOrder?
    package var volume: VolumeOrder?
    package var node: NodeOrder?
    package var cluster: ClusterOrder?
    package var adoption: Adoption?
    package var instance: String?
    package var mark: ClusterMark?
    package var release: Release?
    package var endpoints: EndpointReport?
    package var removedVolume: String?

    package init(
        _ command: Command, fault: FaultOrder? = nil, volume: VolumeOrder? = nil, node: NodeOrder? = nil
    ) {
        self.node = node
        self.command = command
        self.fault = fault
        self.volume = volume
    }
}

package struct AdminReply: Codable, Sendable {
    /// Present in the last reply only: whether the request was done.
    package var ok: Bool?
    /// Why not, and what to do.
    package var error: String?
    /// A remark for the user about what was done.
    package var note: String?
    /// One line of a report.
    package var line: String?
    /// What a long request is doing now.
    package var progress: String?
    package var region: StatusReport?
    package var process: ProcessStatus?
    /// A path, for `mount`.
    package var path: String?
    /// A node's name, for `replaceNode`.
    package var node: String?
    /// An instance's name: the new writer after a failover.
    package var instance: String?
    /// Where the writer or the endpoint listens, for `cluster`.
    package var host: String?
    package var topology: EndpointTopology?

    package init(ok: Bool? = nil, error: String? = nil, note: String? = nil) {
        self.ok = ok
        self.error = error
        self.note = note
    }

    package static func line(_ text: String) -> AdminReply {
        var reply = AdminReply()
        reply.line = text
        return reply
    }

    package static func progress(_ text: String) -> AdminReply {
        var reply = AdminReply()
        reply.progress = text
        return reply
    }
}

/// What a cluster's writer said of its stream.
package struct ClusterMark: Codable, Sendable {
    package var cluster: String
    package var mark: StreamMark
}

/// A fault to inject, as the user asks for it and as the supervisor hands it on.
package struct FaultOrder: Codable, Hashable, Sendable {
    package enum Kind: String, Codable, Sendable {
        case killAZ, killNode, startNode, heal, slowDisk, corrupt, partition, crashWriter
        case freezeWriter, partitionWriter
        /// Of a process, in the layout compact: an instance of a zone that is lost.
        case killInstance
    }

    package var kind: Kind
    /// A zone's letter: killAZ, slowDisk, partition.
    package var zone: String?
    /// killNode, startNode, corrupt.
    package var node: String?
    /// slowDisk: what each flush takes longer.
    package var milliseconds: Int?
    /// corrupt: how many blocks get flipped bits.
    package var blocks: Int?
    /// crashWriter, freezeWriter, partitionWriter: whose; nil is the only one there is.
    package var cluster: String?
    /// killInstance.
    package var instance: String?

    package init(
        _ kind: Kind, zone: String? = nil, node: String? = nil, milliseconds: Int? = nil, blocks: Int? = nil,
        cluster: String? = nil
    ) {
        self.kind = kind
        self.zone = zone
        self.node = node
        self.milliseconds = milliseconds
        self.blocks = blocks
        self.cluster = cluster
    }

    /// As the command line would say it.
    package var text: String {
        switch kind {
        case .killAZ: "kill-az \(zone ?? "?")"
        case .killNode: "kill-node \(node ?? "?")"
        case .startNode: "start-node \(node ?? "?")"
        case .heal: "heal"
        case .slowDisk: "slow-disk \(zone ?? "?") --ms \(milliseconds ?? 0)"
        case .corrupt: "corrupt \(node ?? "?") --blocks \(blocks ?? 0)"
        case .partition: "partition \(zone ?? "?")"
        case .crashWriter: "crash-writer"
        case .freezeWriter: "freeze-writer"
        case .partitionWriter: "partition-writer"
        case .killInstance: "kill-instance \(instance ?? "?")"
        }
    }
}

/// Which storage node is to be replaced, and by which.
package struct NodeOrder: Codable, Hashable, Sendable {
    package var node: String
    /// The node that takes its place; the supervisor chooses it.
    package var by: String?
    /// Where the new node keeps its segments; nil: in the storage process's directory.
    package var directory: String?
    /// Calls the replacement off, or takes it back.
    package var undo = false

    package init(node: String) { self.node = node }
}

/// What to do with a volume.
package struct VolumeOrder: Codable, Hashable, Sendable {
    package enum Action: String, Codable, Sendable { case dump, stat, verify, detachCache }

    package var action: Action?
    /// Nil is the only one there is, or else `demo`; the supervisor puts the name in before it hands the order on.
    package var cluster: String?
    package var fromLSN: UInt64?
    package var toLSN: UInt64?
    package var limit: Int?
    package var json = false
    /// mount: where the local files go, the LSN, and the port.
    package var directory: String?
    package var at: UInt64?
    package var port: Int?

    package init(_ action: Action?, cluster: String?) {
        self.action = action
        self.cluster = cluster
    }
}

/// How one process of the region is.
package struct ProcessStatus: Codable, Sendable {
    package var role: String
    package var pid: Int32
    package var uptimeSeconds: Double
    package var nodes: [NodeStatus]
    package var instances: [InstanceStatus]
}

/// How one DB instance is.
package struct InstanceStatus: Codable, Sendable {
    package enum Phase: String, Codable, Sendable {
        /// The process has just started.
        case starting
        /// The driver takes the epoch and recovers the volume.
        case attaching
        /// The engine's files are being made.
        case creating
        /// The engine replays its log.
        case recovering
        /// Connections are accepted.
        case available
        /// A clean shutdown is under way.
        case stopping
        case stopped
        /// The last attempt failed (`reason`); the next one comes after a back-off.
        case failed
    }

    package var id: String
    package var cluster: String
    package var phase: Phase
    package var enginePid: Int32?
    package var url: String
    /// What is wrong, or what it waits for.
    package var reason: String?
    /// What it does at the moment.
    package var progress: String?
    /// How often the engine was started again since the process began.
    package var restarts: Int
    /// From the engine's end to the next accepted connection, milliseconds, the last time.
    package var lastRecoveryMilliseconds: Int?
    /// Whether the volume is known to be filled.
    package var created: Bool
    package var driver: DriverStatus?
    /// That of its settings; an older one waits for its restart.
    package var generation: Int
    package var part: RoleConfiguration.Part
    /// A reader's distance from the writer, end to end; nil while it is not known.
    package var lagMilliseconds: Int?
    /// What the supervisor judges it by.
    package var watch: WatchFacts
    /// Whether nobody asked for the engine's newest end.
    package var endedByItself = false
}

/// Signs of life of an instance, for whoever may have to give its part to another.
package struct WatchFacts: Codable, Sendable, Equatable {
    /// How an engine that clients were let into was lost; nil: it was not, or is available again.
    package var lost: String?
    /// Since the engine answered the instance the last time, by committing or by an error; nil unless it is available.
    package var silentMilliseconds: Int?
    /// How many storage nodes answer its driver, when that was asked last; nil: it was not asked lately.
    package var answeringNodes: Int?
    /// Whether commits wait for storage nodes.
    package var commitsWait = false
    /// Writer: since its volume's log went on the last time; nil unless it is available.
    package var stillMilliseconds: Int?
    /// Writer: the newest position of the stream that was durable when the volume was durable up to `vdl`.
    package var mark: StreamMark?
}

/// Ties the engine's stream to the volume: whoever has replayed up to `position` has replayed all changes that the volume
/// has at `vdl`.
package struct StreamMark: Codable, Sendable, Equatable {
    package var vdl: UInt64
    package var position: UInt64
}
