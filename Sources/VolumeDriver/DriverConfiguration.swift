// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// How an instance uses a volume.
package enum AttachMode: Sendable, Hashable {
    /// Takes the epoch: the one writer.
    case writer
    /// A copy-on-write mount at an LSN (nil: the newest durable one). What the engine writes stays local.
    case local(at: LSN?)
}

package struct DriverConfiguration: Sendable {
    package var volume: VolumeID
    /// The instance's name, for messages.
    package var instance: String
    /// The instance's directory: holds `volume/`, the root that the engine sees.
    package var directory: String
    package var mode: AttachMode
    /// Content bytes after which the next protection group is opened.
    package var groupBytes: UInt64 = 10 << 30
    /// Unit in which content is assigned to groups; the same for the life of a volume.
    package var chunkBytes: UInt64 = 16 << 20
    /// Size cap of the local cache, bytes; nil: no cap.
    package var cacheBytesMax: UInt64?
    /// How much of the files in use is fetched in the background after an attach with a cold cache, bytes.
    package var prefetchBytes: UInt64 = 0
    /// Account that owns the files; -1 keeps the caller's.
    package var owner: (uid: Int32, gid: Int32) = (-1, -1)
    /// fnmatch patterns of names that stay local.
    package var local: [String] = []
    /// fnmatch patterns of paths whose blocks are not evicted.
    package var unevicted: [String] = []
    /// Nodes of a new protection group: six, two in each zone.
    package var nodes: [NodeID] = []
    /// Log area of the ring, bytes, a power of two.
    package var ringBytes = 16 << 20
    /// Log allocation limit: how far the writer may run ahead of the VDL, bytes.
    package var allocationLimit = 64 << 20
    /// A fault to be injected, if the instance is one that faults are for.
    package var networkFault: NetworkFault?

    package init(volume: VolumeID, instance: String, directory: String, mode: AttachMode) {
        self.volume = volume
        self.instance = instance
        self.directory = directory
        self.mode = mode
    }
}

/// What an engine needs to run on an attached volume.
package struct Attachment: Sendable {
    /// Absolute path of the volume's root.
    package var root: String
    package var ringPath: String
    /// Descriptor that the engine inherits, to ring the driver.
    package var doorbell: Int32
    package var vdl: LSN
    package var epoch: VolumeEpoch
    /// Nothing was ever written to the volume.
    package var isEmpty: Bool
}

package struct DriverStatus: Sendable, Codable {
    package var state: String
    /// Why commits wait, if they do.
    package var waiting: String?
    package var vdl: UInt64
    package var end: UInt64
    package var epoch: UInt32
    package var groups: Int
    package var records: UInt64
    package var batches: UInt64
    /// Record bytes a copy.
    package var logBytes: UInt64
    /// Sealed bytes shipped a copy, headers included.
    package var shippedBytes: UInt64
    package var syncs: UInt64
    package var engineWrites: UInt64
    package var engineWriteBytes: UInt64
    package var fetches: UInt64
    package var fetchedBytes: UInt64
    package var ringWakes: UInt64
    package var evictedBytes: UInt64
    package var prefetchedBytes: UInt64
    /// Fetched because the engine said that it would read them.
    package var hintedBytes: UInt64
    /// Who has each protection group; nil without a writer.
    package var members: [GroupMembers]?
}

/// The members of a protection group, for status and the metadata.
package struct GroupMembers: Sendable, Codable, Hashable {
    package var group: UInt32
    /// The membership epoch.
    package var epoch: UInt32
    /// One set of six, or two while a node is being replaced.
    package var sets: [[NodeID]]

    init(group: GroupID, _ membership: Membership) {
        self.group = group.value
        epoch = membership.epoch.value
        sets = membership.sets
    }
}

/// An attach or a driver that cannot go on, in words for an operator.
package struct DriverError: Error, CustomStringConvertible, Sendable {
    package var description: String
    package init(_ description: String) { self.description = description }
}
