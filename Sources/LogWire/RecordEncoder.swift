// SPDX-License-Identifier: Apache-2.0

package import CBorealis
package import NIOCore
package import VolumeModel

/// Appends records to one group's part of a batch.
///
/// The driver knows a record's LSN only when the record's length is known, so the body is written first and the header
/// filled in after: `begin`, body, `finish`.
package struct RecordEncoder: ~Copyable {
    package private(set) var buffer: ByteBuffer
    private var start = 0
    private var lastLSN: LSN?
    private var lastHeader: (at: Int, end: Int)?

    package init(reusing buffer: ByteBuffer) {
        self.buffer = buffer
        self.buffer.clear()
    }

    package var isEmpty: Bool { buffer.readableBytes == 0 }

    package consuming func finished() -> ByteBuffer { buffer }

    /// Reserves the header of a record; the caller appends the body through `append` and ends with `finish`.
    @inline(__always)
    package mutating func begin() {
        start = buffer.writerIndex
        buffer.writeRepeatingByte(0, count: RecordHeader.bytes)
    }

    package mutating func append(_ string: String) { buffer.writeString(string) }
    package mutating func append<T: FixedWidthInteger>(_ value: T) { buffer.writeInteger(value, endianness: .little) }
    package mutating func append(bytes: UnsafeRawBufferPointer) { buffer.writeBytes(bytes) }

    /// Fills the header in.
    /// - Parameter position: the volume's LSN before this record.
    /// - Returns: the record's LSN.
    package mutating func finish(
        _ kind: RecordKind, flags: UInt8 = 0, file: FileID = .none, epoch: VolumeEpoch, position: LSN
    ) -> LSN {
        let length = buffer.writerIndex - start
        let lsn = position.advanced(by: length)
        let distance = lastLSN.map { UInt32(clamping: lsn.value - $0.value) } ?? 0
        buffer.setInteger(UInt32(length), at: start, endianness: .little)
        buffer.setInteger(kind.rawValue, at: start + 4)
        buffer.setInteger(flags, at: start + 5)
        buffer.setInteger(lsn.value, at: start + 8, endianness: .little)
        buffer.setInteger(file.value, at: start + 16, endianness: .little)
        buffer.setInteger(epoch.value, at: start + 24, endianness: .little)
        buffer.setInteger(distance, at: start + 28, endianness: .little)
        let crc = buffer.withUnsafeReadableBytes { whole in
            bx_crc32c(0, whole.baseAddress! + (start - buffer.readerIndex), length)
        }
        buffer.setInteger(crc, at: start + 32, endianness: .little)
        lastLSN = lsn
        return lsn
    }

    /// A write whose ranges and data are already packed as in the ring: `ranges` relative to `offset`, their bytes back to
    /// back in `data`.
    ///
    /// Body: u64 offset, u32 count, then per range its distance from `offset` and its length (u16 each when the record is
    /// narrow, else u32), then the data of all ranges.
    package mutating func write(
        file: FileID, offset: UInt64, ranges: UnsafeBufferPointer<bx_range>, data: UnsafeRawBufferPointer, flags: UInt8,
        epoch: VolumeEpoch, position: LSN
    ) -> LSN {
        begin()
        append(offset)
        append(UInt32(ranges.count))
        let narrow = ranges.last.map { $0.at + $0.length <= 0xffff } ?? true
        for range in ranges {
            if narrow {
                append(UInt16(truncatingIfNeeded: range.at))
                append(UInt16(truncatingIfNeeded: range.length))
            } else {
                append(range.at)
                append(range.length)
            }
        }
        append(bytes: data)
        let flags = narrow ? flags | RecordHeader.narrowRanges : flags
        return finish(.write, flags: flags, file: file, epoch: epoch, position: position)
    }

    package mutating func zero(
        file: FileID, offset: UInt64, length: UInt64, flags: UInt8, epoch: VolumeEpoch, position: LSN
    ) -> LSN {
        begin()
        append(offset)
        append(length)
        return finish(.zero, flags: flags, file: file, epoch: epoch, position: position)
    }

    package mutating func drop(file: FileID, flags: UInt8, epoch: VolumeEpoch, position: LSN) -> LSN {
        begin()
        return finish(.drop, flags: flags, file: file, epoch: epoch, position: position)
    }

    package mutating func setSize(file: FileID, size: UInt64, flags: UInt8, epoch: VolumeEpoch, position: LSN) -> LSN {
        begin()
        append(size)
        return finish(.setSize, flags: flags, file: file, epoch: epoch, position: position)
    }

    package mutating func mapChunk(
        file: FileID, chunk: UInt64, group: GroupID, flags: UInt8, epoch: VolumeEpoch, position: LSN
    ) -> LSN {
        begin()
        append(chunk)
        append(group.value)
        return finish(.mapChunk, flags: flags, file: file, epoch: epoch, position: position)
    }

    package mutating func timestamp(microseconds: UInt64, flags: UInt8, epoch: VolumeEpoch, position: LSN) -> LSN {
        begin()
        append(microseconds)
        return finish(.timestamp, flags: flags, epoch: epoch, position: position)
    }

    /// A namespace operation with one path, or two separated by a NUL byte; `mode` for those that have one.
    package mutating func name(
        _ kind: RecordKind, file: FileID, mode: UInt32, paths: UnsafeRawBufferPointer, flags: UInt8, epoch: VolumeEpoch,
        position: LSN
    ) -> LSN {
        begin()
        append(mode)
        append(bytes: paths)
        return finish(kind, flags: flags, file: file, epoch: epoch, position: position)
    }
}
