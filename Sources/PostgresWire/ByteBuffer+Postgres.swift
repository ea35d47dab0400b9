// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// Reading and writing protocol fields in place, without intermediate arrays.
///
/// Layouts: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
extension ByteBuffer {
    /// The header at `index`, or nil when fewer than five bytes are there.
    @inline(__always)
    package func postgresHeader(at index: Int) throws(PostgresWireError) -> MessageHeader? {
        guard index >= readerIndex, writerIndex - index >= 5 else { return nil }
        let offset = index - readerIndex
        let (kind, length) = withUnsafeReadableBytes {
            ($0[offset], UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: offset + 1, as: UInt32.self)))
        }
        guard length >= 4, length <= UInt32(MessageHeader.largest) else {
            throw .badLength(kind: kind, length: Int(length))
        }
        return MessageHeader(kind: kind, total: Int(length) + 1)
    }

    /// Index of the first zero byte in `from ..< limit`, both absolute indices within the readable bytes.
    @inline(__always)
    package func indexOfZero(from: Int, limit: Int) -> Int? {
        let base = readerIndex
        guard from >= base, limit <= writerIndex, from < limit else { return nil }
        return withUnsafeReadableBytes { bytes -> Int? in
            var index = from - base
            let end = limit - base
            while index < end {
                if bytes[index] == 0 { return index + base }
                index += 1
            }
            return nil
        }
    }

    /// The zero-terminated string at `index`, which must end before `limit`; `next` is the index behind the zero.
    package func postgresString(at index: Int, limit: Int) -> (text: String, next: Int)? {
        guard let zero = indexOfZero(from: index, limit: limit),
            let text = getString(at: index, length: zero - index)
        else { return nil }
        return (text, zero + 1)
    }

    package mutating func writePostgresString(_ text: String) {
        writeString(text)
        writeInteger(UInt8(0))
    }

    /// Writes one message: type, length, and whatever `body` writes.
    @inline(__always)
    package mutating func writePostgresMessage(_ kind: UInt8, _ body: (inout ByteBuffer) -> Void) {
        writeInteger(kind)
        let lengthIndex = writerIndex
        writeInteger(UInt32(0))
        body(&self)
        setInteger(UInt32(writerIndex - lengthIndex), at: lengthIndex)
    }

    /// A message without a body, such as Sync or ParseComplete.
    package mutating func writePostgresEmpty(_ kind: UInt8) {
        writeInteger(kind)
        writeInteger(UInt32(4))
    }

    package mutating func writePostgresQuery(_ text: String) {
        writePostgresMessage(FrontendMessage.query) { $0.writePostgresString(text) }
    }

    package mutating func writePostgresReady(_ status: TransactionStatus) {
        writeInteger(BackendMessage.ready)
        writeInteger(UInt32(5))
        writeInteger(status.rawValue)
    }

    package mutating func writePostgresCommandComplete(_ tag: String) {
        writePostgresMessage(BackendMessage.commandComplete) { $0.writePostgresString(tag) }
    }

    package mutating func writePostgresParameterStatus(_ name: String, _ value: String) {
        writePostgresMessage(BackendMessage.parameterStatus) {
            $0.writePostgresString(name)
            $0.writePostgresString(value)
        }
    }

    package mutating func writePostgresBackendKey(processID: UInt32, secret: UInt32) {
        writePostgresMessage(BackendMessage.backendKey) {
            $0.writeInteger(processID)
            $0.writeInteger(secret)
        }
    }

    /// RowDescription of text columns (type OID 25), format text.
    package mutating func writePostgresTextColumns(_ names: [String]) {
        writePostgresMessage(BackendMessage.rowDescription) {
            $0.writeInteger(UInt16(names.count))
            for name in names {
                $0.writePostgresString(name)
                $0.writeInteger(UInt32(0))
                $0.writeInteger(UInt16(0))
                $0.writeInteger(UInt32(25))
                $0.writeInteger(Int16(-1))
                $0.writeInteger(Int32(-1))
                $0.writeInteger(UInt16(0))
            }
        }
    }

    package mutating func writePostgresTextRow(_ values: [String?]) {
        writePostgresMessage(BackendMessage.dataRow) {
            $0.writeInteger(UInt16(values.count))
            for value in values {
                guard let value else {
                    $0.writeInteger(Int32(-1))
                    continue
                }
                $0.writeInteger(Int32(value.utf8.count))
                $0.writeString(value)
            }
        }
    }

    /// The text columns of the DataRow at `index` whose end is `limit`; nil when it is not one.
    package func postgresTextRow(at index: Int, limit: Int) -> [String?]? {
        guard limit <= writerIndex, let count = getInteger(at: index + 5, as: UInt16.self) else { return nil }
        var values: [String?] = []
        var at = index + 7
        for _ in 0..<count {
            guard at + 4 <= limit, let length = getInteger(at: at, as: Int32.self) else { return nil }
            at += 4
            if length < 0 {
                values.append(nil)
                continue
            }
            guard Int(length) <= limit - at, let text = getString(at: at, length: Int(length)) else { return nil }
            values.append(text)
            at += Int(length)
        }
        return values
    }
}
