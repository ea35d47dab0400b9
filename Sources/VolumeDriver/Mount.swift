// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import LogWire
internal import NIOCore
internal import NamespaceCore
internal import QuorumCore
internal import SegmentCore
internal import StorageNode
internal import StorageWire
internal import Synchronization
internal import VolumeModel

/// The local directory: a cache of the volume that starts as empty files of the right size.
///
/// A hole in a local file is a block that has to be fetched; a file without the `HOLES` flag is complete. Nothing here is
/// ever flushed: after a crash or a power loss the directory is thrown away; after a clean detach it is kept (`CacheNote`).
extension VolumeDriver {
    var root: String { configuration.directory + "/volume" }

    /// The namespace as of an LSN, from whichever node can tell.
    func readNamespace(at lsn: LSN, required: [GroupID: LSN], recovered: RecoveredVolume?) throws -> Namespace {
        guard lsn > .zero else { return Namespace() }
        let members = recovered?.groups.first?.tenure.membership.nodes ?? transport.nodes
        let complete = required[.namespace] ?? .zero
        var failures: [String] = []
        for node in members {
            do {
                let body = try transport.call(
                    .namespace(volume: configuration.volume, node: node, at: lsn, complete: complete), node: node)
                return try Namespace(decoding: body)
            } catch {
                failures.append("\(node): \(error)")
            }
        }
        throw DriverError("no node can tell the namespace at \(lsn): \(failures.joined(separator: "; "))")
    }

    /// Makes the local directory anew and a ring for it.
    func mount(_ namespace: Namespace, mode: UInt32) throws -> Attachment {
        try makeDirectories(root)
        try keepInodes(of: namespace)
        try own(root, mode: 0o700)
        let nextFile = FileID(max(1, namespace.maximumFileID.value + 1))
        let ring = try makeRing(mode: mode, nextFile: nextFile)
        var failure: DriverError?
        namespace.forEachItem { item in
            guard failure == nil else { return }
            do throws(DriverError) { try lay(item, namespace, ring) } catch { failure = error }
        }
        if let failure { throw failure }
        return adopt(ring, isEmpty: namespace.fileCount == 0)
    }

    /// A fresh ring over the directory as it is. Bytes in doubt become holes.
    func remount(_ namespace: Namespace, inDoubt: [InDoubt]) throws -> Attachment {
        let old = core.withLock { $0.ring }
        let nextFile = FileID(max(namespace.maximumFileID.value + 1, old?.nextFileID ?? 1))
        let ring = try makeRing(
            mode: configuration.cacheBytesMax == nil ? 0 : UInt32(BX_MODE_EVICTING), nextFile: nextFile)
        let doubted = Set(inDoubt.map(\.file))
        try namespace.forEachItem { item in
            guard case .file(let id) = item.entry else { return }
            var info = stat()
            let path = "\(root)/\(item.path)"
            guard lstat(path, &info) == 0 else { throw DriverError("the cache lacks \(item.path)") }
            if old == nil, UInt64(info.st_size) != namespace.size(of: id) {
                throw DriverError("the cache has another \(item.path)")
            }
            let hadHoles = old?.hasHoles(inode: UInt64(info.st_ino)) ?? hasHole(path)
            try ring.enter(inode: UInt64(info.st_ino), file: id, holes: hadHoles || doubted.contains(id))
            for doubt in inDoubt where doubt.file == id { try punch(path, doubt) }
        }
        return adopt(ring, isEmpty: namespace.fileCount == 0)
    }

    private func hasHole(_ path: String) -> Bool {
        let fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard fd >= 0 else { return true }
        defer { close(fd) }
        let seekHole: Int32 = 4  // SEEK_HOLE of linux/fs.h, which Glibc's module lacks
        let hole = lseek(fd, 0, seekHole)
        return hole >= 0 && hole < lseek(fd, 0, SEEK_END)
    }

    private func punch(_ path: String, _ doubt: InDoubt) throws(DriverError) {
        let block = UInt64(BX_BLOCK)
        let from = doubt.offset / block * block
        let to = (doubt.offset + doubt.length + block - 1) / block * block
        let fd = open(path, O_RDWR | O_CLOEXEC)
        guard fd >= 0, bx_punch_hole(fd, Int64(from), Int64(to - from)) == 0 else {
            throw DriverError("cannot drop doubtful blocks of \(path): \(String(cString: strerror(errno)))")
        }
        // A write that was cut short may not have grown the file yet.
        if let size = core.withLock({ $0.builder?.namespace.size(of: doubt.file) }) { ftruncate(fd, off_t(size)) }
        close(fd)
    }

