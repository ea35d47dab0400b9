// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// A volume's names: which paths there are, which file each one names, how large the files are and where their chunks live.
///
/// A value: a copy costs nothing until one of the two is changed. Paths are relative to the volume's root, without a
/// leading `/`; the root is the empty path. Renaming a directory moves its subtree in O(1): a path is resolved through a
/// tree of directories, not looked up whole.
///
/// Nothing here traps on odd input. An operation that POSIX would refuse throws and changes nothing.
package struct Namespace: Sendable {
    /// What a path names.
    package enum Entry: Hashable, Sendable {
        case directory(mode: UInt32)
        case file(FileID)
        case symlink(target: String)
    }

    /// What is known of a file besides its names.
    package struct File: Hashable, Sendable {
        /// Bytes.
        package var size: UInt64
        package var mode: UInt32
        /// How many names it has; never 0 for a file that is listed.
        package var links: UInt32
        /// Which group holds which chunk, sorted by chunk; a chunk that is not listed was never written.
        package var chunks: [ChunkPlace]

        package init(size: UInt64 = 0, mode: UInt32, links: UInt32 = 1, chunks: [ChunkPlace] = []) {
            self.size = size
            self.mode = mode
            self.links = links
            self.chunks = chunks
        }
    }

    package struct ChunkPlace: Hashable, Sendable {
        package var chunk: UInt64
        package var group: GroupID

        package init(chunk: UInt64, group: GroupID) {
            self.chunk = chunk
            self.group = group
        }
    }

    /// A directory's number in the arena; the root is 0.
    typealias DirectoryID = Int

    enum Node: Hashable, Sendable {
        case directory(DirectoryID)
        case file(FileID)
        case symlink(String)
    }

    struct Directory: Sendable {
        var mode: UInt32
        var parent: DirectoryID
        var children: [String: Node] = [:]
    }

    static let root: DirectoryID = 0
    /// One part of a path, or the target of a symbolic link: what a snapshot can hold.
    package static let nameBytesMax = 0xffff

    /// Nil where a directory was removed; `free` lists those places.
    var directories: [Directory?]
    var free: [DirectoryID] = []
    var files: [FileID: File] = [:]

    /// The largest file id that any operation named so far, removed files included.
    package internal(set) var maximumFileID: FileID = .none

    /// An empty volume: only the root.
    package init(rootMode: UInt32 = 0o700) { directories = [Directory(mode: rootMode, parent: 0)] }
}

/// Why an operation was refused; the cases are those of `errno(3)`.
package enum NamespaceError: Error, Hashable, Sendable {
    /// ENOENT: a path or a part of it does not exist.
    case noEntry(String)
    /// No file has this id: it never existed or its last name is gone.
    case noFile(FileID)
    /// EEXIST
    case exists(String)
    /// ENOTDIR
    case notDirectory(String)
    /// EISDIR
    case isDirectory(String)
    /// ENOTEMPTY
    case notEmpty(String)
    /// EINVAL: an empty path, file id 0, a directory moved into itself.
    case invalid(String)
    /// Bytes that are not a snapshot.
    case badSnapshot(String)
}

// MARK: - Looking things up

extension Namespace {
    package var fileCount: Int { files.count }
    package var directoryCount: Int { directories.count - free.count }

    /// What the path names; nil if nothing. O(depth).
    package func entry(at path: String) -> Entry? {
        if path.isEmpty { return directories[Self.root].map { .directory(mode: $0.mode) } }
        guard let (parent, name) = try? locate(path), let node = directories[parent]?.children[name] else { return nil }
        return describe(node)
    }

    /// The id of the file that the path names; nil if it names none.
    package func fileID(at path: String) -> FileID? {
        if case .file(let id) = entry(at: path) { return id }
        return nil
    }

    package func file(_ id: FileID) -> File? { files[id] }

    /// Bytes; nil if there is no such file.
    package func size(of id: FileID) -> UInt64? { files[id]?.size }

    /// The group that holds a chunk of a file; nil if the chunk was never mapped. O(log chunks).
    package func group(of id: FileID, chunk: UInt64) -> GroupID? {
        guard let file = files[id] else { return nil }
        let at = Self.position(of: chunk, in: file.chunks)
        guard at < file.chunks.count, file.chunks[at].chunk == chunk else { return nil }
        return file.chunks[at].group
    }

    /// Ids of all files, ascending. O(n log n).
    package var fileIDs: [FileID] { files.keys.sorted() }

    /// The first place in `chunks` whose chunk is not below `chunk`.
    static func position(of chunk: UInt64, in chunks: [ChunkPlace]) -> Int {
        if let last = chunks.last, last.chunk < chunk { return chunks.count }
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].chunk < chunk { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func describe(_ node: Node) -> Entry {
        switch node {
        case .directory(let id): .directory(mode: directories[id]?.mode ?? 0)
        case .file(let id): .file(id)
        case .symlink(let target): .symlink(target: target)
        }
    }

    /// The directory that holds the path's last part, and that part. Empty parts (`a//b`, `a/`) are skipped.
    func locate(_ path: String) throws(NamespaceError) -> (DirectoryID, String) {
        var at = Self.root
        var name: Substring?
        for part in path.utf8.split(separator: UInt8(ascii: "/")).lazy.map(Substring.init) {
            if let parent = name {
                switch directories[at]?.children[String(parent)] {
                case .directory(let next): at = next
                case nil: throw .noEntry(path)
                default: throw .notDirectory(path)
                }
            }
            name = part
        }
        guard let name, name.utf8.count <= Self.nameBytesMax else { throw .invalid(path) }
        return (at, String(name))
    }
}
