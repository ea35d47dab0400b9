// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import SegmentCore
import StorageNode
import Testing
import VolumeModel

@Suite struct JournalTests {
    private static let segment = SegmentID(volume: VolumeID(1), group: .namespace, node: NodeID("a1")!)
    private static let fileBytes = 1 << 20
    /// No other entry has these bytes: where they are in the file is where the payload is.
    private static func payload(_ number: UInt8) -> ByteBuffer { ByteBuffer(repeating: 0x80 | number, count: 100) }

    private static func entry(_ number: UInt8) -> JournalEntry {
        let bytes = payload(number)
        let start = LSN(UInt64(number) * 100)
        let header = BatchHeader(
            volume: VolumeID(1), group: .namespace, epoch: VolumeEpoch(1), membershipEpoch: MembershipEpoch(1),
            start: start, end: LSN(start.value + 100), previous: start, payloadBytes: 100, payloadCRC: bytes.checksum)
        return JournalEntry(segment: segment, record: .batch(header, vdl: .zero), payload: bytes)
    }

    private static func read(_ journal: Journal) throws -> (found: [LSN], lost: [LSN]) {
        var found: [LSN] = []
        let report = try journal.replay { entry in
            if case .batch(let header, _) = entry.record { found.append(header.end) }
        }
        return (found, report.lost.map(\.header.end))
    }

    /// Turns a bit in a batch's payload.
    private static func damage(_ number: UInt8, in directory: String) throws {
        let wanted = Data(payload(number).readableBytesView)
        for name in try FileManager.default.contentsOfDirectory(atPath: directory) where name.hasPrefix("journal-") {
            let url = URL(fileURLWithPath: "\(directory)/\(name)")
            var content = try Data(contentsOf: url)
            guard let place = content.range(of: wanted) else { continue }
            content[place.lowerBound + 50] ^= 1
            return try content.write(to: url)
        }
        Issue.record("batch \(number) is in no file")
    }

    private static func withDirectory(_ body: (String) throws -> Void) throws {
        let directory = NSTemporaryDirectory() + "journal-test-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(directory)
    }

    @Test func `what was appended is replayed, in order`() throws {
        try Self.withDirectory { directory in
            let journal = try Journal(directory: directory, fileBytes: Self.fileBytes)
            try journal.rotate(checkpoint: [])
            try journal.append([Self.entry(1), Self.entry(2)])
            try journal.rotate(checkpoint: [])
            try journal.append([Self.entry(3)])
            let (found, lost) = try Self.read(try Journal(directory: directory, fileBytes: Self.fileBytes))
            #expect(found == [LSN(200), LSN(300), LSN(400)])
            #expect(lost.isEmpty)
        }
    }

    @Test(arguments: [false, true])
    func `a damaged batch with a later append behind it is lost`(isInAnotherFile: Bool) throws {
        try Self.withDirectory { directory in
            let journal = try Journal(directory: directory, fileBytes: Self.fileBytes)
            try journal.rotate(checkpoint: [])
            try journal.append([Self.entry(1), Self.entry(2)])
            if isInAnotherFile { try journal.rotate(checkpoint: []) }
            try journal.append([Self.entry(3)])
            try Self.damage(2, in: directory)
            let (found, lost) = try Self.read(try Journal(directory: directory, fileBytes: Self.fileBytes))
            #expect(found == [LSN(200), LSN(400)])
            #expect(lost == [LSN(300)])
        }
    }

    /// A flush that a power loss cut short was never answered; to call its batches lost would stop the volume for nothing.
    @Test func `a torn last append is not lost, not even when more was written after the restart`() throws {
        try Self.withDirectory { directory in
            let journal = try Journal(directory: directory, fileBytes: Self.fileBytes)
            try journal.rotate(checkpoint: [])
            try journal.append([Self.entry(1)])
            try journal.append([Self.entry(2), Self.entry(3)])
            try Self.damage(2, in: directory)
            let restarted = try Journal(directory: directory, fileBytes: Self.fileBytes)
            #expect(try Self.read(restarted) == ([LSN(200), LSN(400)], []))
            try restarted.rotate(checkpoint: [])
            try restarted.append([Self.entry(4)])
            let (found, lost) = try Self.read(try Journal(directory: directory, fileBytes: Self.fileBytes))
            #expect(found == [LSN(200), LSN(400), LSN(500)])
            #expect(lost.isEmpty)
        }
    }

    private static func audited(_ extents: [Journal.Extent]) throws -> [LSN] {
        var found: [LSN] = []
        for extent in extents {
            try Journal.read(extent) { if case .batch(let header, _) = $0.record { found.append(header.end) } }
        }
        return found
    }

    @Test func `an audit finds what is sound while the journal is in use, and of a recycled file nothing`() throws {
        try Self.withDirectory { directory in
            let journal = try Journal(directory: directory, fileBytes: Self.fileBytes)
            try journal.rotate(checkpoint: [])
            try journal.append([Self.entry(1), Self.entry(2)])
            try journal.rotate(checkpoint: [])
            try journal.append([Self.entry(3)])
            #expect(try Self.audited(journal.extents) == [LSN(200), LSN(300), LSN(400)])
            // The last append's flush has ended, so damage in it is damage.
            try Self.damage(3, in: directory)
            try Self.damage(1, in: directory)
            #expect(try Self.audited(journal.extents) == [LSN(300)])
            let before = journal.extents
            journal.recycle { _ in LSN(300) }
            #expect(try Self.audited(journal.extents) == [])
            #expect(try Self.audited(before).allSatisfy { $0 > LSN(300) })
        }
    }
}
