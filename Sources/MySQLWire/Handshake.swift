// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// The server's first packet, protocol version 10.
///
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html>.
/// MariaDB keeps its extended capabilities in the last four filler bytes.
package struct MySQLHandshake: Equatable, Sendable {
    package var serverVersion: String
    package var connectionID: UInt32
    /// Twenty bytes.
    package var challenge: [UInt8]
    package var capabilities: MySQLCapabilities
    package var collation: UInt8
    package var status: MySQLStatus
    package var plugin: String

    package init(
        serverVersion: String, connectionID: UInt32, challenge: [UInt8], capabilities: MySQLCapabilities,
        collation: UInt8 = 45, status: MySQLStatus = .autocommit, plugin: String
    ) {
        self.serverVersion = serverVersion
        self.connectionID = connectionID
        self.challenge = challenge
        self.capabilities = capabilities
        self.collation = collation
        self.status = status
        self.plugin = plugin
    }

    package func write(to payload: inout ByteBuffer) {
        payload.writeInteger(UInt8(10))
        payload.writeZeroTerminated(serverVersion)
        payload.writeInteger(connectionID, endianness: .little)
        payload.writeBytes(challenge.prefix(8))
        payload.writeInteger(UInt8(0))
        payload.writeInteger(UInt16(truncatingIfNeeded: capabilities.rawValue), endianness: .little)
        payload.writeInteger(collation)
        payload.writeInteger(status.rawValue, endianness: .little)
        payload.writeInteger(UInt16(truncatingIfNeeded: capabilities.rawValue >> 16), endianness: .little)
        payload.writeInteger(UInt8(challenge.count + 1))
        payload.writeRepeatingByte(0, count: 10)
        payload.writeBytes(challenge.dropFirst(8))
        payload.writeInteger(UInt8(0))
        payload.writeZeroTerminated(plugin)
    }

    package init(reading payload: ByteBuffer) throws(MySQLWireError) {
        var rest = payload
        guard rest.readInteger(as: UInt8.self) == 10, let version = rest.readZeroTerminated(),
            let connectionID = rest.readInteger(endianness: .little, as: UInt32.self),
            let first = rest.readBytes(length: 8), rest.readInteger(as: UInt8.self) != nil,
            let low = rest.readInteger(endianness: .little, as: UInt16.self),
            let collation = rest.readInteger(as: UInt8.self),
            let status = rest.readInteger(endianness: .little, as: UInt16.self),
            let high = rest.readInteger(endianness: .little, as: UInt16.self),
            let challengeLength = rest.readInteger(as: UInt8.self), rest.readBytes(length: 10) != nil
        else { throw .malformed }
        capabilities = MySQLCapabilities(rawValue: UInt32(high) << 16 | UInt32(low))
        let secondLength = max(13, Int(challengeLength) - 8)
        guard let second = rest.readBytes(length: secondLength) else { throw .malformed }
        serverVersion = version
        self.connectionID = connectionID
        challenge = first + second.prefix(12)
        self.collation = collation
        self.status = MySQLStatus(rawValue: status)
        plugin = rest.readZeroTerminated() ?? String(buffer: rest)
    }
}

