// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// One block being put together: its bytes, and which of them anything was applied to.
///
/// Starts as zeros that nothing touched. The one place where versions are applied, for reads and compaction alike.
package struct BlockOverlay {
    private var bytes: [UInt8]
    /// One bit a byte.
    private var touched: [UInt64]
    /// Whether `touched` is kept; reads do without.
    private let tracks: Bool

    package init(tracking: Bool) {
        bytes = [UInt8](repeating: 0, count: BlockKey.blockBytes)
        tracks = tracking
        touched = tracking ? [UInt64](repeating: 0, count: BlockKey.blockBytes / 64) : []
    }

    package mutating func reset() {
        _ = bytes.withUnsafeMutableBytes { $0.initializeMemory(as: UInt8.self, repeating: 0) }
        for i in touched.indices { touched[i] = 0 }
    }

    /// Bytes [`at`, `at + source.count`) become `source`. What lies outside of the block is our own bug.
    package mutating func apply(at: Int, _ source: UnsafeRawBufferPointer) {
        precondition(at >= 0 && at + source.count <= BlockKey.blockBytes)
        bytes.withUnsafeMutableBytes { UnsafeMutableRawBufferPointer(rebasing: $0[at...]).copyMemory(from: source) }
        touch(at, source.count)
    }

    package mutating func zero(at: Int, count: Int) {
        precondition(at >= 0 && count >= 0 && at + count <= BlockKey.blockBytes)
        _ = bytes.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[at..<(at + count)]).initializeMemory(
                as: UInt8.self, repeating: 0)
        }
        touch(at, count)
    }

    /// All of the block counts as touched.
    package mutating func touchAll() { touch(0, BlockKey.blockBytes) }

    private mutating func touch(_ at: Int, _ count: Int) {
        guard tracks, count > 0 else { return }
        var from = at
        let end = at + count
        while from < end {
            let bit = from % 64
            let length = min(64 - bit, end - from)
            let mask = length == 64 ? UInt64.max : ((1 << UInt64(length)) - 1) << UInt64(bit)
            touched[from / 64] |= mask
            from += length
        }
    }

    package var isZero: Bool {
        bytes.withUnsafeBytes { raw in raw.bindMemory(to: UInt64.self).allSatisfy { $0 == 0 } }
    }

    package var isWhollyTouched: Bool { tracks && touched.allSatisfy { $0 == .max } }

    package func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try bytes.withUnsafeBytes(body)
    }

    package var buffer: ByteBuffer { ByteBuffer(bytes: bytes) }

    /// Runs of touched bytes, ascending.
    package var touchedRuns: [Range<Int>] {
        var runs: [Range<Int>] = []
        var start: Int?
        for word in touched.indices {
            let value = touched[word]
            if value == .max {
                if start == nil { start = word * 64 }
                continue
            }
            if value == 0 {
                if let from = start { runs.append(from..<(word * 64)) }
                start = nil
                continue
            }
            for bit in 0..<64 {
                let at = word * 64 + bit
                if value >> UInt64(bit) & 1 == 1 {
                    if start == nil { start = at }
                } else if let from = start {
                    runs.append(from..<at)
                    start = nil
                }
            }
        }
        if let from = start { runs.append(from..<BlockKey.blockBytes) }
        return runs
    }

    /// Runs of bytes to store so that zeros around them give the block: cut at 64-byte lines that are all zero.
    package var nonZeroRuns: [Range<Int>] {
        var runs: [Range<Int>] = []
        var start: Int?
        bytes.withUnsafeBytes { raw in
            let words = raw.bindMemory(to: UInt64.self)
            for line in 0..<(BlockKey.blockBytes / 64) {
                var any: UInt64 = 0
                for word in 0..<8 { any |= words[line * 8 + word] }
                if any != 0 {
                    if start == nil { start = line * 64 }
                } else if let from = start {
                    runs.append(from..<(line * 64))
                    start = nil
                }
            }
        }
        if let from = start { runs.append(from..<BlockKey.blockBytes) }
        return runs
    }
}
