// SPDX-License-Identifier: Apache-2.0

internal import CLZ4
package import NIOCore

/// LZ4 blocks (lz4.org, block format): what is sealed is compressed first, since what is sealed cannot be compressed.
package enum LZ4Block {
    /// Appends the compressed bytes to `output` and says so, if that makes them shorter by a sixteenth; else appends nothing.
    package static func compress(_ plain: ByteBuffer, into output: inout ByteBuffer) -> Bool {
        let length = plain.readableBytes
        let limit = length - length / 16
        guard limit > 0, length <= Int(Int32.max) else { return false }
        let written = output.writeWithUnsafeMutableBytes(minimumWritableBytes: limit) { space in
            plain.withUnsafeReadableBytes { bytes in
                Int(
                    LZ4_compress_default(
                        bytes.bindMemory(to: CChar.self).baseAddress, space.bindMemory(to: CChar.self).baseAddress,
                        Int32(length), Int32(limit)))
            }
        }
        return written > 0
    }

    /// Exactly `length` bytes, or nil if the block is not what `compress` made of so many.
    package static func expand(_ block: ByteBuffer, to length: Int) -> ByteBuffer? {
        var output = ByteBuffer()
        let written = output.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { space in
            block.withUnsafeReadableBytes { bytes in
                max(
                    0,
                    Int(
                        LZ4_decompress_safe(
                            bytes.bindMemory(to: CChar.self).baseAddress, space.bindMemory(to: CChar.self).baseAddress,
                            Int32(bytes.count), Int32(length))))
            }
        }
        return written == length ? output : nil
    }
}
