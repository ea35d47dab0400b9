// SPDX-License-Identifier: Apache-2.0

/// Capability flags (<https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html>).
package struct MySQLCapabilities: OptionSet, Sendable, Hashable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let longPassword = MySQLCapabilities(rawValue: 1)
    package static let foundRows = MySQLCapabilities(rawValue: 1 << 1)
    package static let longFlag = MySQLCapabilities(rawValue: 1 << 2)
    package static let connectWithDatabase = MySQLCapabilities(rawValue: 1 << 3)
    package static let compress = MySQLCapabilities(rawValue: 1 << 5)
    package static let localFiles = MySQLCapabilities(rawValue: 1 << 7)
    package static let ignoreSpace = MySQLCapabilities(rawValue: 1 << 8)
    package static let protocol41 = MySQLCapabilities(rawValue: 1 << 9)
    package static let tls = MySQLCapabilities(rawValue: 1 << 11)
    package static let transactions = MySQLCapabilities(rawValue: 1 << 13)
    package static let secureConnection = MySQLCapabilities(rawValue: 1 << 15)
    package static let multiStatements = MySQLCapabilities(rawValue: 1 << 16)
    package static let multiResults = MySQLCapabilities(rawValue: 1 << 17)
    package static let preparedMultiResults = MySQLCapabilities(rawValue: 1 << 18)
    package static let pluginAuthentication = MySQLCapabilities(rawValue: 1 << 19)
    package static let connectAttributes = MySQLCapabilities(rawValue: 1 << 20)
    package static let lengthEncodedAuthentication = MySQLCapabilities(rawValue: 1 << 21)
    package static let sessionTrack = MySQLCapabilities(rawValue: 1 << 23)
    package static let deprecateEOF = MySQLCapabilities(rawValue: 1 << 24)
    package static let zstd = MySQLCapabilities(rawValue: 1 << 26)

    /// What the proxy offers its clients. Compression is left out, so that nobody asks for it.
    package static let offered: MySQLCapabilities = [
        .longPassword, .foundRows, .longFlag, .connectWithDatabase, .localFiles, .protocol41, .transactions,
        .secureConnection, .multiStatements, .multiResults, .preparedMultiResults, .pluginAuthentication,
        .connectAttributes, .lengthEncodedAuthentication, .ignoreSpace,
    ]

    /// What the proxy asks of servers, whoever the client is; the flags in which clients differ are added.
    package static let wanted: MySQLCapabilities = [
        .longPassword, .longFlag, .protocol41, .transactions, .secureConnection, .multiStatements, .multiResults,
        .preparedMultiResults, .pluginAuthentication, .lengthEncodedAuthentication, .sessionTrack,
    ]

    /// Flags of the client that change what a server answers, so that clients differing in them share no connection.
    package static let significant: MySQLCapabilities = [.foundRows, .ignoreSpace, .localFiles]
}

/// Status flags of OK and EOF packets.
package struct MySQLStatus: OptionSet, Sendable, Hashable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let inTransaction = MySQLStatus(rawValue: 1)
    package static let autocommit = MySQLStatus(rawValue: 2)
    package static let moreResults = MySQLStatus(rawValue: 8)
    package static let cursorExists = MySQLStatus(rawValue: 64)
    package static let lastRowSent = MySQLStatus(rawValue: 128)
    package static let noBackslashEscapes = MySQLStatus(rawValue: 1 << 9)
    package static let sessionStateChanged = MySQLStatus(rawValue: 1 << 14)
    package static let ansiQuotes = MySQLStatus(rawValue: 1 << 15)
}

/// First byte of a client's packet (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html>).
package enum MySQLCommand: UInt8, Sendable {
    case quit = 0x01
    case initDatabase = 0x02
    case query = 0x03
    case fieldList = 0x04
    case statistics = 0x09
    case processKill = 0x0c
    case ping = 0x0e
    case changeUser = 0x11
    case prepare = 0x16
    case execute = 0x17
    case sendLongData = 0x18
    case closeStatement = 0x19
    case resetStatement = 0x1a
    case setOption = 0x1b
    case fetch = 0x1c
    case resetConnection = 0x1f
}
