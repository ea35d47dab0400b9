// SPDX-License-Identifier: Apache-2.0

internal import LogWire
package import NIOCore
package import SegmentCore
package import VolumeModel

/// Bytes of the values that segments exchange and keep in their journals. Little-endian; a list is a u32 count and its
/// elements; a case is a u8 code and its values. Bytes that make no value give nil.
package protocol WireValue {
    func write(to buffer: inout ByteBuffer)
    init?(readingFrom buffer: inout ByteBuffer)
}

/// No list on the wire is longer.
private let listMax: UInt32 = 1 << 20

extension ByteBuffer {
    package mutating func writeLittle<T: FixedWidthInteger>(_ value: T) { writeInteger(value, endianness: .little) }
    package mutating func readLittle<T: FixedWidthInteger>(_ type: T.Type = T.self) -> T? {
        readInteger(endianness: .little, as: type)
    }

    package mutating func writeList<T>(_ list: [T], _ write: (T, inout ByteBuffer) -> Void) {
        writeLittle(UInt32(list.count))
        for element in list { write(element, &self) }
    }

    package mutating func readList<T>(_ read: (inout ByteBuffer) -> T?) -> [T]? {
        guard let count: UInt32 = readLittle(), count <= listMax else { return nil }
        var list: [T] = []
        for _ in 0..<count {
            guard let element = read(&self) else { return nil }
            list.append(element)
        }
        return list
    }

    package mutating func writeLSN(_ lsn: LSN) { writeLittle(lsn.value) }
    package mutating func readLSN() -> LSN? { readLittle(UInt64.self).map { LSN($0) } }
    package mutating func writeEpoch(_ epoch: VolumeEpoch) { writeLittle(epoch.value) }
    package mutating func readEpoch() -> VolumeEpoch? { readLittle(UInt32.self).map { VolumeEpoch($0) } }
}

extension BatchHeader: WireValue {}

extension Membership: WireValue {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeLittle(epoch.value)
        buffer.writeList(sets) { set, out in out.writeList(set) { $1.writeLittle($0.value) } }
    }

    package init?(readingFrom buffer: inout ByteBuffer) {
        guard let epoch: UInt32 = buffer.readLittle(),
            let sets = buffer.readList({ $0.readList { $0.readLittle(UInt16.self).map { NodeID($0) } } })
        else { return nil }
        self.init(epoch: MembershipEpoch(epoch), sets: sets)
    }
}

extension Truncation: WireValue {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(epoch.value, from.value, bound.value, endianness: .little)
    }

    package init?(readingFrom buffer: inout ByteBuffer) {
        guard
            let (epoch, from, bound) = buffer.readMultipleIntegers(
                endianness: .little, as: (UInt32, UInt64, UInt64).self)
        else { return nil }
        self.init(epoch: VolumeEpoch(epoch), from: LSN(from), bound: LSN(bound))
    }
}

extension Tenure: WireValue {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeLittle(revision)
        buffer.writeList(truncations) { $0.write(to: &$1) }
        membership.write(to: &buffer)
        buffer.writeList(groups) { placement, out in
            out.writeLittle(placement.group.value)
            out.writeList(placement.nodes) { $1.writeLittle($0.value) }
        }
    }

    package init?(readingFrom buffer: inout ByteBuffer) {
        guard let revision: UInt32 = buffer.readLittle(),
            let truncations = buffer.readList({ Truncation(readingFrom: &$0) }),
            let membership = Membership(readingFrom: &buffer),
            let groups = buffer.readList({ buffer -> GroupPlacement? in
                guard let group: UInt32 = buffer.readLittle(),
                    let nodes = buffer.readList({ $0.readLittle(UInt16.self).map { NodeID($0) } })
                else { return nil }
                return GroupPlacement(group: GroupID(group), nodes: nodes)
            })
        else { return nil }
        self.init(truncations: truncations, membership: membership, groups: groups, revision: revision)
    }
}

extension Tenure.Stamp: WireValue {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(epoch.value, revision, endianness: .little)
    }

    package init?(readingFrom buffer: inout ByteBuffer) {
        guard let (epoch, revision) = buffer.readMultipleIntegers(endianness: .little, as: (UInt32, UInt32).self)
        else { return nil }
        self.init(epoch: VolumeEpoch(epoch), revision: revision)
    }
}

extension Floor: WireValue {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeLSN(lsn)
        buffer.writeLSN(previous)
        buffer.writeList(ends) { $1.writeMultipleIntegers($0.group.value, $0.end.value, endianness: .little) }
    }

    package init?(readingFrom buffer: inout ByteBuffer) {
        guard let lsn = buffer.readLSN(), let previous = buffer.readLSN(),
            let ends = buffer.readList({ buffer -> GroupEnd? in
                guard let (group, end) = buffer.readMultipleIntegers(endianness: .little, as: (UInt32, UInt64).self)
                else { return nil }
                return GroupEnd(group: GroupID(group), end: LSN(end))
            })
        else { return nil }
        self.init(lsn: lsn, previous: previous, ends: ends)
    }
}

extension SegmentSummary: WireValue {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeLSN(scl)
        buffer.writeLSN(knownVDL)
        stamp.write(to: &buffer)
        buffer.writeList(held) { $1.writeLSN($0) }
    }

    package init?(readingFrom buffer: inout ByteBuffer) {
        guard let scl = buffer.readLSN(), let vdl = buffer.readLSN(), let stamp = Tenure.Stamp(readingFrom: &buffer),
            let held = buffer.readList({ $0.readLSN() })
        else { return nil }
        self.init(scl: scl, knownVDL: vdl, stamp: stamp, held: held)
    }
}

extension SegmentReport: WireValue {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeEpoch(promised)
        buffer.writeLittle(claimant)
        tenure.write(to: &buffer)
        buffer.writeLSN(knownVDL)
        buffer.writeLSN(complete)
        tail.write(to: &buffer)
        buffer.writeList(headers) { $0.write(to: &$1) }
        buffer.writeList(lost) { $0.write(to: &$1) }
    }

    package init?(readingFrom buffer: inout ByteBuffer) {
        guard let promised = buffer.readEpoch(), let claimant: UInt64 = buffer.readLittle(),
            let tenure = Tenure(readingFrom: &buffer), let vdl = buffer.readLSN(), let complete = buffer.readLSN(),
            let tail = Floor(readingFrom: &buffer), let headers = buffer.readList({ BatchHeader(readingFrom: &$0) }),
            let lost = buffer.readList({ BatchHeader(readingFrom: &$0) })
        else { return nil }
        self.init(
            promised: promised, claimant: claimant, tenure: tenure, knownVDL: vdl, complete: complete, tail: tail,
            headers: headers, lost: lost)
    }
}
