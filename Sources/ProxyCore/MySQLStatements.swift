// SPDX-License-Identifier: Apache-2.0

package import NIOCore

/// One statement text prepared through the binary protocol, shared by every client of a pool that prepared it.
///
/// Each backend has a number of its own for it, each client another; both are mapped when packets pass.
package final class MySQLSharedStatement {
    package let id: UInt32
    package let text: ByteBuffer
    package let effects: MySQLEffects
    /// Known once a server has accepted it.
    package internal(set) var parameterCount = 0
    /// The server's answer to its preparation, packet by packet, so that it can be given again; the number in it is
    /// replaced. Nil until there was one, or when it is too long to keep.
    var answer: ByteBuffer?

    init(id: UInt32, text: ByteBuffer, effects: MySQLEffects) {
        self.id = id
        self.text = text
        self.effects = effects
    }

    /// Where the statement's number stands in `answer`: behind the packet's header and the OK byte.
    static let numberOffset = 5
    static let longestAnswer = 16 << 10
}

/// All statements of one pool, found by their text and by the settings that give it its meaning.
package final class MySQLStatementRegistry {
    package static let capacity = 10_000

    private struct Key: Hashable {
        var settings: String
        var text: ByteBuffer
    }

    private var known: [Key: MySQLSharedStatement] = [:]
    private var nextID: UInt32 = 1

    /// SET NAMES texts that a server has accepted: said again, they need none.
    private var acceptedNames: Set<String> = []

    package init() {}

    package var count: Int { known.count }

    func accept(names: String) {
        if acceptedNames.count < 256 { acceptedNames.insert(names) }
    }

    func hasAccepted(names: String) -> Bool { acceptedNames.contains(names) }

    func find(_ text: ByteBuffer, under settings: MySQLSettings) -> MySQLSharedStatement? {
        known[Key(settings: settings.parsingKey, text: text)]
    }

    func add(_ text: ByteBuffer, under settings: MySQLSettings, effects: MySQLEffects) -> MySQLSharedStatement {
        let key = Key(settings: settings.parsingKey, text: text)
        if let same = known[key] { return same }
        if known.count >= MySQLStatementRegistry.capacity { known.removeAll() }
        let made = MySQLSharedStatement(id: nextID, text: text, effects: effects)
        nextID &+= 1
        known[key] = made
        return made
    }

    /// A table has changed: what servers said about columns may be wrong now. Clients keep the statements they have.
    func forgetAll() { known.removeAll(keepingCapacity: true) }
}

/// A prepared statement as its client sees it.
final class MySQLClientStatement {
    let id: UInt32
    let shared: MySQLSharedStatement
    /// The parameter types the client bound last; it repeats them only when they change.
    var types: ByteBuffer?

    init(id: UInt32, shared: MySQLSharedStatement) {
        self.id = id
        self.shared = shared
    }
}
