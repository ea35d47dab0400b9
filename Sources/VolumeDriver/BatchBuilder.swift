// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import LogWire
internal import NIOCore
internal import NamespaceCore
internal import VolumeModel

/// Turns ring entries into records: assigns LSNs, routes content to protection groups, keeps the live namespace.
///
/// One engine call becomes one or more records, the last of which is flagged as a consistency point; a batch never ends
/// inside a call. Content of (file, chunk) belongs to the group that the namespace maps the chunk to; an unmapped chunk
/// belongs to group 0. A chunk that lies wholly beyond the file's end when the file grows over it is mapped to the
/// group that is being filled, if that is not group 0 (`fill`).
final class BatchBuilder {
    let epoch: VolumeEpoch
    let chunkBytes: UInt64
    private(set) var position: LSN
    private(set) var start: LSN
    var namespace: Namespace
    /// Where new chunks go.
    var fill: GroupID
    /// Bytes of file content that have been routed to `fill` so far.
    var fillBytes: UInt64
    private(set) var records: UInt64 = 0
    private var parts: [Part]

    /// One group's records of the batch under construction.
    private final class Part {
        let group: GroupID
        var encoder: RecordEncoder
        init(_ group: GroupID) {
            self.group = group
            encoder = RecordEncoder(reusing: ByteBuffer())
        }
    }

    init(
        epoch: VolumeEpoch, position: LSN, namespace: Namespace, chunkBytes: UInt64, fill: GroupID,
        fillBytes: UInt64
    ) {
        self.epoch = epoch
        self.position = position
        start = position
        self.namespace = namespace
        self.chunkBytes = chunkBytes
        self.fill = fill
        self.fillBytes = fillBytes
        parts = [Part(.namespace)]
    }

    /// Bytes of records gathered since the last `take`.
    var bytes: Int { Int(position.value - start.value) }
    var isEmpty: Bool { position == start }

    /// Hands over the gathered parts, group 0's first (empty if only others have records), and starts the next batch.
    func take() -> (start: LSN, end: LSN, parts: [(group: GroupID, plain: ByteBuffer)]) {
        var taken: [(group: GroupID, plain: ByteBuffer)] = []
        for part in parts where part.group == .namespace || !part.encoder.isEmpty {
            taken.append((part.group, part.encoder.buffer))
            part.encoder = RecordEncoder(reusing: ByteBuffer())
        }
        let from = start
        start = position
        return (from, position, taken)
    }

    /// Goes on after a gap in the LSNs. Only between batches.
    func skip(to position: LSN) {
        precondition(isEmpty && position >= self.position)
        self.position = position
        start = position
    }

    private func part(_ group: GroupID) -> Part {
        if let found = parts.first(where: { $0.group == group }) { return found }
        let made = Part(group)
        parts.append(made)
        return made
    }

    private var names: Part { parts[0] }

    // MARK: Entries

    /// Adds one engine call. The entry's memory is not referred to afterwards.
    func add(_ entry: UnsafeMutablePointer<bx_entry>) {
        let head = entry.pointee
        let body = UnsafeRawBufferPointer(
            start: UnsafeRawPointer(entry) + MemoryLayout<bx_entry>.size,
            count: min(Int(head.body_length), Int(head.size) - MemoryLayout<bx_entry>.size))
        let file = FileID(head.file)
        switch Int(head.op) {
        case BX_OP_WRITE: write(file, head, body)
        case BX_OP_ZERO: zero(file, head)
        case BX_OP_SIZE: resize(file, to: head.offset)
        case BX_OP_CREATE: name(.create, file, mode: UInt32(truncatingIfNeeded: head.offset), body)
        case BX_OP_RENAME: name(.rename, file, mode: 0, body)
        case BX_OP_LINK: name(.link, file, mode: 0, body)
        case BX_OP_UNLINK: name(.unlink, file, mode: 0, body)
        case BX_OP_MKDIR: name(.makeDirectory, .none, mode: UInt32(truncatingIfNeeded: head.offset), body)
        case BX_OP_RMDIR: name(.removeDirectory, .none, mode: 0, body)
        case BX_OP_SYMLINK: name(.symlink, .none, mode: 0, body)
        case BX_OP_CHMOD: name(.changeMode, .none, mode: UInt32(truncatingIfNeeded: head.offset), body)
        case BX_OP_MARKER: name(.marker, .none, mode: 0, body)
        default: return
        }
        records += 1
    }

