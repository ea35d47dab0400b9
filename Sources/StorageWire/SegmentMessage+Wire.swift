// SPDX-License-Identifier: Apache-2.0

internal import LogWire
package import NIOCore
package import SegmentCore
internal import VolumeModel

/// Codes: 1 append, 2 push, 3 repair, 4 claim, 5 install, 6 vdl, 7 pull, 8 summary, 9 too old. Payloads travel beside the
/// message, in the frame.
extension SegmentMessage: WireValue {
    package func write(to buffer: inout ByteBuffer) {
        switch self {
        case .append(let header, let vdl, let membership):
            buffer.writeLittle(UInt8(1))
            header.write(to: &buffer)
            buffer.writeLSN(vdl)
            buffer.writeLittle(membership.value)
        case .push(let header, let epoch):
            buffer.writeLittle(UInt8(2))
            header.write(to: &buffer)
            buffer.writeEpoch(epoch)
        case .repair(let header):
            buffer.writeLittle(UInt8(3))
            header.write(to: &buffer)
        case .claim(let epoch, let claimant):
            buffer.writeLittle(UInt8(4))
            buffer.writeEpoch(epoch)
            buffer.writeLittle(claimant)
        case .install(let tenure):
            buffer.writeLittle(UInt8(5))
            tenure.write(to: &buffer)
        case .vdl(let lsn, let epoch):
            buffer.writeLittle(UInt8(6))
            buffer.writeLSN(lsn)
            buffer.writeEpoch(epoch)
        case .pull(let end, let epoch):
            buffer.writeLittle(UInt8(7))
            buffer.writeLSN(end)
            buffer.writeEpoch(epoch)
        case .summary(let summary):
            buffer.writeLittle(UInt8(8))
            summary.write(to: &buffer)
        case .tooOld(let floor):
            buffer.writeLittle(UInt8(9))
            buffer.writeLSN(floor)
        }
    }

    package init?(readingFrom buffer: inout ByteBuffer) {
        guard let code: UInt8 = buffer.readLittle() else { return nil }
        switch code {
        case 1:
            guard let header = BatchHeader(readingFrom: &buffer), let vdl = buffer.readLSN(),
                let membership: UInt32 = buffer.readLittle()
            else { return nil }
            self = .append(header, vdl: vdl, membership: MembershipEpoch(membership))
        case 2:
            guard let header = BatchHeader(readingFrom: &buffer), let epoch = buffer.readEpoch() else { return nil }
            self = .push(header, epoch: epoch)
        case 3:
            guard let header = BatchHeader(readingFrom: &buffer) else { return nil }
            self = .repair(header)
        case 4:
            guard let epoch = buffer.readEpoch(), let claimant: UInt64 = buffer.readLittle() else { return nil }
            self = .claim(epoch, claimant: claimant)
        case 5:
            guard let tenure = Tenure(readingFrom: &buffer) else { return nil }
            self = .install(tenure)
        case 6:
            guard let lsn = buffer.readLSN(), let epoch = buffer.readEpoch() else { return nil }
            self = .vdl(lsn, epoch: epoch)
        case 7:
            guard let end = buffer.readLSN(), let epoch = buffer.readEpoch() else { return nil }
            self = .pull(end: end, epoch: epoch)
        case 8:
            guard let summary = SegmentSummary(readingFrom: &buffer) else { return nil }
            self = .summary(summary)
        case 9:
            guard let floor = buffer.readLSN() else { return nil }
            self = .tooOld(floor: floor)
        default: return nil
        }
    }
}

/// Codes: 1 acknowledged, 2 pushed, 3 installed, 4 report, 5 batch, 6 refused.
extension SegmentReply: WireValue {
    package func write(to buffer: inout ByteBuffer) {
        switch self {
        case .acknowledged(let epoch, let scl):
            buffer.writeLittle(UInt8(1))
            buffer.writeEpoch(epoch)
            buffer.writeLSN(scl)
        case .pushed(let epoch, let end):
            buffer.writeLittle(UInt8(2))
            buffer.writeEpoch(epoch)
            buffer.writeLSN(end)
        case .installed(let stamp, let scl):
            buffer.writeLittle(UInt8(3))
            stamp.write(to: &buffer)
            buffer.writeLSN(scl)
        case .report(let report):
            buffer.writeLittle(UInt8(4))
            report.write(to: &buffer)
        case .batch(let header):
            buffer.writeLittle(UInt8(5))
            header.write(to: &buffer)
        case .refused(let refusal):
            buffer.writeLittle(UInt8(6))
            refusal.write(to: &buffer)
        }
    }

