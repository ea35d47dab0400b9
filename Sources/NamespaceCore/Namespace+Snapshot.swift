// SPDX-License-Identifier: Apache-2.0

package import NIOCore
internal import VolumeModel

/// A namespace as bytes. Equal namespaces give equal bytes. Little-endian:
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | magic `BXNAMES1` |
/// | 8 | 4 | version, 1 |
/// | 12 | 4 | mode of the root |
/// | 16 | 8 | largest file id ever seen |
/// | 24 | 4 | number of files |
/// | 28 | 4 | number of names, root excluded |
///
/// Then the files, ascending by id: u64 id, u64 size, u32 mode, u32 number of chunks, and per chunk u64 chunk, u32 group.
/// Then the names, each directory before what it holds: u8 kind (1 directory, 2 file, 3 symbolic link), u32 parent (0 the
/// root, else n for the n-th directory of this list, from 1), u16 length and UTF-8 bytes of the name; then for a directory
/// u32 mode, for a file u64 id, for a symbolic link u16 length and bytes of the target. A file's link count is the number
/// of its names.
extension Namespace {
    private static let magic: UInt64 = 0x3153_454d_414e_5842
    private static let version: UInt32 = 1

    /// O(n log n).
    package func encode(into buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(
            Self.magic, Self.version, directories[Self.root]?.mode ?? 0, maximumFileID.value, UInt32(files.count),
            endianness: .little)
        let countAt = buffer.writerIndex
        buffer.writeInteger(UInt32(0), endianness: .little)
        for id in fileIDs {
            guard let file = files[id] else { continue }
            buffer.writeMultipleIntegers(
                id.value, file.size, file.mode, UInt32(file.chunks.count), endianness: .little)
            for place in file.chunks {
                buffer.writeMultipleIntegers(place.chunk, place.group.value, endianness: .little)
            }
        }
        var numbers: [DirectoryID: UInt32] = [Self.root: 0]
        var count: UInt32 = 0
        walk { _, parent, name, node in
            let kind: UInt8 =
                switch node {
                case .directory: 1
                case .file: 2
                case .symlink: 3
                }
            buffer.writeMultipleIntegers(
                kind, numbers[parent] ?? 0, UInt16(clamping: name.utf8.count), endianness: .little)
            buffer.writeString(name)
            switch node {
            case .directory(let id):
                numbers[id] = UInt32(numbers.count)
                buffer.writeInteger(directories[id]?.mode ?? 0, endianness: .little)
            case .file(let id):
                buffer.writeInteger(id.value, endianness: .little)
            case .symlink(let target):
                buffer.writeInteger(UInt16(clamping: target.utf8.count), endianness: .little)
                buffer.writeString(target)
            }
            count += 1
        }
        buffer.setInteger(count, at: countAt, endianness: .little)
    }

    package var encoded: ByteBuffer {
        var buffer = ByteBuffer()
        encode(into: &buffer)
        return buffer
    }

    /// - Throws: `badSnapshot` for anything that `encode` did not write. O(n).
    package init(decoding bytes: ByteBuffer) throws(NamespaceError) {
        var bytes = bytes
        func bad(_ what: String) -> NamespaceError { .badSnapshot(what) }
        guard
            let (magic, version, rootMode, maximum, fileCount, nameCount) = bytes.readMultipleIntegers(
                endianness: .little, as: (UInt64, UInt32, UInt32, UInt64, UInt32, UInt32).self),
            magic == Self.magic, version == Self.version
        else { throw bad("front") }
        self.init(rootMode: rootMode)
        maximumFileID = FileID(maximum)
        files.reserveCapacity(min(Int(fileCount), bytes.readableBytes / 24))
        for _ in 0..<fileCount {
            guard
                let (id, size, mode, chunkCount) = bytes.readMultipleIntegers(
                    endianness: .little, as: (UInt64, UInt64, UInt32, UInt32).self),
                id != 0, id <= maximum, Int(chunkCount) * 12 <= bytes.readableBytes
            else { throw bad("file") }
            var file = File(size: size, mode: mode, links: 0)
            file.chunks.reserveCapacity(Int(chunkCount))
            for _ in 0..<chunkCount {
                guard let (chunk, group) = bytes.readMultipleIntegers(endianness: .little, as: (UInt64, UInt32).self),
                    file.chunks.last.map({ $0.chunk < chunk }) ?? true
                else { throw bad("chunk") }
                file.chunks.append(ChunkPlace(chunk: chunk, group: GroupID(group)))
            }
            guard files.updateValue(file, forKey: FileID(id)) == nil else { throw bad("file listed twice") }
        }
        for _ in 0..<nameCount { try decodeName(&bytes) }
        guard bytes.readableBytes == 0 else { throw bad("bytes left over") }
        guard files.values.allSatisfy({ $0.links > 0 }) else { throw bad("file without a name") }
    }

    private mutating func decodeName(_ bytes: inout ByteBuffer) throws(NamespaceError) {
        guard
            let (kind, parentNumber, length) = bytes.readMultipleIntegers(
                endianness: .little, as: (UInt8, UInt32, UInt16).self),
            let name = bytes.readString(length: Int(length)), !name.isEmpty, !name.utf8.contains(UInt8(ascii: "/"))
        else { throw .badSnapshot("name") }
        let parent = Int(parentNumber)
        guard parent < directories.count else { throw .badSnapshot("parent") }
        let node: Node
        switch kind {
        case 1:
            guard let mode = bytes.readInteger(endianness: .little, as: UInt32.self) else { throw .badSnapshot("mode") }
            node = .directory(directories.count)
            directories.append(Directory(mode: mode, parent: parent))
        case 2:
            guard let value = bytes.readInteger(endianness: .little, as: UInt64.self),
                files[FileID(value)] != nil
            else { throw .badSnapshot("name of no file") }
            files[FileID(value)]?.links += 1
            node = .file(FileID(value))
        case 3:
            guard let length = bytes.readInteger(endianness: .little, as: UInt16.self),
                let target = bytes.readString(length: Int(length))
            else { throw .badSnapshot("target") }
            node = .symlink(target)
        default: throw .badSnapshot("kind")
        }
        guard directories[parent]?.children.updateValue(node, forKey: name) == nil else {
            throw .badSnapshot("name listed twice")
        }
    }
}