    /// Marks the wall-clock time in the log.
    func timestamp(microseconds: UInt64) {
        position = names.encoder.timestamp(
            microseconds: microseconds, flags: RecordHeader.consistencyPoint, epoch: epoch, position: position)
        records += 1
    }

    private func write(_ file: FileID, _ head: bx_entry, _ body: UnsafeRawBufferPointer) {
        let count = Int(head.ranges)
        let tableBytes = count * MemoryLayout<bx_range>.stride
        guard tableBytes <= body.count else { return }
        let ranges = UnsafeRawBufferPointer(rebasing: body[..<tableBytes]).bindMemory(to: bx_range.self)
        let data = UnsafeRawBufferPointer(rebasing: body[tableBytes...])
        let grows = head.file_size > 0 && head.file_size > (namespace.size(of: file) ?? 0)
        if grows { grow(file, to: head.file_size) }
        let last = grows ? 0 : RecordHeader.consistencyPoint
        if count > 0 {
            let firstChunk = (head.offset + UInt64(ranges[0].at)) / chunkBytes
            let final = ranges[count - 1]
            let lastChunk = (head.offset + UInt64(final.at) + UInt64(final.length) - 1) / chunkBytes
            if firstChunk == lastChunk {
                let target = part(route(file, chunk: firstChunk))
                position = target.encoder.write(
                    file: file, offset: head.offset, ranges: ranges, data: data, flags: last, epoch: epoch,
                    position: position)
            } else {
                writeAcross(file, head, ranges, data, lastFlags: last)
            }
        }
        if grows { setSize(file, head.file_size) }
    }

    /// A write that touches several chunks: one record a chunk, all of one batch.
    private func writeAcross(
        _ file: FileID, _ head: bx_entry, _ ranges: UnsafeBufferPointer<bx_range>, _ data: UnsafeRawBufferPointer,
        lastFlags: UInt8
    ) {
        var pieces: [(chunk: UInt64, ranges: [bx_range], data: [UInt8])] = []
        var consumed = 0
        for range in ranges {
            var at = UInt64(range.at)
            var left = UInt64(range.length)
            while left > 0 {
                let absolute = head.offset + at
                let chunk = absolute / chunkBytes
                let piece = min(left, (chunk + 1) * chunkBytes - absolute)
                let bytes = data[consumed..<min(consumed + Int(piece), data.count)]
                if pieces.last?.chunk != chunk { pieces.append((chunk, [], [])) }
                pieces[pieces.count - 1].ranges.append(
                    bx_range(at: UInt32(truncatingIfNeeded: at), length: UInt32(truncatingIfNeeded: piece)))
                pieces[pieces.count - 1].data.append(contentsOf: bytes)
                consumed += Int(piece)
                at += piece
                left -= piece
            }
        }
        for (index, piece) in pieces.enumerated() {
            let target = part(route(file, chunk: piece.chunk))
            let flags = index == pieces.count - 1 ? lastFlags : 0
            position = piece.ranges.withUnsafeBufferPointer { ranges in
                piece.data.withUnsafeBytes { data in
                    target.encoder.write(
                        file: file, offset: head.offset, ranges: ranges, data: data, flags: flags, epoch: epoch,
                        position: position)
                }
            }
        }
    }

