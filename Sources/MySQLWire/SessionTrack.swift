// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// What an OK packet tells about the session when CLIENT_SESSION_TRACK was agreed on.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html>; MariaDB puts several
/// variables into one entry, which reads the same.
package struct MySQLSessionTrack: Equatable, Sendable {
    package var variables: [(name: String, value: String)] = []
    /// The default database after the statement; empty when there is none any more.
    package var schema: String?
    /// The server says that something about the session changed.
    package var stateChanged = false

    package init() {}

    package static func == (left: MySQLSessionTrack, right: MySQLSessionTrack) -> Bool {
        left.schema == right.schema && left.stateChanged == right.stateChanged
            && left.variables.map(\.name) == right.variables.map(\.name)
            && left.variables.map(\.value) == right.variables.map(\.value)
    }

    /// Reads entries of type, length and data up to the end of `bytes`.
    mutating func read(_ bytes: ByteBuffer) throws(MySQLWireError) {
        var rest = bytes
        while rest.readableBytes > 0 {
            guard let type = rest.readInteger(as: UInt8.self), var data = rest.readLengthEncodedBytes() else {
                throw .malformed
            }
            switch type {
            case 0:
                while data.readableBytes > 0 {
                    guard let name = data.readLengthEncodedString(), let value = data.readLengthEncodedString() else {
                        throw .malformed
                    }
                    variables.append((name, value))
                }
            case 1:
                guard let name = data.readLengthEncodedString() else { throw .malformed }
                schema = name
            case 2: stateChanged = true
            default: break
            }
        }
    }
}

extension MySQLOK {
    /// Reads an OK packet of a connection with session tracking. `track` gets what it tells; the result is where in
    /// `payload` the part ends that a client without session tracking understands.
    package init(
        reading payload: ByteBuffer, track: inout MySQLSessionTrack, end: inout Int
    ) throws(MySQLWireError) {
        try self.init(reading: payload)
        var rest = payload
        rest.moveReaderIndex(forwardBy: 1)
        guard rest.readLengthEncoded() != nil, rest.readLengthEncoded() != nil, rest.readBytes(length: 4) != nil else {
            throw .malformed
        }
        if rest.readableBytes > 0 {
            guard rest.readLengthEncodedBytes() != nil else { throw .malformed }
        }
        end = rest.readerIndex
        guard status.contains(.sessionStateChanged), rest.readableBytes > 0 else { return }
        guard let state = rest.readLengthEncodedBytes() else { throw .malformed }
        try track.read(state)
    }
}
