// SPDX-License-Identifier: Apache-2.0

package import LogWire
package import NIOCore
package import VolumeModel

/// Applying log records.
extension Namespace {
    /// Applies one record; content, timestamp and marker records change nothing.
    /// - Returns: the id of a file that lost its last name.
    @discardableResult
    package mutating func apply(_ record: Record) throws(NamespaceError) -> FileID? {
        try apply(record.body, file: record.header.file)
    }

    /// Applies what a record of `file` says.
    @discardableResult
    package mutating func apply(_ body: Record.Body, file: FileID) throws(NamespaceError) -> FileID? {
        note(file)
        switch body {
        case .create(let path, let mode): try create(path, id: file, mode: mode)
        case .setSize(let size): try setSize(file, size)
        case .rename(let from, let to): return try rename(from: from, to: to)
        case .link(let existing, let new): try link(existing: existing, new: new)
        case .unlink(let path): return try unlink(path)
        case .makeDirectory(let path, let mode): try makeDirectory(path, mode: mode)
        case .removeDirectory(let path): try removeDirectory(path)
        case .symlink(let target, let path): try symlink(target: target, path: path)
        case .changeMode(let path, let mode): try changeMode(path, mode: mode)
        case .mapChunk(let chunk, let group): try mapChunk(file, chunk, group)
        case .write, .zero, .drop, .timestamp, .marker: break
        }
        return nil
    }

    /// Applies every namespace record of a run of records with an LSN in (`after`, `through`].
    ///
    /// Refused operations are skipped: the log was accepted once, so replaying it does the same everywhere.
    /// - Parameter payload: records back to back, as in a batch's payload
    /// - Throws: malformed bytes; what preceded them is applied.
    /// - Returns: how many operations were refused.
    @discardableResult
    package mutating func apply(
        records payload: ByteBuffer, after: LSN = .zero, through: LSN = LSN(.max)
    ) throws(RecordError) -> Int {
        var decoder = RecordDecoder(payload)
        var refused = 0
        while let (header, body) = try decoder.nextRaw() {
            guard !header.kind.isContent, header.lsn > after, header.lsn <= through else { continue }
            let what = try RecordDecoder.body(header, body)
            do { try apply(what, file: header.file) } catch { refused += 1 }
        }
        return refused
    }
}
