// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
package import NIOCore
internal import VolumeModel

/// Walks the records of one group's part of a batch. Every record's CRC is checked; malformed bytes throw, never trap.
package struct RecordDecoder {
    private var buffer: ByteBuffer

    package init(_ payload: ByteBuffer) { buffer = payload }

    /// The next header with its body's bytes, without interpreting the body; nil at the end.
    package mutating func nextRaw() throws(RecordError) -> (RecordHeader, ByteBuffer)? {
        if buffer.readableBytes == 0 { return nil }
        let at = buffer.readerIndex
        guard buffer.readableBytes >= RecordHeader.bytes,
            let length = buffer.getInteger(at: at, endianness: .little, as: UInt32.self)
        else { throw .truncated }
        guard length >= RecordHeader.bytes, length <= RecordHeader.longest else { throw .badLength(length) }
        guard var record = buffer.readSlice(length: Int(length)) else { throw .truncated }
        let start = record.readerIndex
        let kindByte: UInt8 = record.getInteger(at: start + 4) ?? 0
        let flags: UInt8 = record.getInteger(at: start + 5) ?? 0
        let lsn = LSN(record.getInteger(at: start + 8, endianness: .little) ?? 0)
        let crc: UInt32 = record.getInteger(at: start + 32, endianness: .little) ?? 0
        let computed = record.withUnsafeReadableBytes { bytes in
            var zero: UInt32 = 0
            let front = bx_crc32c(0, bytes.baseAddress!, 32)
            let middle = bx_crc32c(front, &zero, 4)
            return bx_crc32c(middle, bytes.baseAddress! + RecordHeader.bytes, bytes.count - RecordHeader.bytes)
        }
        guard crc == computed else { throw .badChecksum(lsn) }
        guard let kind = RecordKind(rawValue: kindByte) else { throw .unknownKind(kindByte) }
        let header = RecordHeader(
            length: length, kind: kind, flags: flags, lsn: lsn,
            file: FileID(record.getInteger(at: start + 16, endianness: .little) ?? 0),
            epoch: VolumeEpoch(record.getInteger(at: start + 24, endianness: .little) ?? 0),
            distance: record.getInteger(at: start + 28, endianness: .little) ?? 0)
        record.moveReaderIndex(forwardBy: RecordHeader.bytes)
        return (header, record)
    }

    package mutating func next() throws(RecordError) -> Record? {
        guard let (header, body) = try nextRaw() else { return nil }
        return Record(header: header, body: try Self.body(header, body))
    }

    package static func body(_ header: RecordHeader, _ bytes: ByteBuffer) throws(RecordError) -> Record.Body {
        var bytes = bytes
        let kind = header.kind
        func integer<T: FixedWidthInteger>(_ type: T.Type) throws(RecordError) -> T {
            guard let value = bytes.readInteger(endianness: .little, as: type) else { throw .badBody(kind) }
            return value
        }
        func text() throws(RecordError) -> String {
            guard let value = bytes.readString(length: bytes.readableBytes) else { throw .badBody(kind) }
            return value
        }
        /// One path, preceded by a mode.
        func modeAndPath() throws(RecordError) -> (UInt32, String) { (try integer(UInt32.self), try text()) }
        func twoPaths() throws(RecordError) -> (String, String) {
            _ = try integer(UInt32.self)
            let parts = try text().split(separator: "\0", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw .badBody(kind) }
            return (String(parts[0]), String(parts[1]))
        }
        switch kind {
        case .create:
            let (mode, path) = try modeAndPath()
            return .create(path: path, mode: mode)
        case .write:
            return .write(try ranges(header, bytes))
        case .zero:
            return .zero(offset: try integer(UInt64.self), length: try integer(UInt64.self))
        case .setSize:
            return .setSize(try integer(UInt64.self))
        case .rename:
            let (from, to) = try twoPaths()
            return .rename(from: from, to: to)
        case .link:
            let (existing, new) = try twoPaths()
            return .link(existing: existing, new: new)
        case .unlink:
            return .unlink(path: try modeAndPath().1)
        case .makeDirectory:
            let (mode, path) = try modeAndPath()
            return .makeDirectory(path: path, mode: mode)
        case .removeDirectory:
            return .removeDirectory(path: try modeAndPath().1)
        case .symlink:
            let (target, path) = try twoPaths()
            return .symlink(target: target, path: path)
        case .changeMode:
            let (mode, path) = try modeAndPath()
            return .changeMode(path: path, mode: mode)
        case .timestamp:
            return .timestamp(microseconds: try integer(UInt64.self))
        case .marker:
            return .marker(try modeAndPath().1)
        case .mapChunk:
            return .mapChunk(chunk: try integer(UInt64.self), group: GroupID(try integer(UInt32.self)))
        case .drop:
            return .drop
        }
    }

    /// The ranges of a write record; see `RecordEncoder.write` for the layout.
    package static func ranges(_ header: RecordHeader, _ body: ByteBuffer) throws(RecordError) -> [WrittenRange] {
        var bytes = body
        guard let offset = bytes.readInteger(endianness: .little, as: UInt64.self),
            let count = bytes.readInteger(endianness: .little, as: UInt32.self)
        else { throw .badBody(.write) }
        let narrow = header.flags & RecordHeader.narrowRanges != 0
        let width = narrow ? 4 : 8
        guard Int(count) * width <= bytes.readableBytes, var table = bytes.readSlice(length: Int(count) * width) else {
            throw .badBody(.write)
        }
        var result: [WrittenRange] = []
        result.reserveCapacity(Int(count))
        for _ in 0..<count {
            let at: UInt64
            let length: Int
            if narrow {
                at = UInt64(table.readInteger(endianness: .little, as: UInt16.self) ?? 0)
                length = Int(table.readInteger(endianness: .little, as: UInt16.self) ?? 0)
            } else {
                at = UInt64(table.readInteger(endianness: .little, as: UInt32.self) ?? 0)
                length = Int(table.readInteger(endianness: .little, as: UInt32.self) ?? 0)
            }
            let (start, overflow) = offset.addingReportingOverflow(at)
            guard !overflow, let data = bytes.readSlice(length: length) else { throw .badBody(.write) }
            result.append(WrittenRange(offset: start, data: data))
        }
        guard bytes.readableBytes == 0 else { throw .badBody(.write) }
        return result
    }
}