    private func makeRing(mode: UInt32, nextFile: FileID) throws -> Ring {
        let name = configuration.directory.utf8.reduce(UInt64(14_695_981_039_346_656_037)) {
            ($0 ^ UInt64($1)) &* 1_099_511_628_211
        }
        let prefix = "borealis-\(getuid())-\(String(name, radix: 16))-"
        // Rings of this directory that a killed process left; whoever maps one still keeps it.
        for stale in (try? listDirectory("/dev/shm")) ?? [] where stale.hasPrefix(prefix) {
            unlink("/dev/shm/\(stale)")
        }
        return try Ring(
            path: "/dev/shm/\(prefix)\(bx_monotonic_ns())",
            logBytes: configuration.ringBytes,
            mode: mode | (configuration.cacheBytesMax == nil ? 0 : UInt32(BX_MODE_EVICTING)), nextFile: nextFile,
            owner: configuration.owner)
    }

    private func adopt(_ ring: Ring, isEmpty: Bool) -> Attachment {
        core.withLock { core in
            core.ring = ring
            core.consumed = 0
            return Attachment(
                root: root, ringPath: ring.path, doorbell: doorbell, vdl: core.vdl, epoch: core.epoch, isEmpty: isEmpty)
        }
    }

    /// Removes what the last attach left, but for files and directories that are there again: they are emptied by `lay`. Some
    /// file systems (ext4 without a journal) take long to find new inodes right after many were given up, and a failover
    /// wants the same ones again.
    private func keepInodes(of namespace: Namespace) throws(DriverError) {
        var (directories, files): (Set<String>, Set<String>) = ([], [])
        namespace.forEachItem { item in
            switch item.entry {
            case .directory: directories.insert(item.path)
            case .file(let id): if namespace.file(id)?.links == 1 { files.insert(item.path) }
            case .symlink: break
            }
        }
        var pending = [""]
        while let directory = pending.popLast() {
            let names: [String]
            do { names = try listDirectory("\(root)/\(directory)") } catch { throw DriverError("\(error)") }
            for name in names {
                let relative = directory.isEmpty ? name : "\(directory)/\(name)"
                let path = "\(root)/\(relative)"
                var info = stat()
                guard lstat(path, &info) == 0 else { throw failed("look at", path) }
                switch info.st_mode & S_IFMT {
                case S_IFDIR where directories.contains(relative): pending.append(relative)
                // Another name of the file would show what is laid out here.
                case S_IFREG where files.contains(relative) && info.st_nlink == 1: break
                default: try removeTree(path)
                }
            }
        }
    }

    private func lay(_ item: Namespace.Item, _ namespace: Namespace, _ ring: Ring) throws(DriverError) {
        let path = "\(root)/\(item.path)"
        switch item.entry {
        case .directory(let mode):
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failed("create directory", path) }
            try own(path, mode: mode)
        case .symlink(let target):
            guard symlink(target, path) == 0 else { throw failed("create symbolic link", path) }
            _ = lchown(path, uid_t(bitPattern: configuration.owner.uid), gid_t(bitPattern: configuration.owner.gid))
        case .file(let id):
            guard let file = namespace.file(id) else { return }
            // A second name of a file that is already there: find it by its first one.
            if file.links > 1, let first = namespace.paths(of: id).first, first != item.path {
                guard Glibc.link("\(root)/\(first)", path) == 0 else { throw failed("link", path) }
                return
            }
            let fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
            guard fd >= 0 else { throw failed("create", path) }
            defer { close(fd) }
            var info = stat()
            guard ftruncate(fd, off_t(file.size)) == 0,
                fchown(fd, uid_t(bitPattern: configuration.owner.uid), gid_t(bitPattern: configuration.owner.gid)) == 0,
                fchmod(fd, mode_t(file.mode & 0o7777)) == 0, fstat(fd, &info) == 0
            else { throw failed("lay out", path) }
            try ring.enter(inode: UInt64(info.st_ino), file: id, holes: file.size > 0)
        }
    }

    private func own(_ path: String, mode: UInt32) throws(DriverError) {
        guard chown(path, uid_t(bitPattern: configuration.owner.uid), gid_t(bitPattern: configuration.owner.gid)) == 0,
            chmod(path, mode_t(mode & 0o7777)) == 0
        else { throw failed("own", path) }
    }

    private func failed(_ action: String, _ path: String) -> DriverError {
        let reason = String(cString: strerror(errno))
        return DriverError(
            "\(action) \(path) in the local cache: \(reason)" + (errno == ENOSPC ? "; free some space" : ""))
    }

    private func makeDirectories(_ path: String) throws(DriverError) {
        var built = ""
        for part in path.split(separator: "/") {
            built += "/" + part
            guard mkdir(built, 0o711) == 0 || errno == EEXIST else { throw failed("create directory", built) }
        }
    }

    /// Removes a file, or a directory with all that is in it. Never follows a symbolic link.
    private func removeTree(_ path: String) throws(DriverError) {
        var info = stat()
        guard lstat(path, &info) == 0 else { return }
        if info.st_mode & S_IFMT == S_IFDIR {
            let names: [String]
            do { names = try listDirectory(path) } catch { throw DriverError("\(error)") }
            for name in names { try removeTree(path + "/" + name) }
            guard rmdir(path) == 0 else { throw failed("remove", path) }
        } else {
            guard unlink(path) == 0 else { throw failed("remove", path) }
        }
    }
}
