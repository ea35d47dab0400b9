// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
internal import Glibc

/// The desired state in a file on this machine.
package final class SQLiteStateStore: StateStore {
    private let database: DatabaseQueue

    package init(path: String) throws {
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA synchronous = FULL") }
            let fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            if fd >= 0 { close(fd) }
            database = try DatabaseQueue(path: path, configuration: configuration)
            try Self.migrator.migrate(database)
        } catch {
            throw ControlError(
                "cannot open \(path): \(error)", remedy: "check its owner and the free space, or restore it")
        }
        if try database.read({ try Self.migrator.hasBeenSuperseded($0) }) {
            throw ControlError("\(path) is of a newer borealis", remedy: "use the newer borealis that wrote it")
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE document (
                        kind TEXT NOT NULL, id TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, id)) STRICT;
                    """)
        }
        return migrator
    }

    package func load() async throws -> [StoredDocument] {
        try await database.read { db in
            try Row.fetchAll(db, sql: "SELECT kind, id, value FROM document ORDER BY kind, id").map {
                StoredDocument(key: StoreKey(kind: $0["kind"], id: $0["id"]), value: $0["value"])
            }
        }
    }

    package func commit(_ changes: [StoreChange]) async throws {
        try await database.write { db in
            for change in changes {
                switch change {
                case .put(let key, let value):
                    try db.execute(
                        sql: "INSERT OR REPLACE INTO document (kind, id, value) VALUES (?, ?, ?)",
                        arguments: [key.kind, key.id, value])
                case .remove(let key):
                    try db.execute(
                        sql: "DELETE FROM document WHERE kind = ? AND id = ?", arguments: [key.kind, key.id])
                }
            }
        }
    }
}
