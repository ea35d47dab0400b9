// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import GRDB
internal import Glibc
package import Keyring
internal import Synchronization
package import VolumeModel

/// The region's desired state in SQLite: clusters, volumes with their wrapped keys, instances, nodes, protection groups.
///
/// Only the supervisor writes it. It holds no secret in the clear: data keys and passwords are sealed by the key provider.
/// The schema only grows, by migrations that are never changed once released.
package final class MetadataStore: Sendable {
    let database: DatabaseQueue
    /// Held while files are written that follow from what is stored, so that the newest state is written last.
    let writing = Mutex<Void>(())
    /// Lists as they were read last, good for as long as nothing is written: the supervisor looks at them several times a second.
    private let known = Mutex<(changes: Int, lists: Lists)>((0, Lists()))

    struct Lists: Sendable {
        var clusters: [ClusterRecord]?
        var instances: [InstanceRecord]?
        var endpoints: [EndpointRecord]?
        var nodes: [NodeRecord]?
    }

    /// - Parameter isReadOnly: for a copy, which is left as it is
    package init(path: String, isReadOnly: Bool = false) throws {
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            configuration.readonly = isReadOnly
            guard !isReadOnly else {
                database = try DatabaseQueue(path: path, configuration: configuration)
                return
            }
            configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA synchronous = FULL") }
            let fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            if fd >= 0 { close(fd) }
            database = try DatabaseQueue(path: path, configuration: configuration)
            try Self.migrator.migrate(database)
            chmod(path, 0o600)
        } catch {
            throw RegionError(
                "cannot open the metadata \(path): \(error)",
                remedy:
                    "check its owner and the free space; if it is damaged, move it away: `up` then takes the newest copy"
            )
        }
        if try database.read({ try Self.migrator.hasBeenSuperseded($0) }) {
            throw RegionError(
                "the metadata \(path) is of a newer borealis", remedy: "use the newer borealis that wrote it")
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { db in
            try db.execute(
                sql: """
                    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
                    CREATE TABLE volume (
                        id TEXT PRIMARY KEY, groupBytes INTEGER NOT NULL, chunkBytes INTEGER NOT NULL,
                        dataKey BLOB NOT NULL, created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT;
                    CREATE TABLE cluster (
                        id TEXT PRIMARY KEY, engine TEXT NOT NULL, volume TEXT NOT NULL REFERENCES volume (id),
                        state TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL, superuser TEXT NOT NULL,
                        password BLOB NOT NULL, created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP) STRICT;
                    CREATE TABLE engineSetting (
                        cluster TEXT NOT NULL REFERENCES cluster (id), name TEXT NOT NULL, value TEXT NOT NULL,
                        PRIMARY KEY (cluster, name)) STRICT;
                    CREATE TABLE instance (id TEXT PRIMARY KEY, cluster TEXT NOT NULL REFERENCES cluster (id)) STRICT;
                    CREATE TABLE node (
                        id TEXT PRIMARY KEY, role TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL) STRICT;
                    CREATE TABLE protectionGroup (
                        volume TEXT NOT NULL REFERENCES volume (id), number INTEGER NOT NULL,
                        membershipEpoch INTEGER NOT NULL, sets TEXT NOT NULL, PRIMARY KEY (volume, number)) STRICT;
                    """)
        }
        migrator.registerMigration("2") { db in
            try db.execute(
                sql: """
                    ALTER TABLE node ADD COLUMN state TEXT NOT NULL DEFAULT 'member';
                    ALTER TABLE node ADD COLUMN replaces TEXT;
                    ALTER TABLE node ADD COLUMN directory TEXT;
                    """)
        }
        migrator.registerMigration("control plane") { db in
            try db.execute(
                sql: """
                    ALTER TABLE cluster ADD COLUMN isManaged INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE instance ADD COLUMN isRunning INTEGER NOT NULL DEFAULT 1;
                    ALTER TABLE instance ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE instance ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
                    """)
        }
        migrator.registerMigration("readers") { db in
            try db.execute(
                sql: """
                    ALTER TABLE cluster ADD COLUMN writer TEXT;
                    ALTER TABLE cluster ADD COLUMN failover TEXT;
                    ALTER TABLE instance ADD COLUMN host TEXT NOT NULL DEFAULT '';
                    ALTER TABLE instance ADD COLUMN zone TEXT NOT NULL DEFAULT '';
                    ALTER TABLE instance ADD COLUMN tier INTEGER NOT NULL DEFAULT 1;
                    ALTER TABLE instance ADD COLUMN memoryBytes INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE instance ADD COLUMN number INTEGER NOT NULL DEFAULT 1;
                    UPDATE cluster SET writer = (SELECT min(id) FROM instance WHERE instance.cluster = cluster.id);
                    """)
        }
        migrator.registerMigration("endpoints") { db in try db.execute(sql: Self.endpointSchema) }
        migrator.registerMigration("classes") { db in
            try db.execute(sql: "ALTER TABLE instance ADD COLUMN class TEXT NOT NULL DEFAULT ''")
        }
        migrator.registerMigration("removed volumes") { db in
            // So far, a volume stayed known when its cluster was forgotten.
            try db.execute(
                sql: """
                    ALTER TABLE volume ADD COLUMN isRemoved INTEGER NOT NULL DEFAULT 0;
                    UPDATE volume SET isRemoved = 1 WHERE id NOT IN (SELECT volume FROM cluster);
                    """)
        }
        return migrator
    }

    /// Writes a copy of everything, durably, in the place of an older one.
    package func copy(to path: String) throws {
        let new = path + ".new"
        unlink(new)
        try database.writeWithoutTransaction { try $0.execute(sql: "VACUUM INTO ?", arguments: [new]) }
        let fd = open(new, O_RDWR | O_CLOEXEC)
        defer { if fd >= 0 { close(fd) } }
        guard fd >= 0, fchmod(fd, 0o600) == 0, fsync(fd) == 0, rename(new, path) == 0 else {
            throw RegionError(
                "cannot write \(path): \(String(cString: strerror(errno)))",
                remedy: "check its owner and the free space")
        }
    }

    /// A list as it is, read anew only if something has been written since. Its database is written by nobody else.
    func remembered<Record: Sendable>(
        _ list: WritableKeyPath<Lists, [Record]?>, _ read: (Database) throws -> [Record]
    ) throws -> [Record] {
        try database.unsafeRead { db in
            let changes = db.totalChangesCount
            if let found = known.withLock({ $0.changes == changes ? $0.lists[keyPath: list] : nil }) { return found }
            let found = try read(db)
            known.withLock { known in
                if known.changes != changes { known = (changes, Lists()) }
                known.lists[keyPath: list] = found
            }
            return found
        }
    }

    // MARK: - Settings

    package func setting(_ name: String) throws -> String? {
        try database.read {
            try String.fetchOne($0, sql: "SELECT value FROM setting WHERE name = ?", arguments: [name])
        }
    }

    package func set(_ name: String, to value: String) throws {
        try database.write {
            try $0.execute(sql: "INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", arguments: [name, value])
        }
    }

    // MARK: - Volumes

    package func volumes() throws -> [VolumeRecord] {
        try database.read { db in
            try Row.fetchAll(db, sql: "SELECT id, groupBytes, chunkBytes, dataKey FROM volume ORDER BY id").map { row in
                VolumeRecord(
                    id: try Self.volume(row["id"]), groupBytes: UInt64(bitPattern: row["groupBytes"] as Int64),
                    chunkBytes: UInt64(bitPattern: row["chunkBytes"] as Int64), dataKey: try Self.decode(row["dataKey"])
                )
            }
        }
    }

    /// Volumes that no cluster has any more; storage nodes may still hold them.
    package func removedVolumes() throws -> [VolumeID] {
        try database.read { db in
            try String.fetchAll(db, sql: "SELECT id FROM volume WHERE isRemoved ORDER BY id").map(Self.volume)
        }
    }

    /// Forgets a removed volume, with its key. No storage node holds anything of it.
    package func erase(_ volume: VolumeID) throws {
        try database.write { db in
            try db.execute(sql: "DELETE FROM protectionGroup WHERE volume = ?", arguments: ["\(volume)"])
            try db.execute(sql: "DELETE FROM volume WHERE id = ? AND isRemoved", arguments: ["\(volume)"])
        }
    }

    private static func remove(volumeOf cluster: String, _ db: Database) throws {
        try db.execute(
            sql: "UPDATE volume SET isRemoved = 1 WHERE id = (SELECT volume FROM cluster WHERE id = ?)",
            arguments: [cluster])
    }

    private static func insert(_ volume: VolumeRecord, _ db: Database) throws {
        try db.execute(
            sql: "INSERT INTO volume (id, groupBytes, chunkBytes, dataKey) VALUES (?, ?, ?, ?)",
            arguments: [
                "\(volume.id)", Int64(bitPattern: volume.groupBytes), Int64(bitPattern: volume.chunkBytes),
                try JSONEncoder().encode(volume.dataKey),
            ])
    }

    /// Stores a data key that was wrapped again.
    package func update(dataKey: WrappedKey, of volume: VolumeID) throws {
        try database.write {
            try $0.execute(
                sql: "UPDATE volume SET dataKey = ? WHERE id = ?",
                arguments: [try JSONEncoder().encode(dataKey), "\(volume)"])
        }
    }

    // MARK: - Clusters

    package func clusters() throws -> [ClusterRecord] {
        try remembered(\.clusters) { db in
            try Row.fetchAll(db, sql: "SELECT * FROM cluster ORDER BY id").map { row in
                guard let engine = EngineKind(rawValue: row["engine"]) else {
                    throw Self.damaged("the engine \(row["engine"] as String)")
                }
                return ClusterRecord(
                    id: row["id"], engine: engine, volume: try Self.volume(row["volume"]),
                    state: ClusterRecord.State(rawValue: row["state"]) ?? .creating, host: row["host"],
                    port: row["port"],
                    superuser: row["superuser"], password: try Self.decode(row["password"]),
                    isManaged: row["isManaged"], writer: row["writer"],
                    failover: try (row["failover"] as String?).map {
                        try JSONDecoder().decode(FailoverRecord.self, from: Data($0.utf8))
                    })
            }
        }
    }

    /// Adds a cluster with its volume and its first instance, or nothing.
    package func insert(_ cluster: ClusterRecord, volume: VolumeRecord, instance: InstanceRecord) throws {
        try database.write { db in
            try Self.insert(volume, db)
            try Self.insert(cluster, db)
            try Self.save(instance, db)
        }
    }

    private static func insert(_ cluster: ClusterRecord, _ db: Database) throws {
        try db.execute(
            sql: """
                INSERT INTO cluster (id, engine, volume, state, host, port, superuser, password, isManaged)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                cluster.id, cluster.engine.rawValue, "\(cluster.volume)", cluster.state.rawValue, cluster.host,
                cluster.port,
                cluster.superuser, try JSONEncoder().encode(cluster.password), cluster.isManaged,
            ])
    }

    package func setState(_ state: ClusterRecord.State, cluster: String) throws {
        try database.write {
            try $0.execute(sql: "UPDATE cluster SET state = ? WHERE id = ?", arguments: [state.rawValue, cluster])
        }
    }

    package func setPort(_ port: Int, cluster: String) throws {
        try database.write {
            try $0.execute(sql: "UPDATE cluster SET port = ? WHERE id = ?", arguments: [port, cluster])
        }
    }

    /// Points a cluster that was never completely created at a fresh volume. The old one is removed.
    package func replaceVolume(of cluster: String, with volume: VolumeRecord) throws {
        try database.write { db in
            guard
                try Bool.fetchOne(
                    db, sql: "SELECT state = 'creating' FROM cluster WHERE id = ?", arguments: [cluster]) == true
            else { return }
            try Self.remove(volumeOf: cluster, db)
            try Self.insert(volume, db)
            try db.execute(
                sql: "UPDATE cluster SET volume = ? WHERE id = ?",
                arguments: ["\(volume.id)", cluster])
        }
    }

    /// Stores a password that was wrapped again.
    package func update(password: WrappedKey, of cluster: String) throws {
        try database.write {
            try $0.execute(
                sql: "UPDATE cluster SET password = ? WHERE id = ?",
                arguments: [try JSONEncoder().encode(password), cluster])
        }
    }

    package func engineSettings(cluster: String) throws -> [String: String] {
        try database.read { db in
            let rows = try Row.fetchAll(
                db, sql: "SELECT name, value FROM engineSetting WHERE cluster = ?", arguments: [cluster])
            return Dictionary(uniqueKeysWithValues: rows.map { ($0["name"] as String, $0["value"] as String) })
        }
    }

    package func setEngineSetting(_ name: String, to value: String, cluster: String) throws {
        try database.write {
            try $0.execute(
                sql: "INSERT OR REPLACE INTO engineSetting (cluster, name, value) VALUES (?, ?, ?)",
                arguments: [cluster, name, value])
        }
    }

    package func instances() throws -> [InstanceRecord] {
        try remembered(\.instances) { db in
            try Row.fetchAll(db, sql: "SELECT * FROM instance ORDER BY id").map { row in
                InstanceRecord(
                    id: row["id"], cluster: row["cluster"], isRunning: row["isRunning"], generation: row["generation"],
                    settings: try JSONDecoder().decode(
                        [String: String].self, from: Data((row["settings"] as String).utf8)), host: row["host"],
                    zone: row["zone"], tier: row["tier"], memoryBytes: row["memoryBytes"],
                    instanceClass: row["class"], number: row["number"])
            }
        }
    }

    // MARK: - Nodes and protection groups

    /// The nodes that there are.
    package func nodes() throws -> [NodeRecord] { try allNodes().filter { $0.state != .retired } }

    /// The nodes that there are or ever were.
    package func allNodes() throws -> [NodeRecord] {
        try remembered(\.nodes) { db in
            try Row.fetchAll(db, sql: "SELECT * FROM node ORDER BY id").map { row in
                guard let id = NodeID(row["id"] as String), let state = NodeRecord.State(rawValue: row["state"]) else {
                    throw Self.damaged("the node \(row["id"] as String)")
                }
                return NodeRecord(
                    id: id, role: row["role"], host: row["host"], port: row["port"], state: state,
                    replaces: (row["replaces"] as String?).flatMap { NodeID($0) }, directory: row["directory"])
            }
        }
    }

    package func save(_ nodes: [NodeRecord]) throws {
        try database.write { db in
            for node in nodes {
                try db.execute(
                    sql: """
                        INSERT OR REPLACE INTO node (id, role, host, port, state, replaces, directory)
                        VALUES (?, ?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        "\(node.id)", node.role, node.host, node.port, node.state.rawValue,
                        node.replaces.map { "\($0)" }, node.directory,
                    ])
            }
        }
    }

    package func groups(of volume: VolumeID) throws -> [GroupRecord] {
        try database.read { db in
            let rows = try Row.fetchAll(
                db, sql: "SELECT * FROM protectionGroup WHERE volume = ? ORDER BY number", arguments: ["\(volume)"])
            return try rows.map { row in
                let names = try JSONDecoder().decode([[String]].self, from: Data((row["sets"] as String).utf8))
                let membership = Membership(
                    epoch: MembershipEpoch(row["membershipEpoch"]), sets: names.map { $0.compactMap { NodeID($0) } })
                return GroupRecord(volume: volume, group: GroupID(row["number"]), membership: membership)
            }
        }
    }

    /// Records a group, unless as new a membership of it is known already.
    /// - Returns: whether it was news
    @discardableResult
    package func save(_ group: GroupRecord) throws -> Bool {
        let names = group.membership.sets.map { $0.map { "\($0)" } }
        let sets = String(decoding: try JSONEncoder().encode(names), as: UTF8.self)
        return try database.write {
            try $0.execute(
                sql: """
                    INSERT INTO protectionGroup (volume, number, membershipEpoch, sets) VALUES (?, ?, ?, ?)
                    ON CONFLICT (volume, number) DO UPDATE SET membershipEpoch = excluded.membershipEpoch, sets = excluded.sets
                    WHERE excluded.membershipEpoch > membershipEpoch
                    """,
                arguments: ["\(group.volume)", group.group.value, group.membership.epoch.value, sets])
            return $0.changesCount > 0
        }
    }

    // MARK: - What the control plane asks for

    /// Adds a cluster with its volume and without an instance, or nothing.
    package func insert(_ cluster: ClusterRecord, volume: VolumeRecord) throws {
        try database.write { db in
            try Self.insert(volume, db)
            try Self.insert(cluster, db)
        }
    }

    /// A cluster that the control plane has taken over runs whatever `borealis up` is asked for.
    package func setManaged(cluster: String) throws {
        try database.write {
            try $0.execute(sql: "UPDATE cluster SET isManaged = 1 WHERE id = ?", arguments: [cluster])
        }
    }

    /// Forgets a cluster that has no instance. Its volume is removed, and stays known as long as storage nodes hold it.
    package func removeCluster(_ id: String) throws {
        try database.write { db in
            try Self.remove(volumeOf: id, db)
            try db.execute(sql: "DELETE FROM engineSetting WHERE cluster = ?", arguments: [id])
            try db.execute(sql: "DELETE FROM cluster WHERE id = ?", arguments: [id])
        }
    }

    package func save(_ instance: InstanceRecord) throws {
        try database.write { try Self.save(instance, $0) }
    }

    private static func save(_ instance: InstanceRecord, _ db: Database) throws {
        let settings = String(decoding: try JSONEncoder().encode(instance.settings), as: UTF8.self)
        try db.execute(
            sql: """
                INSERT INTO instance (
                    id, cluster, isRunning, generation, settings, host, zone, tier, memoryBytes, class, number)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET isRunning = excluded.isRunning, generation = excluded.generation,
                    settings = excluded.settings, host = excluded.host, zone = excluded.zone, tier = excluded.tier,
                    memoryBytes = excluded.memoryBytes, class = excluded.class
                """,
            arguments: [
                instance.id, instance.cluster, instance.isRunning, instance.generation, settings, instance.host,
                instance.zone, instance.tier, instance.memoryBytes, instance.instanceClass, instance.number,
            ])
        // The first is the writer; a cluster without one gets it here.
        try db.execute(
            sql: "UPDATE cluster SET writer = ? WHERE id = ? AND writer IS NULL",
            arguments: [instance.id, instance.cluster])
    }

    /// Forgets an instance. A cluster whose last one it was has no writer any more.
    package func removeInstance(_ id: String) throws {
        try database.write {
            try $0.execute(sql: "DELETE FROM instance WHERE id = ?", arguments: [id])
            try $0.execute(sql: "UPDATE cluster SET writer = NULL WHERE writer = ?", arguments: [id])
        }
    }

    /// Makes an instance the writer and notes why, or neither.
    /// - Returns: false if the writer is another than `failover.from` by now
    package func decide(_ failover: FailoverRecord, cluster: String) throws -> Bool {
        let text = String(decoding: try JSONEncoder().encode(failover), as: UTF8.self)
        return try database.write {
            try $0.execute(
                sql: "UPDATE cluster SET writer = ?, failover = ? WHERE id = ? AND writer = ?",
                arguments: [failover.to, text, cluster, failover.from])
            return $0.changesCount > 0
        }
    }

    /// Notes how the newest failover went.
    package func complete(_ failover: FailoverRecord, cluster: String) throws {
        let text = String(decoding: try JSONEncoder().encode(failover), as: UTF8.self)
        try database.write {
            try $0.execute(
                sql: "UPDATE cluster SET failover = ? WHERE id = ? AND json_extract(failover, '$.number') = ?",
                arguments: [text, cluster, failover.number])
        }
    }

    // MARK: - Values

    private static func volume(_ text: String) throws -> VolumeID {
        guard let id = VolumeID(text: text) else { throw damaged("the volume \(text)") }
        return id
    }

    private static func decode(_ data: Data) throws -> WrappedKey {
        try JSONDecoder().decode(WrappedKey.self, from: data)
    }

    static func damaged(_ what: String) -> RegionError {
        RegionError("the metadata names \(what), which cannot be", remedy: "restore it from a backup")
    }
}
