// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// OK, ERR, EOF and AuthSwitchRequest.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_response_packets.html>.
package struct MySQLOK: Equatable, Sendable {
    package var affectedRows: UInt64 = 0
    package var lastInsertID: UInt64 = 0
    package var status: MySQLStatus = .autocommit
    package var warnings: UInt16 = 0

    package init(status: MySQLStatus = .autocommit) { self.status = status }

    package init(reading payload: ByteBuffer) throws(MySQLWireError) {
        var rest = payload
        guard let first = rest.readInteger(as: UInt8.self), first == 0 || first == 0xfe,
            let rows = rest.readLengthEncoded(), let id = rest.readLengthEncoded(),
            let status = rest.readInteger(endianness: .little, as: UInt16.self),
            let warnings = rest.readInteger(endianness: .little, as: UInt16.self)
        else { throw .malformed }
        affectedRows = rows
        lastInsertID = id
        self.status = MySQLStatus(rawValue: status)
        self.warnings = warnings
    }

    package func write(to payload: inout ByteBuffer) {
        payload.writeInteger(UInt8(0))
        payload.writeLengthEncoded(affectedRows)
        payload.writeLengthEncoded(lastInsertID)
        payload.writeInteger(status.rawValue, endianness: .little)
        payload.writeInteger(warnings, endianness: .little)
    }
}

package struct MySQLServerError: Error, Equatable, Sendable {
    package var code: UInt16
    package var state: String
    package var message: String

    package init(code: UInt16, state: String, message: String) {
        self.code = code
        self.state = state
        self.message = message
    }

    package init(reading payload: ByteBuffer) throws(MySQLWireError) {
        var rest = payload
        guard rest.readInteger(as: UInt8.self) == 0xff,
            let code = rest.readInteger(endianness: .little, as: UInt16.self)
        else { throw .malformed }
        self.code = code
        state = "HY000"
        if rest.getInteger(at: rest.readerIndex, as: UInt8.self) == UInt8(ascii: "#") {
            guard let text = rest.readString(length: 6) else { throw .malformed }
            state = String(text.dropFirst())
        }
        message = String(buffer: rest)
    }

    package func write(to payload: inout ByteBuffer) {
        payload.writeInteger(UInt8(0xff))
        payload.writeInteger(code, endianness: .little)
        payload.writeString("#\(state)\(message)")
    }
}

/// The server asks for another authentication plugin.
package struct MySQLAuthSwitch: Equatable, Sendable {
    package var plugin: String
    package var challenge: [UInt8]

    package init(plugin: String, challenge: [UInt8]) {
        self.plugin = plugin
        self.challenge = challenge
    }

    package init(reading payload: ByteBuffer) throws(MySQLWireError) {
        var rest = payload
        guard rest.readInteger(as: UInt8.self) == 0xfe, let plugin = rest.readZeroTerminated() else { throw .malformed }
        self.plugin = plugin
        var bytes = Array(rest.readableBytesView)
        // Challenges of 20 bytes end with a zero; one of 32 random bytes may have it as a byte of its own.
        if bytes.last == 0, bytes.count != 32 { bytes.removeLast() }
        challenge = bytes
    }

    package func write(to payload: inout ByteBuffer) {
        payload.writeInteger(UInt8(0xfe))
        payload.writeZeroTerminated(plugin)
        payload.writeBytes(challenge)
        payload.writeInteger(UInt8(0))
    }
}
