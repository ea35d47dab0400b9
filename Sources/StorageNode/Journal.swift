// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOCore
internal import SegmentCore
internal import StorageWire
internal import Synchronization
package import VolumeModel

/// The host's log device: one sequence of files that all nodes of the host append to.
///
/// Every node has its own checksummed copy of every batch in it; one flush makes all of them durable. A file is filled
/// with zeros before it is used and reused when its content is in layers, so that an append writes data only and never
/// waits for the file system's own journal. Each append begins at a multiple of `JournalFile.alignment`, with zeros
/// between. A new file starts with each segment's state (`checkpoint`), so that older files can go as soon as their batches
/// are in layers.
///
/// Not thread-safe: the owner (`StorageHost`) calls it under its flush lock.
package final class Journal {
    /// The size of one file, bytes.
    package static let fileBytes = 64 << 20
    private static let headerBytes = 4096

    private let directory: String
    private var current: JournalFile?
    private var sequence: UInt64 = 0
    private var offset = 0
    private let fileBytes: Int
    private var front = ByteBuffer()
    /// For every live file but the current one, the highest batch end of each segment in it.
    private var older: [(sequence: UInt64, ends: [SegmentID: LSN])] = []
    private var currentEnds: [SegmentID: LSN] = [:]
    /// Counts appends, each of which is one flush.
    private var appends: UInt8 = 0
    private let spares: SpareFiles

    package private(set) var flushes: UInt64 = 0
    package private(set) var bytesWritten: UInt64 = 0
    package var files: Int { older.count + 1 }

    package init(directory: String, fileBytes: Int = Journal.fileBytes) throws(StorageFailure) {
        self.directory = directory
        self.fileBytes = fileBytes
        try makeDirectory(directory)
        spares = SpareFiles(directory: directory, fileBytes: fileBytes)
    }

    // MARK: Start-up

    /// What a replay met besides entries.
    package struct ReplayReport: Sendable {
        package init() {}

        package var entries = 0
        /// Batches that had been flushed, for something was appended after them, and that cannot be read any more.
        package var lost: [(segment: SegmentID, header: BatchHeader)] = []
        /// Unreadable batches of the last append: its flush need not have ended, so nobody was told of them.
        fileprivate var torn: [DamagedEntry] = []
    }

    fileprivate struct DamagedEntry {
        var segment: SegmentID
        var header: BatchHeader
        var append: UInt8
        var path: String
        var offset: Int
    }

    /// Hands every sound entry to `body`, oldest file first. Damage in the middle of a file is skipped; what it held is
    /// missing from the chain and comes back by gossip. What the last append has left torn is erased: once something
    /// follows it, it would look as if it had been flushed.
    package func replay(_ body: (JournalEntry) -> Void) throws(StorageFailure) -> ReplayReport {
        older = []
        var report = ReplayReport()
        for file in try liveFiles {
            older.append((file.sequence, try Self.scan(file, into: &report, body)))
            sequence = max(sequence, file.sequence)
        }
        for entry in report.torn { try erase(entry) }
        return report
    }

    private func erase(_ entry: DamagedEntry) throws(StorageFailure) {
        let fd = open(entry.path, O_WRONLY | O_CLOEXEC)
        guard fd >= 0 else { throw StorageFailure("open", path: entry.path, errno: errno) }
        defer { close(fd) }
        let zeros = [UInt8](repeating: 0, count: JournalEntry.alignment)
        guard pwrite(fd, zeros, zeros.count, off_t(entry.offset)) == zeros.count, fdatasync(fd) == 0 else {
            throw StorageFailure("erase a torn entry", path: entry.path, errno: errno)
        }
    }

    /// One file of the journal.
    package struct LiveFile: Sendable {
        fileprivate var path: String
        package var sequence: UInt64
    }

    /// Hands every sound entry of one file to `body` and changes nothing. Files are to be read in their order; `report` goes
    /// from one to the next. A file that is appended to needs the owner's lock.
    /// - Returns: for each segment with batches in the file, the highest end of one
    package static func scan(
        _ file: LiveFile, into report: inout ReplayReport, _ body: (JournalEntry) -> Void
    ) throws(StorageFailure) -> [SegmentID: LSN] {
        var ends: [SegmentID: LSN] = [:]
        walk(try readFile(file.path), sequence: file.sequence) { parsed, at in
            switch parsed {
            case .entry(let entry, let append, _):
                report.entries += 1
                report.torn.removeAll { damaged in
                    guard damaged.append != append || damaged.path != file.path else { return false }
                    report.lost.append((damaged.segment, damaged.header))
                    return true
                }
                if case .batch(let header, _) = entry.record {
                    ends[entry.segment] = max(ends[entry.segment] ?? .zero, header.end)
                }
                body(entry)
            case .damaged(let segment, let header, let append, _):
                report.torn.append(
                    DamagedEntry(segment: segment, header: header, append: append, path: file.path, offset: at))
            case .nothing: break
            }
        }
        return ends
    }

    /// Goes over the entries of a file, sound and damaged ones, and tells where each begins.
    private static func walk(_ content: ByteBuffer, sequence: UInt64, _ visit: (JournalEntry.Parsed, Int) -> Void) {
        var at = headerBytes
        var last = at
        while at + JournalEntry.frontBytes <= content.writerIndex {
            let parsed = JournalEntry.parse(content, at: at, sequence: sequence)
            visit(parsed, at)
            switch parsed {
            case .entry(_, _, let next):
                at = next
                last = next
            case .damaged(_, _, _, let next): at = next
            case .nothing:
                // A torn tail, or damage with sound entries after it: look for the next entry, but not past a
                // stretch that no entry could bridge.
                if at - last > JournalEntry.frontMax + JournalEntry.payloadMax { at = content.writerIndex }
                at = JournalEntry.nextMagic(in: content, from: at + JournalEntry.alignment)
            }
        }
    }

    /// Opens a fresh file to append to. Called once after `replay`, and whenever the current one is full.
    package func rotate(checkpoint: [JournalEntry]) throws(StorageFailure) {
        if current != nil {
            older.append((sequence, currentEnds))
            current = nil
        }
        let next = sequence + 1
        let path = "\(directory)/\(Self.name(next))"
        try spares.take(as: path)
        let file = try JournalFile(path)
        sequence = next
        currentEnds = [:]
        current = file
        offset = 0
        var header = ByteBuffer()
        header.writeMultipleIntegers(JournalEntry.magic, UInt32(1), next, endianness: .little)
        header.writeRepeatingByte(0, count: Self.headerBytes - header.readableBytes)
        var failure = write(checkpoint, after: header, to: file)
        if failure == 0 { failure = syncDirectory(directory) }
        guard failure == 0 else { throw StorageFailure("start journal file \(next)", path: path, errno: failure) }
    }

    // MARK: Appending

    /// Whether the entries fit the current file; if not, `rotate` first.
    package func fits(_ entries: [JournalEntry]) -> Bool {
        var bytes = JournalFile.alignment
        for entry in entries { bytes += (entry.payload?.readableBytes ?? 0) + 256 + 4 * entry.record.participants }
        return offset + bytes <= fileBytes
    }

    /// Writes and flushes. On failure nothing of it counts: the caller takes the device for failed.
    package func append(_ entries: [JournalEntry]) throws(StorageFailure) {
        let failure = current.map { write(entries, to: $0) } ?? EBADF
        flushes += 1
        guard failure == 0 else { throw StorageFailure("append to the journal", path: directory, errno: failure) }
    }

    /// - Parameter header: what the file begins with, at its start
    private func write(_ entries: [JournalEntry], after header: ByteBuffer? = nil, to file: JournalFile) -> Int32 {
        appends &+= 1
        file.begin(at: offset)
        var length = 0
        if let header {
            file.add(header)
            length = header.readableBytes
        }
        for entry in entries {
            front.clear()
            entry.writeFront(to: &front, sequence: sequence, append: appends)
            file.add(front)
            length += front.readableBytes
            if let payload = entry.payload {
                file.add(payload)
                length += payload.readableBytes
            }
            let padding = (JournalEntry.alignment - length % JournalEntry.alignment) % JournalEntry.alignment
            file.addZeros(padding)
            length += padding
            if case .batch(let header, _) = entry.record {
                currentEnds[entry.segment] = max(currentEnds[entry.segment] ?? .zero, header.end)
            }
        }
        let failure = file.finish()
        if failure == 0 {
            let aligned = (length + JournalFile.alignment - 1) / JournalFile.alignment * JournalFile.alignment
            bytesWritten += UInt64(aligned)
            offset += aligned
        }
        return failure
    }

    // MARK: Recycling

    /// Gives back files before one, while all their batches are in layers.
    ///
    /// - Parameters:
    ///   - limit: sequence of the first file that is to stay
    ///   - layered: up to where a segment is in layers; nil for one that is not here
    package func recycle(before limit: UInt64 = .max, layered: (SegmentID) -> LSN?) {
        while let oldest = older.first, oldest.sequence < limit,
            oldest.ends.allSatisfy({ segment, end in (layered(segment) ?? end) >= end })
        {
            older.removeFirst()
            spares.give("\(directory)/\(Self.name(oldest.sequence))")
        }
    }

    // MARK: Reading beside appends

    /// A file and how far it has been appended to. What lies there stays as it is until the file is recycled.
    package struct Extent: Sendable {
        fileprivate var path: String
        package var sequence: UInt64
        fileprivate var bytes: Int
    }

    /// All that has been appended and not recycled, oldest first; the last one is being appended to.
    package var extents: [Extent] {
        let full = older.map { (sequence: $0.sequence, bytes: fileBytes) }
        let all = current == nil ? full : full + [(sequence, offset)]
        return all.map {
            Extent(path: "\(directory)/\(Self.name($0.sequence))", sequence: $0.sequence, bytes: $0.bytes)
        }
    }

    /// Reads a file from the disk and hands every sound entry to `body`; none if the file has been recycled meanwhile.
    /// Needs no lock.
    package static func read(_ extent: Extent, _ body: (JournalEntry) -> Void) throws(StorageFailure) {
        guard let content = try readFresh(extent.path, count: extent.bytes) else { return }
        walk(content, sequence: extent.sequence) { parsed, _ in
            if case .entry(let entry, _, _) = parsed { body(entry) }
        }
    }

    private static func name(_ sequence: UInt64) -> String {
        let digits = String(sequence, radix: 16)
        return "journal-" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// The files that there are, oldest first; the last one may be being appended to.
    package var liveFiles: [LiveFile] {
        get throws(StorageFailure) {
            try listDirectory(directory).compactMap { name in
                guard name.hasPrefix("journal-"), let sequence = UInt64(name.dropFirst(8), radix: 16) else {
                    return nil
                }
                return LiveFile(path: "\(directory)/\(name)", sequence: sequence)
            }.sorted { $0.sequence < $1.sequence }
        }
    }
}
