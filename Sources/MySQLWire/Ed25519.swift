// SPDX-License-Identifier: Apache-2.0

import Crypto

/// The signature MariaDB's `client_ed25519` asks for: Ed25519 with the password, of any length, in place of the seed.
///
/// <https://mariadb.com/kb/en/authentication-plugin-ed25519/>, RFC 8032 section 5.1. Libraries take 32-byte seeds
/// only, hence this one. It signs one short challenge a connection; clarity comes before speed, and the scalar
/// multiplication always does the same work.
package enum Ed25519 {
    /// 64 bytes: R and S.
    package static func sign(_ message: [UInt8], password: [UInt8]) -> [UInt8] {
        let digest = Array(SHA512.hash(data: password))
        var scalar = Array(digest[0..<32])
        scalar[0] &= 248
        scalar[31] = scalar[31] & 63 | 64
        let publicKey = Point.base.times(scalar).encoded
        let nonce = reduce(Array(SHA512.hash(data: Array(digest[32..<64]) + message)))
        let commitment = Point.base.times(nonce).encoded
        let challenge = reduce(Array(SHA512.hash(data: commitment + publicKey + message)))
        return commitment + multiplyAdd(challenge, scalar, nonce)
    }

    // MARK: Scalars modulo the group's order

    /// 2^252 + 27742317777372353535851937790883648493, least significant byte first.
    private static let order: [UInt8] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ]

    /// A number of any length modulo the order, bit by bit from the top: r = 2r + bit, less the order when too large.
    private static func reduce(_ number: [UInt8]) -> [UInt8] {
        var remainder = [UInt8](repeating: 0, count: 33)
        for byte in number.reversed() {
            for bit in (0..<8).reversed() {
                var carry = byte >> bit & 1
                for index in remainder.indices {
                    let next = remainder[index] >> 7
                    remainder[index] = remainder[index] << 1 | carry
                    carry = next
                }
                subtractOrder(&remainder)
            }
        }
        return Array(remainder[0..<32])
    }

    private static func subtractOrder(_ number: inout [UInt8]) {
        var difference = [UInt8](repeating: 0, count: 33)
        var borrow = 0
        for index in 0..<33 {
            let value = Int(number[index]) - Int(index < 32 ? order[index] : 0) - borrow
            difference[index] = UInt8(truncatingIfNeeded: value)
            borrow = value < 0 ? 1 : 0
        }
        let keep = UInt8(truncatingIfNeeded: 0 - borrow)
        for index in 0..<33 { number[index] = number[index] & keep | difference[index] & ~keep }
    }

    private static func multiplyAdd(_ left: [UInt8], _ right: [UInt8], _ addend: [UInt8]) -> [UInt8] {
        var sums = [Int](repeating: 0, count: 65)
        for (i, a) in left.enumerated() {
            for (j, b) in right.enumerated() { sums[i + j] += Int(a) * Int(b) }
        }
        for (index, byte) in addend.enumerated() { sums[index] += Int(byte) }
        for index in 0..<64 {
            sums[index + 1] += sums[index] >> 8
            sums[index] &= 255
        }
        return reduce(sums.map { UInt8(truncatingIfNeeded: $0) })
    }

    // MARK: The field of 2^255 - 19

    /// Four 64-bit digits, least significant first; not always below the prime until `encoded`.
    fileprivate struct Element {
        var digits: (UInt64, UInt64, UInt64, UInt64)

        static let zero = Element(0)
        static let one = Element(1)

        init(_ small: UInt64) { digits = (small, 0, 0, 0) }

        init(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64) { digits = (a, b, c, d) }

        /// Brings back a value with `high` times 2^256, which is 38 modulo the prime.
        private static func folded(_ low: Element, high: UInt64) -> Element {
            var (a, b, c, d) = low.digits
            var top = high
            for _ in 0..<2 {
                var carry = UInt128(a) + UInt128(top) * 38
                a = UInt64(truncatingIfNeeded: carry)
                carry = UInt128(b) + carry >> 64
                b = UInt64(truncatingIfNeeded: carry)
                carry = UInt128(c) + carry >> 64
                c = UInt64(truncatingIfNeeded: carry)
                carry = UInt128(d) + carry >> 64
                d = UInt64(truncatingIfNeeded: carry)
                top = UInt64(truncatingIfNeeded: carry >> 64)
            }
            return Element(a, b, c, d)
        }

        static func + (left: Element, right: Element) -> Element {
            var carry = UInt128(left.digits.0) + UInt128(right.digits.0)
            let a = UInt64(truncatingIfNeeded: carry)
            carry = UInt128(left.digits.1) + UInt128(right.digits.1) + carry >> 64
            let b = UInt64(truncatingIfNeeded: carry)
            carry = UInt128(left.digits.2) + UInt128(right.digits.2) + carry >> 64
            let c = UInt64(truncatingIfNeeded: carry)
            carry = UInt128(left.digits.3) + UInt128(right.digits.3) + carry >> 64
            return folded(Element(a, b, c, UInt64(truncatingIfNeeded: carry)), high: UInt64(carry >> 64))
        }

        /// The prime less `self` below it.
        private var negated: Element {
            let p = Element(UInt64.max - 18, .max, .max, UInt64.max >> 1)
            return p.minus(canonical)
        }

        /// Plain subtraction, for a right side that is not larger.
        private func minus(_ other: Element) -> Element {
            let (a, x) = digits.0.subtractingReportingOverflow(other.digits.0)
            let (b1, y1) = digits.1.subtractingReportingOverflow(other.digits.1)
            let (b, y2) = b1.subtractingReportingOverflow(x ? 1 : 0)
            let (c1, z1) = digits.2.subtractingReportingOverflow(other.digits.2)
            let (c, z2) = c1.subtractingReportingOverflow(y1 || y2 ? 1 : 0)
            let d = digits.3 &- other.digits.3 &- (z1 || z2 ? 1 : 0)
            return Element(a, b, c, d)
        }

        static func - (left: Element, right: Element) -> Element { left + right.negated }

        static func * (left: Element, right: Element) -> Element {
            let a = [left.digits.0, left.digits.1, left.digits.2, left.digits.3]
            let b = [right.digits.0, right.digits.1, right.digits.2, right.digits.3]
            var product = [UInt64](repeating: 0, count: 8)
            for i in 0..<4 {
                var carry: UInt128 = 0
                for j in 0..<4 {
                    carry += UInt128(a[i]) * UInt128(b[j]) + UInt128(product[i + j])
                    product[i + j] = UInt64(truncatingIfNeeded: carry)
                    carry >>= 64
                }
                product[i + 4] = UInt64(truncatingIfNeeded: carry)
            }
            var carry: UInt128 = 0
            for i in 0..<4 {
                carry += UInt128(product[i]) + UInt128(product[i + 4]) * 38
                product[i] = UInt64(truncatingIfNeeded: carry)
                carry >>= 64
            }
            return folded(Element(product[0], product[1], product[2], product[3]), high: UInt64(carry))
        }

        /// The value below the prime.
        var canonical: Element {
            var value = self
            for _ in 0..<2 {
                // 2^255 is 19: fold the top bit, then subtract the prime once if the rest is not below it.
                let top = value.digits.3 >> 63
                value.digits.3 &= UInt64.max >> 1
                value = Element.folded(value, high: 0) + Element(top * 19)
            }
            let plus = value + Element(19)
            return plus.digits.3 >> 63 == 1
                ? Element(plus.digits.0, plus.digits.1, plus.digits.2, plus.digits.3 & (UInt64.max >> 1)) : value
        }

        /// `self` to the power p - 2.
        var inverse: Element {
            var result = Element.one
            for bit in (0..<255).reversed() {
                result = result * result
                // p - 2 has every bit set but 2 and 4.
                if bit != 2, bit != 4 { result = result * self }
            }
            return result
        }

        var encoded: [UInt8] {
            let value = canonical.digits
            return [value.0, value.1, value.2, value.3].flatMap { digit in
                (0..<8).map { UInt8(truncatingIfNeeded: digit >> (8 * UInt64($0))) }
            }
        }
    }

    // MARK: The curve

    /// Extended coordinates: x = X/Z, y = Y/Z, xy = T/Z (RFC 8032 section 5.1.4).
    fileprivate struct Point {
        var x, y, z, t: Element

        static let neutral = Point(x: .zero, y: .one, z: .one, t: .zero)
        static let base: Point = {
            let x = Element(0xc956_2d60_8f25_d51a, 0x692c_c760_9525_a7b2, 0xc0a4_e231_fdd6_dc5c, 0x2169_36d3_cd6e_53fe)
            let y = Element(0x6666_6666_6666_6658, 0x6666_6666_6666_6666, 0x6666_6666_6666_6666, 0x6666_6666_6666_6666)
            return Point(x: x, y: y, z: .one, t: x * y)
        }()
        /// Twice the curve's d.
        private static let twiceD: Element = {
            let d = (Element.zero - Element(121_665)) * Element(121_666).inverse
            return d + d
        }()

        static func + (left: Point, right: Point) -> Point {
            let a = (left.y - left.x) * (right.y - right.x)
            let b = (left.y + left.x) * (right.y + right.x)
            let c = left.t * twiceD * right.t
            let d = (left.z + left.z) * right.z
            let (e, f, g, h) = (b - a, d - c, d + c, b + a)
            return Point(x: e * f, y: g * h, z: f * g, t: e * h)
        }

        func times(_ scalar: [UInt8]) -> Point {
            var results = [Point.neutral, self]
            for byte in scalar.reversed() {
                for bit in (0..<8).reversed() {
                    // A ladder: results[1] is always results[0] + self.
                    let which = Int(byte >> bit & 1)
                    results[1 - which] = results[0] + results[1]
                    results[which] = results[which] + results[which]
                }
            }
            return results[0]
        }

        var encoded: [UInt8] {
            let inverse = z.inverse
            var bytes = (y * inverse).encoded
            bytes[31] |= (x * inverse).encoded[0] << 7
            return bytes
        }
    }
}
