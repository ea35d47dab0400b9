// SPDX-License-Identifier: Apache-2.0

import Engines
import Foundation
import Testing

@Suite struct MySQLServerTests {
    @Test(arguments: [
        ("mariadbd  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)", "MariaDB 10.11"),
        ("/usr/sbin/mysqld  Ver 10.4.32-MariaDB for linux-systemd on x86_64 (MariaDB Server)", "MariaDB 10.4"),
        ("/srv/mysql-9/mariadbd  Ver 11.8.9-MariaDB-4 from Debian for debian-linux-gnu on x86_64", "MariaDB 11.8"),
        ("/opt/mysql-5.7/bin/mysqld  Ver 8.0.46 for Linux on x86_64 (MySQL Community Server - GPL)", "MySQL 8.0"),
        ("mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", "MySQL 9.7"),
    ])
    func `a server says whose it is, and its version`(text: String, title: String) {
        let server = MySQLServer(printed: text)
        #expect(server?.title == title && server?.obstacle == nil)
    }

    @Test(arguments: ["mysqld  Ver 5.7.44 for Linux on x86_64", "mysqld  Ver 10.3.39-MariaDB for Linux"])
    func `one whose accounts no crash recovery mends cannot be used`(text: String) {
        #expect(MySQLServer(printed: text)?.obstacle?.contains("no crash recovery mends") == true)
    }

    @Test(arguments: ["", "10.11.6-MariaDB", "mysqld  Ver for Linux", "mysqld  Ver 8 for Linux"])
    func `what names no version is no server`(text: String) { #expect(MySQLServer(printed: text) == nil) }

    /// A directory with programs that print what is given.
    private func directory(_ programs: [String: String]) throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("servers-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for (name, says) in programs {
            try "#!/bin/sh\necho '\(says)'\n".write(toFile: "\(path)/\(name)", atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(path)/\(name)")
        }
        return path
    }

    private func problem(_ programs: [String: String]) throws -> String? {
        let path = try directory(programs)
        defer { try? FileManager.default.removeItem(atPath: path) }
        do {
            let found = try EngineKind.mariadb.locateBinaries(requested: path, environment: [:])
            return found == path ? nil : found
        } catch let error as EngineError { return error.description }
    }

    @Test func `a directory is taken or refused by the server in it`() throws {
        let mysql = "mysqld  Ver 8.0.46 for Linux"
        let maria = "mariadbd  Ver 11.8.9-MariaDB for Linux"
        #expect(try problem(["mysqld": mysql]) == nil)
        #expect(try problem(["mariadbd": maria, "mariadb-install-db": ""]) == nil)
        #expect(try problem(["mariadbd": maria])?.contains("there is no program mariadb-install-db") == true)
        #expect(
            try problem(["mysqld": "mysqld  Ver 5.7.44 for Linux"])?.contains("MySQL 5.7 keeps its accounts") == true)
        #expect(try problem(["mysqld": "hello"])?.contains("that tells its version") == true)
        #expect(try problem([:])?.contains("no program mariadbd or mysqld") == true)
    }

    @Test func `only MariaDB's clusters have readers`() throws {
        let path = try directory(["mysqld": "mysqld  Ver 8.0.46 for Linux"])
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(!EngineKind.mariadb.hasReaders(binaries: path) && EngineKind.mariadb.hasReaders(binaries: "/nowhere"))
    }
}
