// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import StorageNode
internal import VolumeModel

/// The consumer's side of the shared-memory ring; see `borealis_ring.h` for the layout and the protocol.
///
/// One thread consumes. Any thread may publish durability or fail the ring. The mapping lives as long as the object; the
/// file is in shared memory, not on disk, and goes when the object goes.
final class Ring: @unchecked Sendable {  // Fields are written by `init` only; shared memory is accessed atomically.
    static let fetchSlots = 32
    static let fileSlots = 1 << 20

    let path: String
    private let base: UnsafeMutableRawPointer
    private let bytes: Int
    let control: UnsafeMutablePointer<bx_ring>
    let log: UnsafeMutableRawPointer
    let mask: UInt64
    let files: UnsafeMutablePointer<bx_file>
    let fetches: UnsafeMutablePointer<bx_fetch>
    let fetchData: UnsafeMutableRawPointer
    let tailField: UnsafeMutablePointer<UInt64>
    let headField: UnsafeMutablePointer<UInt64>
    let durableField: UnsafeMutablePointer<UInt64>
    let wantedField: UnsafeMutablePointer<UInt64>
    let asleepField: UnsafeMutablePointer<UInt32>
    let durableSequence: UnsafeMutablePointer<UInt32>
    let durableWaiters: UnsafeMutablePointer<UInt32>
    let spaceSequence: UnsafeMutablePointer<UInt32>
    let spaceWaiters: UnsafeMutablePointer<UInt32>
    let fetchAsked: UnsafeMutablePointer<UInt32>
    let stateField: UnsafeMutablePointer<UInt32>
    let nextFileField: UnsafeMutablePointer<UInt64>
    let locks: UnsafeMutablePointer<UInt32>

    /// The consumer's position; only the consuming thread touches it.
    var head: UInt64 = 0

    /// - Parameters:
    ///   - logBytes: size of the log area, a power of two
    ///   - owner: account that the engine runs under; (-1, -1) keeps the caller's
    init(
        path: String, logBytes: Int, mode: UInt32, nextFile: FileID, owner: (uid: Int32, gid: Int32)
    ) throws(StorageFailure) {
        func aligned(_ n: Int) -> Int { (n + 4095) / 4096 * 4096 }
        let tableAt = aligned(MemoryLayout<bx_ring>.size)
        let fetchAt = aligned(tableAt + Self.fileSlots * MemoryLayout<bx_file>.stride)
        let fetchDataAt = aligned(fetchAt + Self.fetchSlots * MemoryLayout<bx_fetch>.stride)
        let logAt = aligned(fetchDataAt + Self.fetchSlots * Int(BX_FETCH_BYTES))
        bytes = logAt + logBytes
        self.path = path
        unlink(path)
        let fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw StorageFailure("create the ring", path: path, errno: errno) }
        defer { close(fd) }
        guard ftruncate(fd, off_t(bytes)) == 0,
            fchown(fd, uid_t(bitPattern: owner.uid), gid_t(bitPattern: owner.gid)) == 0,
            let mapped = bx_map_shared(fd, bytes)
        else { throw StorageFailure("map the ring", path: path, errno: errno) }
        base = mapped
        control = mapped.bindMemory(to: bx_ring.self, capacity: 1)
        files = (mapped + tableAt).bindMemory(to: bx_file.self, capacity: Self.fileSlots)
        fetches = (mapped + fetchAt).bindMemory(to: bx_fetch.self, capacity: Self.fetchSlots)
        fetchData = mapped + fetchDataAt
        log = mapped + logAt
        mask = UInt64(logBytes - 1)
        control.pointee.version = BX_VERSION
        control.pointee.mode = mode
        control.pointee.total_bytes = UInt64(bytes)
        control.pointee.file_table_offset = UInt64(tableAt)
        control.pointee.file_table_slots = UInt64(Self.fileSlots)
        control.pointee.fetch_offset = UInt64(fetchAt)
        control.pointee.fetch_slots = UInt64(Self.fetchSlots)
        control.pointee.fetch_data_offset = UInt64(fetchDataAt)
        control.pointee.log_offset = UInt64(logAt)
        control.pointee.log_bytes = UInt64(logBytes)
        control.pointee.driver_pid = UInt32(getpid())
        control.pointee.next_file_id = nextFile.value
        func field<T>(_ key: KeyPath<bx_ring, T>) -> UnsafeMutablePointer<T> {
            // The offsets of an imported C struct's fields are known; nil would be a bug in this file.
            (mapped + MemoryLayout<bx_ring>.offset(of: key)!).assumingMemoryBound(to: T.self)
        }
        tailField = field(\.tail)
        headField = field(\.head)
        durableField = field(\.durable)
        wantedField = field(\.wanted)
        asleepField = field(\.consumer_asleep)
        durableSequence = field(\.durable_seq)
        durableWaiters = field(\.durable_waiters)
        spaceSequence = field(\.space_seq)
        spaceWaiters = field(\.space_waiters)
        fetchAsked = field(\.fetch_asked)
        stateField = field(\.state)
        nextFileField = field(\.next_file_id)
        // The locks are the control area's last field, and `bx_ring` has no padding after them.
        locks = (mapped + MemoryLayout<bx_ring>.size - Int(BX_LOCKS) * 4).assumingMemoryBound(to: UInt32.self)
        bx_store64(field(\.magic), BX_MAGIC)
    }

    deinit {
        bx_unmap(base, bytes)
        unlink(path)
    }

    // MARK: File table

    func slot(inode: UInt64) -> Int? {
        var slot = Int(bx_file_hash(inode) & UInt64(Self.fileSlots - 1))
        for _ in 0..<Int(BX_FILE_PROBE) {
            let found = bx_load64(&files[slot].inode)
            if found == inode { return slot }
            if found == 0 { return nil }
            slot = (slot + 1) & (Self.fileSlots - 1)
        }
        return nil
    }

    /// Whether the file with that inode may lack blocks; an unknown one may.
    func hasHoles(inode: UInt64) -> Bool {
        guard let slot = slot(inode: inode) else { return true }
        return bx_load32(&files[slot].flags) & UInt32(BX_FILE_HOLES) != 0
    }

    /// Tells the shim which volume file a local inode is. Before the engine starts only.
    /// - Throws: if there is no room, which half a million files leave
    func enter(inode: UInt64, file: FileID, holes: Bool) throws(DriverError) {
        var slot = Int(bx_file_hash(inode) & UInt64(Self.fileSlots - 1))
        for _ in 0..<Int(BX_FILE_PROBE) {
            if files[slot].inode == 0 || files[slot].inode == UInt64.max || files[slot].inode == inode {
                files[slot].inode = inode
                files[slot].flags = holes ? UInt32(BX_FILE_HOLES) : 0
                bx_store64(&files[slot].id, file.value)
                return
            }
            slot = (slot + 1) & (Self.fileSlots - 1)
        }
        throw DriverError("the volume has too many files: the table of \(Self.fileSlots) has no room for one more")
    }
}
