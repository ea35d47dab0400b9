// SPDX-License-Identifier: Apache-2.0

/// Why a session keeps one backend connection to itself between transactions.
///
/// The set is small because settings, prepared statements and reset queries are tracked and replayed instead;
/// compare <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-proxy-pinning.html>.
package struct PinReasons: OptionSet, Sendable, Hashable, CustomStringConvertible {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    /// A temporary table, view or sequence lives until the session ends.
    package static let temporaryObject = PinReasons(rawValue: 1)
    /// A session-level advisory lock (PostgreSQL) or GET_LOCK (MySQL).
    package static let advisoryLock = PinReasons(rawValue: 2)
    /// LISTEN: notifications arrive on one connection only.
    package static let listen = PinReasons(rawValue: 4)
    /// DECLARE ... WITH HOLD.
    package static let holdCursor = PinReasons(rawValue: 8)
    /// LOAD, or a function known to keep state in the server process (dblink_connect).
    package static let processState = PinReasons(rawValue: 16)
    /// A statement text longer than the classifier reads.
    package static let largeStatement = PinReasons(rawValue: 32)
    /// LOCK TABLES, FLUSH TABLES WITH READ LOCK (MySQL).
    package static let tableLock = PinReasons(rawValue: 64)
    /// User variables that cannot be replayed (MySQL).
    package static let userVariable = PinReasons(rawValue: 128)
    /// nextval or currval, when the proxy is told to keep `lastval()` exact.
    package static let sequence = PinReasons(rawValue: 256)
    /// A SET whose effect the proxy does not know how to replay.
    package static let unknownSetting = PinReasons(rawValue: 512)

    /// The same of an unnamed statement, until the next one.
    package static let largeUnnamed = PinReasons(rawValue: 2048)
    /// XA START until the transaction is decided (MySQL).
    package static let distributedTransaction = PinReasons(rawValue: 1024)

    /// What a statement that sets variables may pin for: AWS's filter EXCLUDE_VARIABLE_SETS.
    package static let variableSets: PinReasons = [.userVariable, .unknownSetting]

    private static let names: [(PinReasons, String)] = [
        (.temporaryObject, "temporary object"), (.advisoryLock, "advisory lock"), (.listen, "listen"),
        (.holdCursor, "cursor with hold"), (.processState, "server process state"),
        (.largeStatement, "statement too large to read"), (.tableLock, "table lock"),
        (.userVariable, "user variable"), (.sequence, "sequence value"), (.unknownSetting, "unknown setting"),
        (.distributedTransaction, "XA transaction"), (.largeUnnamed, "unnamed statement too large to read"),
    ]

    package var description: String {
        PinReasons.names.filter { contains($0.0) }.map(\.1).joined(separator: ", ")
    }
}
