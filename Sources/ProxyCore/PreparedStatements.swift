// SPDX-License-Identifier: Apache-2.0

package import NIOCore
import PostgresWire

/// One prepared statement, shared by every client of a pool that prepared the same text with the same types.
///
/// On backends it is called `serverName`; the names clients gave it exist only in their own `StatementTable`.
package final class SharedStatement {
    package enum Origin {
        /// The body of a Parse message behind the name: query text, zero, parameter types.
        case parse(ByteBuffer)
        /// The text of a SQL `PREPARE` with the server name already in place.
        case sql(String)
    }

    package let id: UInt32
    package let origin: Origin
    package let effects: ScriptEffects
    /// The settings under which a server last accepted it; nil until one has.
    var acceptedUnder: SessionSettings?

    init(id: UInt32, origin: Origin, effects: ScriptEffects) {
        self.id = id
        self.origin = origin
        self.effects = effects
    }

    package var serverName: String { "bp\(id)" }

    /// Writes the message that prepares it on a backend.
    func writePreparation(to out: inout ByteBuffer) {
        switch origin {
        case .parse(let tail):
            out.writePostgresMessage(FrontendMessage.parse) {
                $0.writePostgresString(serverName)
                $0.writeImmutableBuffer(tail)
            }
        case .sql(let text): out.writePostgresQuery(text)
        }
    }
}

/// All statements of one pool, found by their text.
///
/// At most `capacity` texts are remembered; beyond that the table starts anew, which costs a second preparation but
/// breaks nothing, as clients hold on to the statements they use.
package final class StatementRegistry {
    package static let capacity = 20_000

    private var byText: [ByteBuffer: SharedStatement] = [:]
    private var nextID: UInt32 = 1

    package init() {}

    package var count: Int { byText.count }

    /// A statement that a server has accepted under the same settings, so that preparing it again needs none.
    package func accepted(parseTail: ByteBuffer, settings: SessionSettings) -> SharedStatement? {
        guard let known = byText[parseTail], let under = known.acceptedUnder, under == settings else { return nil }
        return known
    }

    package func statement(parseTail: ByteBuffer, effects: @autoclosure () -> ScriptEffects) -> SharedStatement {
        if let known = byText[parseTail] { return known }
        if byText.count >= StatementRegistry.capacity { byText.removeAll() }
        // A copy of its own, so that a whole network read is not kept alive by it.
        let copy = ByteBuffer(bytes: parseTail.readableBytesView)
        let statement = SharedStatement(id: takeID(), origin: .parse(copy), effects: effects())
        byText[copy] = statement
        return statement
    }

    /// A statement made by SQL `PREPARE`; never shared, as its text may depend on the session.
    package func statement(sql makeText: (String) -> String) -> SharedStatement {
        let id = takeID()
        return SharedStatement(id: id, origin: .sql(makeText("bp\(id)")), effects: .plain)
    }

    /// After a schema change new preparations get new names, so that no client inherits a stale result type.
    package func schemaChanged() { byText.removeAll() }

    private func takeID() -> UInt32 {
        defer { nextID &+= 1 }
        return nextID
    }
}

/// A client's names for its prepared statements.
///
/// Looked up once per Bind with the name still in the network buffer, hence the hash over raw bytes.
package struct StatementTable {
    private final class Entry {
        let name: [UInt8]
        let statement: SharedStatement
        let next: Entry?

        init(name: [UInt8], statement: SharedStatement, next: Entry?) {
            self.name = name
            self.statement = statement
            self.next = next
        }
    }

    /// Another one in each process, as the standard library's hashes are, so that names cannot be chosen to collide.
    private static let seed = UInt64(bitPattern: Int64(Hasher().finalize()))

    private var entries: [UInt64: Entry] = [:]
    package private(set) var count = 0

    package init() {}

    private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash = seed
        for byte in bytes {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
            hash ^= hash >> 29
        }
        return hash
    }

    package func find(_ buffer: ByteBuffer, from start: Int, to end: Int) -> SharedStatement? {
        if entries.isEmpty { return nil }
        let offset = start - buffer.readerIndex
        return buffer.withUnsafeReadableBytes { bytes in
            find(UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + end - start)]))
        }
    }

    package func find(_ name: UnsafeRawBufferPointer) -> SharedStatement? {
        var entry = entries[StatementTable.hash(name)]
        while let candidate = entry {
            if candidate.name.elementsEqual(name) { return candidate.statement }
            entry = candidate.next
        }
        return nil
    }

    package func find(_ name: String) -> SharedStatement? {
        Array(name.utf8).withUnsafeBytes { find($0) }
    }

    package mutating func insert(_ name: [UInt8], _ statement: SharedStatement) {
        remove(name)
        let hash = name.withUnsafeBytes { StatementTable.hash($0) }
        entries[hash] = Entry(name: name, statement: statement, next: entries[hash])
        count += 1
    }

    package mutating func remove(_ name: [UInt8]) {
        let hash = name.withUnsafeBytes { StatementTable.hash($0) }
        guard let head = entries[hash] else { return }
        var kept: Entry?
        var entry: Entry? = head
        while let candidate = entry {
            if candidate.name == name {
                count -= 1
            } else {
                kept = Entry(name: candidate.name, statement: candidate.statement, next: kept)
            }
            entry = candidate.next
        }
        entries[hash] = kept
    }

    package mutating func removeAll() {
        entries = [:]
        count = 0
    }
}