    private func zero(_ file: FileID, _ head: bx_entry) {
        let end = head.offset + head.length
        let grows = head.flags & UInt16(BX_KEEP_SIZE) == 0 && end > (namespace.size(of: file) ?? 0)
        // Zeros beyond the old end need no record: nothing was ever there, or a shrink has zeroed it.
        let size = namespace.size(of: file) ?? 0
        if head.offset < size {
            let groups = namespace.groups(of: file, from: head.offset, to: min(end, size), chunkBytes: chunkBytes)
            for (index, group) in groups.enumerated() {
                let flags = !grows && index == groups.count - 1 ? RecordHeader.consistencyPoint : 0
                position = part(group).encoder.zero(
                    file: file, offset: head.offset, length: min(end, size) - head.offset, flags: flags, epoch: epoch,
                    position: position)
            }
        }
        if grows {
            grow(file, to: end)
            setSize(file, end)
        }
    }

    private func resize(_ file: FileID, to size: UInt64) {
        let old = namespace.size(of: file) ?? 0
        guard size < old else {
            grow(file, to: size)
            return setSize(file, size)
        }
        let groups = namespace.groups(of: file, from: size, to: old, chunkBytes: chunkBytes)
        // The size first: a prefix that ends between the two shows the shorter file, never zeros inside the old one.
        setSize(file, size, flags: groups.isEmpty ? RecordHeader.consistencyPoint : 0)
        for (index, group) in groups.enumerated() {
            let flags = index == groups.count - 1 ? RecordHeader.consistencyPoint : 0
            position = part(group).encoder.zero(
                file: file, offset: size, length: 0, flags: flags, epoch: epoch, position: position)
        }
    }

    private func setSize(_ file: FileID, _ size: UInt64, flags: UInt8 = RecordHeader.consistencyPoint) {
        position = names.encoder.setSize(file: file, size: size, flags: flags, epoch: epoch, position: position)
        try? namespace.setSize(file, size)
    }

    private func name(_ kind: RecordKind, _ file: FileID, mode: UInt32, _ body: UnsafeRawBufferPointer) {
        let text = body.last == 0 ? UnsafeRawBufferPointer(rebasing: body.dropLast()) : body
        let before = position
        position = names.encoder.name(
            kind, file: file, mode: mode, paths: text, flags: RecordHeader.consistencyPoint, epoch: epoch,
            position: position)
        guard kind != .marker else { return }
        // The very record is applied, so that the driver's namespace is what a reader of the log would build.
        let length = Int(position.value - before.value)
        var bytes = names.encoder.buffer
        bytes.moveReaderIndex(to: bytes.writerIndex - length)
        var decoder = RecordDecoder(bytes)
        guard let record = try? decoder.next() else { return }
        let doomed = doomedFile(record)
        guard let orphan = try? namespace.apply(record) else { return }
        if let doomed, doomed.id == orphan { drop(orphan, of: doomed.groups) }
    }

    /// The file that the operation may take the last name of, and the groups that have its content.
    private func doomedFile(_ record: Record) -> (id: FileID, groups: [GroupID])? {
        let path: String
        switch record.body {
        case .unlink(let name): path = name
        case .rename(_, let to): path = to
        default: return nil
        }
        guard let id = namespace.fileID(at: path), let size = namespace.size(of: id) else { return nil }
        return (id, namespace.groups(of: id, from: 0, to: size, chunkBytes: chunkBytes))
    }

    /// Tells the content groups that a file is gone.
    private func drop(_ file: FileID, of groups: [GroupID]) {
        for group in groups {
            position = part(group).encoder.drop(
                file: file, flags: RecordHeader.consistencyPoint, epoch: epoch, position: position)
        }
    }

    // MARK: Routing

    /// Maps the chunks that lie wholly beyond the old end to the group that is being filled.
    private func grow(_ file: FileID, to size: UInt64) {
        let old = namespace.size(of: file) ?? 0
        guard size > old else { return }
        fillBytes += size - old
        guard fill != .namespace else { return }
        var chunk = (old + chunkBytes - 1) / chunkBytes
        while chunk * chunkBytes < size {
            position = names.encoder.mapChunk(
                file: file, chunk: chunk, group: fill, flags: 0, epoch: epoch, position: position)
            try? namespace.mapChunk(file, chunk, fill)
            chunk += 1
        }
    }

    private func route(_ file: FileID, chunk: UInt64) -> GroupID {
        namespace.group(of: file, chunk: chunk) ?? .namespace
    }
}
