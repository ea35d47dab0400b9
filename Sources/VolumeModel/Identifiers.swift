// SPDX-License-Identifier: Apache-2.0

/// A volume: one cluster's storage.
package struct VolumeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let value: UInt64
    package init(_ value: UInt64) { self.value = value }
    package static func < (a: VolumeID, b: VolumeID) -> Bool { a.value < b.value }
    /// `vol-` and sixteen hexadecimal digits.
    package var description: String {
        let digits = String(value, radix: 16)
        return "vol-" + String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// A protection group's number within its volume. Group 0 holds the namespace and orders the volume's batches.
package struct GroupID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let value: UInt32
    package init(_ value: UInt32) { self.value = value }
    package static let namespace = GroupID(0)
    package static func < (a: GroupID, b: GroupID) -> Bool { a.value < b.value }
    package var description: String { "g\(value)" }
}

/// A storage node: its availability zone's letter and a number in the zone, written `a1`.
package struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The zone in the high byte (ASCII letter), the number in the low byte.
    package let value: UInt16

    package init(_ value: UInt16) { self.value = value }

    /// - Parameters:
    ///   - zone: ASCII code of a lower-case letter
    ///   - number: 1...255
    package init(zone: UInt8, number: UInt8) { value = UInt16(zone) << 8 | UInt16(number) }

    /// Nil unless the text is a lower-case letter and a number from 1 to 255.
    package init?(_ text: String) {
        guard let zone = text.utf8.first, (97...122).contains(zone), let number = UInt8(text.dropFirst()), number > 0
        else { return nil }
        self.init(zone: zone, number: number)
    }

    package var zone: UInt8 { UInt8(value >> 8) }
    package var zoneName: String { String(UnicodeScalar(zone)) }
    package static func < (a: NodeID, b: NodeID) -> Bool { a.value < b.value }
    package var description: String { "\(zoneName)\(value & 0xff)" }
}

/// A file in a volume: what an inode is to a file system. Paths name ids; 0 is no file.
package struct FileID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let value: UInt64
    package init(_ value: UInt64) { self.value = value }
    package static let none = FileID(0)
    package static func < (a: FileID, b: FileID) -> Bool { a.value < b.value }
    package var description: String { "f\(value)" }
}

/// Counts writers of a volume. A node refuses anything of an epoch older than the newest it has promised.
package struct VolumeEpoch: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let value: UInt32
    package init(_ value: UInt32) { self.value = value }
    package static let none = VolumeEpoch(0)
    package static func < (a: VolumeEpoch, b: VolumeEpoch) -> Bool { a.value < b.value }
    package var next: VolumeEpoch { VolumeEpoch(value + 1) }
    package var description: String { "e\(value)" }
}

/// Counts the changes of a protection group's members.
package struct MembershipEpoch: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let value: UInt32
    package init(_ value: UInt32) { self.value = value }
    package static func < (a: MembershipEpoch, b: MembershipEpoch) -> Bool { a.value < b.value }
    package var next: MembershipEpoch { MembershipEpoch(value + 1) }
    package var description: String { "m\(value)" }
}

extension VolumeID {
    /// Reads `vol-` and hexadecimal digits, as `description` writes them.
    package init?(text: String) {
        guard text.hasPrefix("vol-"), let value = UInt64(text.dropFirst(4), radix: 16) else { return nil }
        self.init(value)
    }
}
