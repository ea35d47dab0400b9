// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import SimulationKit

/// What a network, or somebody malicious at the other end of it, makes of good bytes.
package enum Mutation {
    /// Lengths that parsers get wrong.
    private static let lengths: [UInt32] = [
        0, 1, 3, 4, 5, 0x7f, 0xff, 0x1_0000, 0xff_ffff, 0x100_0000, 0x3fff_ffff, 0x4000_0000, 0x7fff_ffff, 0x8000_0000,
        0xffff_fffb, 0xffff_ffff,
    ]

    /// `bytes` with one to four things wrong: flipped bits, other bytes, cuts, doubled stretches, impossible lengths.
    package static func of(_ bytes: ByteBuffer, _ random: inout SimulationRandom) -> ByteBuffer {
        var result = Array(bytes.readableBytesView)
        for _ in 0..<random.pick(1...4) {
            guard !result.isEmpty else { break }
            let at = random.pick(0...(result.count - 1))
            switch random.pick(0...6) {
            case 0: result[at] ^= 1 << UInt8(random.pick(0...7))
            case 1: result[at] = UInt8(truncatingIfNeeded: random.next())
            case 2: result.removeSubrange(at..<min(result.count, at + random.pick(1...16)))
            case 3: result.removeSubrange(at...)
            case 4: result.insert(contentsOf: result[at..<min(result.count, at + random.pick(1...32))], at: at)
            case 5:
                result.insert(contentsOf: (0..<random.pick(1...12)).map { _ in UInt8(random.pick(0...255)) }, at: at)
            default:
                let length = random.pick(lengths)
                for (offset, shift) in [24, 16, 8, 0].enumerated() where at + offset < result.count {
                    result[at + offset] = UInt8(truncatingIfNeeded: length >> UInt32(shift))
                }
            }
        }
        return ByteBuffer(bytes: result)
    }

    /// Takes a stretch off the front of `bytes`, as a read would: often all, sometimes a few, at times a single one.
    package static func read(_ bytes: inout ByteBuffer, _ random: inout SimulationRandom) -> ByteBuffer {
        let count = bytes.readableBytes
        let wanted =
            switch random.pick(0...3) {
            case 0: random.pick(1...7)
            case 1: random.pick(1...max(1, count))
            default: count
            }
        return bytes.readSlice(length: min(wanted, count)) ?? ByteBuffer()
    }
}
