// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// The operations, with the semantics of the POSIX calls of the same names.
///
/// Each is O(depth of the path) and either done in full or refused by a thrown error with nothing changed. Those that
/// may remove a file's last name return the id that became an orphan: its content is to be dropped.
extension Namespace {
    /// A new, empty file. Repeating it (same path, same id) is no error.
    package mutating func create(_ path: String, id: FileID, mode: UInt32) throws(NamespaceError) {
        guard id != .none else { throw .invalid(path) }
        note(id)
        let (parent, name) = try locate(path)
        if let old = directories[parent]?.children[name] {
            if old == .file(id) { return }
            throw .exists(path)
        }
        guard files[id] == nil else { throw .exists(path) }
        directories[parent]?.children[name] = .file(id)
        files[id] = File(mode: mode)
    }

    /// The file has `size` bytes from now on.
    package mutating func setSize(_ id: FileID, _ size: UInt64) throws(NamespaceError) {
        guard files[id] != nil else { throw .noFile(id) }
        files[id]?.size = size
    }

    /// A chunk lives in a group; a chunk once mapped is moved by mapping it again.
    package mutating func mapChunk(_ id: FileID, _ chunk: UInt64, _ group: GroupID) throws(NamespaceError) {
        guard let chunks = files[id]?.chunks else { throw .noFile(id) }
        let at = Self.position(of: chunk, in: chunks)
        if at < chunks.count, chunks[at].chunk == chunk {
            files[id]?.chunks[at].group = group
        } else {
            files[id]?.chunks.insert(ChunkPlace(chunk: chunk, group: group), at: at)
        }
    }

    /// Another name for a file or a symbolic link.
    package mutating func link(existing: String, new: String) throws(NamespaceError) {
        let (fromParent, fromName) = try locate(existing)
        guard let node = directories[fromParent]?.children[fromName] else { throw .noEntry(existing) }
        if case .directory = node { throw .isDirectory(existing) }
        let (parent, name) = try locate(new)
        guard directories[parent]?.children[name] == nil else { throw .exists(new) }
        directories[parent]?.children[name] = node
        if case .file(let id) = node { files[id]?.links += 1 }
    }

    /// - Returns: the id of the file whose last name this was.
    @discardableResult
    package mutating func unlink(_ path: String) throws(NamespaceError) -> FileID? {
        let (parent, name) = try locate(path)
        guard let node = directories[parent]?.children[name] else { throw .noEntry(path) }
        if case .directory = node { throw .isDirectory(path) }
        directories[parent]?.children[name] = nil
        return release(node)
    }

    /// Moves a name, replacing the target as `rename(2)` does: a file replaces a file or symbolic link, a directory an
    /// empty directory; two names of one file stay as they are.
    /// - Returns: the id of the file whose last name was replaced.
    @discardableResult
    package mutating func rename(from: String, to: String) throws(NamespaceError) -> FileID? {
        let (fromParent, fromName) = try locate(from)
        guard let node = directories[fromParent]?.children[fromName] else { throw .noEntry(from) }
        let (parent, name) = try locate(to)
        if parent == fromParent, name == fromName { return nil }
        let target = directories[parent]?.children[name]
        var orphan: FileID?
        if case .directory(let moved) = node {
            guard !isInside(parent, moved) else { throw .invalid(to) }
            switch target {
            case nil: break
            case .directory(let old):
                guard directories[old]?.children.isEmpty ?? true else { throw .notEmpty(to) }
                remove(directory: old)
            default: throw .notDirectory(to)
            }
            directories[moved]?.parent = parent
        } else {
            if let target {
                if case .directory = target { throw .isDirectory(to) }
                if case .file = node, target == node { return nil }
                orphan = release(target)
            }
        }
        directories[fromParent]?.children[fromName] = nil
        directories[parent]?.children[name] = node
        return orphan
    }

    package mutating func makeDirectory(_ path: String, mode: UInt32) throws(NamespaceError) {
        let (parent, name) = try locate(path)
        guard directories[parent]?.children[name] == nil else { throw .exists(path) }
        let made = Directory(mode: mode, parent: parent)
        let id: DirectoryID
        if let reused = free.popLast() {
            id = reused
            directories[id] = made
        } else {
            id = directories.count
            directories.append(made)
        }
        directories[parent]?.children[name] = .directory(id)
    }

    package mutating func removeDirectory(_ path: String) throws(NamespaceError) {
        let (parent, name) = try locate(path)
        guard let node = directories[parent]?.children[name] else { throw .noEntry(path) }
        guard case .directory(let id) = node else { throw .notDirectory(path) }
        guard directories[id]?.children.isEmpty ?? true else { throw .notEmpty(path) }
        directories[parent]?.children[name] = nil
        remove(directory: id)
    }

    package mutating func symlink(target: String, path: String) throws(NamespaceError) {
        let (parent, name) = try locate(path)
        guard directories[parent]?.children[name] == nil else { throw .exists(path) }
        guard target.utf8.count <= Self.nameBytesMax else { throw .invalid(target) }
        directories[parent]?.children[name] = .symlink(target)
    }

    /// Permission bits of a file or a directory; those of a symbolic link are ignored, as on Linux.
    package mutating func changeMode(_ path: String, mode: UInt32) throws(NamespaceError) {
        if path.isEmpty {
            directories[Self.root]?.mode = mode
            return
        }
        let (parent, name) = try locate(path)
        switch directories[parent]?.children[name] {
        case nil: throw .noEntry(path)
        case .directory(let id): directories[id]?.mode = mode
        case .file(let id): files[id]?.mode = mode
        case .symlink: break
        }
    }

    // MARK: - Helpers

    mutating func note(_ id: FileID) { if id > maximumFileID { maximumFileID = id } }

    /// A name of the node is gone. Returns the id if it was a file's last.
    private mutating func release(_ node: Node) -> FileID? {
        guard case .file(let id) = node, let links = files[id]?.links else { return nil }
        if links > 1 {
            files[id]?.links = links - 1
            return nil
        }
        files[id] = nil
        return id
    }

    private mutating func remove(directory id: DirectoryID) {
        directories[id] = nil
        free.append(id)
    }

    /// Whether `directory` is `ancestor` or lies below it.
    private func isInside(_ directory: DirectoryID, _ ancestor: DirectoryID) -> Bool {
        var at = directory
        while at != ancestor {
            guard at != Self.root, let parent = directories[at]?.parent else { return false }
            at = parent
        }
        return true
    }
}