/// The client's answer, or, when it ends after the flags, its wish for TLS.
package struct MySQLHandshakeResponse: Equatable, Sendable {
    package var capabilities: MySQLCapabilities
    package var maximumPacket: UInt32
    package var collation: UInt8
    package var user: String
    package var authentication: [UInt8]
    package var database: String?
    package var plugin: String?
    package var attributes: [String: String]

    package init(
        capabilities: MySQLCapabilities, maximumPacket: UInt32 = 1 << 24, collation: UInt8 = 45, user: String,
        authentication: [UInt8], database: String?, plugin: String?, attributes: [String: String] = [:]
    ) {
        self.capabilities = capabilities
        self.maximumPacket = maximumPacket
        self.collation = collation
        self.user = user
        self.authentication = authentication
        self.database = database
        self.plugin = plugin
        self.attributes = attributes
    }

    /// Length of an SSLRequest, which is this packet cut off before the user's name.
    package static let tlsRequestLength = 32

    package static func isTLSRequest(_ payload: ByteBuffer) -> Bool {
        guard payload.readableBytes == tlsRequestLength,
            let flags = payload.getInteger(at: payload.readerIndex, endianness: .little, as: UInt32.self)
        else { return false }
        return MySQLCapabilities(rawValue: flags).contains(.tls)
    }

    package func writeTLSRequest(to payload: inout ByteBuffer) {
        payload.writeInteger(capabilities.rawValue, endianness: .little)
        payload.writeInteger(maximumPacket, endianness: .little)
        payload.writeInteger(collation)
        payload.writeRepeatingByte(0, count: 23)
    }

    package func write(to payload: inout ByteBuffer) {
        writeTLSRequest(to: &payload)
        payload.writeZeroTerminated(user)
        if capabilities.contains(.lengthEncodedAuthentication) {
            payload.writeLengthEncoded(UInt64(authentication.count))
        } else {
            payload.writeInteger(UInt8(truncatingIfNeeded: authentication.count))
        }
        payload.writeBytes(authentication)
        if let database, capabilities.contains(.connectWithDatabase) { payload.writeZeroTerminated(database) }
        if let plugin, capabilities.contains(.pluginAuthentication) { payload.writeZeroTerminated(plugin) }
        guard capabilities.contains(.connectAttributes) else { return }
        var pairs = ByteBuffer()
        for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
            pairs.writeLengthEncodedString(name)
            pairs.writeLengthEncodedString(value)
        }
        payload.writeLengthEncoded(UInt64(pairs.readableBytes))
        payload.writeImmutableBuffer(pairs)
    }

    package init(reading payload: ByteBuffer) throws(MySQLWireError) {
        var rest = payload
        guard let flags = rest.readInteger(endianness: .little, as: UInt32.self),
            let maximum = rest.readInteger(endianness: .little, as: UInt32.self),
            let collation = rest.readInteger(as: UInt8.self), rest.readBytes(length: 23) != nil,
            let user = rest.readZeroTerminated()
        else { throw .malformed }
        capabilities = MySQLCapabilities(rawValue: flags)
        guard capabilities.contains(.protocol41) else { throw .authentication("the client's protocol is too old") }
        maximumPacket = maximum
        self.collation = collation
        self.user = user
        if capabilities.contains(.lengthEncodedAuthentication) {
            guard let bytes = rest.readLengthEncodedBytes() else { throw .malformed }
            authentication = Array(bytes.readableBytesView)
        } else {
            guard let length = rest.readInteger(as: UInt8.self), let bytes = rest.readBytes(length: Int(length)) else {
                throw .malformed
            }
            authentication = bytes
        }
        database = capabilities.contains(.connectWithDatabase) ? rest.readZeroTerminated() : nil
        if database?.isEmpty == true { database = nil }
        plugin = capabilities.contains(.pluginAuthentication) ? rest.readZeroTerminated() : nil
        attributes = [:]
        guard capabilities.contains(.connectAttributes), var pairs = rest.readLengthEncodedBytes() else { return }
        while let name = pairs.readLengthEncodedString(), let value = pairs.readLengthEncodedString() {
            attributes[name] = value
        }
    }
}

extension MySQLHandshakeResponse {
    /// Reads COM_CHANGE_USER, first byte included. `capabilities` are those agreed on at login.
    /// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_change_user.html>
    package init?(changeUser payload: ByteBuffer, capabilities: MySQLCapabilities) {
        var rest = payload
        guard rest.readInteger(as: UInt8.self) == MySQLCommand.changeUser.rawValue,
            let user = rest.readZeroTerminated(), let length = rest.readInteger(as: UInt8.self),
            let answer = rest.readBytes(length: Int(length)), let database = rest.readZeroTerminated()
        else { return nil }
        let collation = rest.readInteger(endianness: .little, as: UInt16.self) ?? 45
        let plugin = rest.readZeroTerminated()
        self.init(
            capabilities: capabilities, collation: UInt8(truncatingIfNeeded: collation), user: user,
            authentication: answer, database: database.isEmpty ? nil : database, plugin: plugin)
    }
}
