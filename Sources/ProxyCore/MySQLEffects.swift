// SPDX-License-Identifier: Apache-2.0

/// What a MySQL statement text does to the session that executes it, as far as its words tell.
package struct MySQLEffects: Sendable, Equatable {
    /// A change that takes effect if the text succeeds.
    package enum Change: Sendable, Equatable {
        /// `SET NAMES` or `SET CHARACTER SET`, in words that can be repeated.
        case names(String)
        /// A user variable and the constant it gets.
        case userVariable(String, String)
        /// A system variable goes back to what a fresh connection has.
        case forget(String)
        /// `PREPARE name FROM 'text'`: the name and the whole statement.
        case prepare(String, String)
        case deallocate(String)
        /// `GET_LOCK` with a constant, quotes included.
        case lock(String)
        case unlockAll
        case createTemporary(String)
        case drop(String)
    }

    package struct Flags: OptionSet, Sendable, Hashable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        /// User variables may have got values that the text does not show.
        package static let assignsVariables = Flags(rawValue: 1)
        /// A lock may have been released.
        package static let releasesLock = Flags(rawValue: 2)
        package static let readsInsertID = Flags(rawValue: 4)
        /// It reads what the statement before it left: warnings, row counts.
        package static let readsDiagnostics = Flags(rawValue: 8)
        /// The statement after it may read what it leaves.
        package static let leavesDiagnostics = Flags(rawValue: 16)
        /// Holds for the next transaction or statement only.
        package static let oneShot = Flags(rawValue: 32)
        package static let definition = Flags(rawValue: 64)
        package static let unlocksTables = Flags(rawValue: 128)
        package static let setsSystemVariable = Flags(rawValue: 256)
        /// More text than was read.
        package static let truncated = Flags(rawValue: 512)
        package static let endsXA = Flags(rawValue: 1024)
        package static let changesTracking = Flags(rawValue: 2048)
        package static let dropsDatabase = Flags(rawValue: 4096)
    }

    /// A text that is one statement the proxy can answer or carry out itself.
    package enum Shortcut: Sendable, Equatable {
        case commit, rollback
        case autocommit(Bool)
        /// SET NAMES alone, whose words are the text's only change.
        case names
        case kill(queryOnly: Bool, id: UInt64)
    }

    package var flags: Flags = []
    package var pins: PinReasons = []
    package var changes: [Change] = []
    package var shortcut: Shortcut?

    package init() {}

    /// Nothing to remember or to find out when it is done.
    package var isPlain: Bool { flags.isEmpty && pins.isEmpty && changes.isEmpty }
}
