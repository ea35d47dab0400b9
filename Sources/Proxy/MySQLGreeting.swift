// SPDX-License-Identifier: Apache-2.0

import MySQLWire
import ProxyCore

/// What a MySQL client is told before anyone knows who it is: learned from the first server that answers.
struct MySQLGreeting: Sendable {
    var version: String
    /// Status flags of a fresh session: whether it commits by itself.
    var status: MySQLStatus
    /// What SET NAMES has to say for the collation number of a client's login.
    private var names: [UInt8: String] = [:]

    static let collationQuestion =
        "SELECT ID, CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLLATIONS WHERE ID < 256"

    init(version: String, status: MySQLStatus, collations: [[String?]]) {
        self.version = version
        self.status = status
        for row in collations where row.count == 3 {
            guard let id = row[0].flatMap({ UInt8($0) }), let set = row[1], let name = row[2] else { continue }
            names[id] = "NAMES \(set) COLLATE \(name)"
        }
    }

    /// The settings a client starts with. A number no server here knows means the server's own default, as it does
    /// for the server.
    func settings(of response: MySQLHandshakeResponse) -> MySQLSettings {
        MySQLSettings.none.changed { content in
            content.database = response.database
            content.multiStatements = response.capabilities.contains(.multiStatements)
            // 45 is what backends are set up with.
            if response.collation != 45 { content.names = names[response.collation] ?? "NAMES DEFAULT" }
        }
    }
}