    package init?(readingFrom buffer: inout ByteBuffer) {
        guard let code: UInt8 = buffer.readLittle() else { return nil }
        switch code {
        case 1:
            guard let epoch = buffer.readEpoch(), let scl = buffer.readLSN() else { return nil }
            self = .acknowledged(epoch: epoch, scl: scl)
        case 2:
            guard let epoch = buffer.readEpoch(), let end = buffer.readLSN() else { return nil }
            self = .pushed(epoch: epoch, end: end)
        case 3:
            guard let stamp = Tenure.Stamp(readingFrom: &buffer), let scl = buffer.readLSN() else { return nil }
            self = .installed(stamp, scl: scl)
        case 4:
            guard let report = SegmentReport(readingFrom: &buffer) else { return nil }
            self = .report(report)
        case 5:
            guard let header = BatchHeader(readingFrom: &buffer) else { return nil }
            self = .batch(header)
        case 6:
            guard let refusal = Refusal(readingFrom: &buffer) else { return nil }
            self = .refused(refusal)
        default: return nil
        }
    }
}

/// Codes: 1 stale epoch, 2 needs tenure, 3 stale membership, 4 not member, 5 no segment, 6 missing, 7 malformed.
extension Refusal: WireValue {
    package func write(to buffer: inout ByteBuffer) {
        switch self {
        case .staleEpoch(let epoch):
            buffer.writeLittle(UInt8(1))
            buffer.writeEpoch(epoch)
        case .needsTenure(let stamp):
            buffer.writeLittle(UInt8(2))
            stamp.write(to: &buffer)
        case .staleMembership(let membership):
            buffer.writeLittle(UInt8(3))
            membership.write(to: &buffer)
        case .notMember(let membership):
            buffer.writeLittle(UInt8(4))
            membership.write(to: &buffer)
        case .noSegment: buffer.writeLittle(UInt8(5))
        case .missing(let lsn):
            buffer.writeLittle(UInt8(6))
            buffer.writeLSN(lsn)
        case .malformed: buffer.writeLittle(UInt8(7))
        }
    }

    package init?(readingFrom buffer: inout ByteBuffer) {
        guard let code: UInt8 = buffer.readLittle() else { return nil }
        switch code {
        case 1:
            guard let epoch = buffer.readEpoch() else { return nil }
            self = .staleEpoch(epoch)
        case 2:
            guard let stamp = Tenure.Stamp(readingFrom: &buffer) else { return nil }
            self = .needsTenure(stamp)
        case 3:
            guard let membership = Membership(readingFrom: &buffer) else { return nil }
            self = .staleMembership(membership)
        case 4:
            guard let membership = Membership(readingFrom: &buffer) else { return nil }
            self = .notMember(membership)
        case 5: self = .noSegment
        case 6:
            guard let lsn = buffer.readLSN() else { return nil }
            self = .missing(lsn)
        case 7: self = .malformed
        default: return nil
        }
    }
}

/// A journal record's kind and body: 1 batch, 2 epoch, 4 tenure, 5 floor.
extension Durable {
    package var kind: UInt8 {
        switch self {
        case .batch: 1
        case .epoch: 2
        case .tenure: 4
        case .floor: 5
        }
    }

    package func writeBody(to buffer: inout ByteBuffer) {
        switch self {
        case .batch(let header, let vdl):
            header.write(to: &buffer)
            buffer.writeLSN(vdl)
        case .epoch(let epoch, let claimant):
            buffer.writeEpoch(epoch)
            buffer.writeLittle(claimant)
        case .tenure(let tenure): tenure.write(to: &buffer)
        case .floor(let floor): floor.write(to: &buffer)
        }
    }

    package init?(kind: UInt8, readingFrom buffer: inout ByteBuffer) {
        switch kind {
        case 1:
            guard let header = BatchHeader(readingFrom: &buffer), let vdl = buffer.readLSN() else { return nil }
            self = .batch(header, vdl: vdl)
        case 2:
            guard let epoch = buffer.readEpoch(), let claimant: UInt64 = buffer.readLittle() else { return nil }
            self = .epoch(epoch, claimant: claimant)
        case 4:
            guard let tenure = Tenure(readingFrom: &buffer) else { return nil }
            self = .tenure(tenure)
        case 5:
            guard let floor = Floor(readingFrom: &buffer) else { return nil }
            self = .floor(floor)
        default: return nil
        }
    }

    /// Participants of a batch's part, for bounding its journal entry.
    package var participants: Int {
        if case .batch(let header, _) = self { return header.participants.count }
        return 0
    }
}
