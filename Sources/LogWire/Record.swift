// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import VolumeModel

/// What a record does to the volume. Raw values are on disk: never reuse one.
package enum RecordKind: UInt8, Sendable, CaseIterable {
    case create = 1
    case write = 2
    case zero = 3
    case setSize = 4
    case rename = 5
    case link = 6
    case unlink = 7
    case makeDirectory = 8
    case removeDirectory = 9
    case symlink = 10
    case changeMode = 11
    case timestamp = 12
    case marker = 13
    case mapChunk = 14
    /// The file's content in this group is gone: nothing refers to it any more.
    case drop = 15

    /// Whether the record lives in the file's content group; all others live in group 0.
    package var isContent: Bool { self == .write || self == .zero || self == .drop }
}

/// The fixed front of every record.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | length of header and body, bytes |
/// | 4 | 1 | kind |
/// | 5 | 1 | flags: 1 = consistency point (last record of an engine call), 2 = narrow ranges |
/// | 6 | 2 | zero |
/// | 8 | 8 | LSN: the position at which this record ends |
/// | 16 | 8 | file id |
/// | 24 | 4 | volume epoch |
/// | 28 | 4 | distance back to the group's previous record in the batch; 0 for the first (the batch header has it) |
/// | 32 | 4 | CRC32C of the record with this field zero |
///
/// All integers are little-endian.
package struct RecordHeader: Hashable, Sendable {
    package static let bytes = 36
    package static let consistencyPoint: UInt8 = 1
    package static let narrowRanges: UInt8 = 2
    /// No record is longer: a ring entry's data limit with generous room for its ranges.
    package static let longest = 4 << 20

    package var length: UInt32
    package var kind: RecordKind
    package var flags: UInt8
    package var lsn: LSN
    package var file: FileID
    package var epoch: VolumeEpoch
    package var distance: UInt32

    package var isConsistencyPoint: Bool { flags & Self.consistencyPoint != 0 }
}

/// A byte range of a write, relative to the file.
package struct WrittenRange: Hashable, Sendable {
    package var offset: UInt64
    package var data: ByteBuffer

    package init(offset: UInt64, data: ByteBuffer) {
        self.offset = offset
        self.data = data
    }
}

/// A decoded record: what tools, nodes and tests look at. The commit path never builds one.
package struct Record: Hashable, Sendable {
    package enum Body: Hashable, Sendable {
        case create(path: String, mode: UInt32)
        /// All ranges of one engine write; they become visible together.
        case write([WrittenRange])
        /// `length` bytes from `offset` become zero; 0 bytes means to the end of time.
        case zero(offset: UInt64, length: UInt64)
        case setSize(UInt64)
        case rename(from: String, to: String)
        case link(existing: String, new: String)
        case unlink(path: String)
        case makeDirectory(path: String, mode: UInt32)
        case removeDirectory(path: String)
        case symlink(target: String, path: String)
        case changeMode(path: String, mode: UInt32)
        /// Microseconds since 1970-01-01 UTC.
        case timestamp(microseconds: UInt64)
        case marker(String)
        /// The file's `chunk` (of the volume's chunk size) lives in `group`.
        case mapChunk(chunk: UInt64, group: GroupID)
        case drop
    }

    package var header: RecordHeader
    package var body: Body
}

package enum RecordError: Error, Hashable, Sendable {
    case truncated
    case badLength(UInt32)
    case unknownKind(UInt8)
    case badChecksum(LSN)
    case badBody(RecordKind)
}
