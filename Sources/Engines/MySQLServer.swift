// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc
internal import Synchronization

/// The two servers that grew out of MySQL: they share a protocol and InnoDB, but neither programs nor all settings.
package enum MySQLFlavour: String, Sendable, CaseIterable {
    case mariadb
    case mysql

    var title: String {
        switch self {
        case .mariadb: "MariaDB"
        case .mysql: "MySQL"
        }
    }
}

/// A server program of the family, as it names itself.
package struct MySQLServer: Sendable, Equatable {
    package let flavour: MySQLFlavour
    package let major: Int
    package let minor: Int

    /// Grows with the version.
    package var number: Int { major * 1000 + minor }
    package var title: String { "\(flavour.title) \(major).\(minor)" }

    /// From what a server prints: `mariadbd  Ver 10.11.6-MariaDB for ...`, `mysqld  Ver 8.0.46 for Linux ...`.
    package init?(printed text: String) {
        guard let mark = text.range(of: " Ver ") else { return nil }
        let rest = text[mark.upperBound...]
        let parts = rest.prefix { $0.isNumber || $0 == "." }.split(separator: ".")
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1]) else { return nil }
        (self.major, self.minor) = (major, minor)
        flavour = rest.contains("-MariaDB") ? .mariadb : .mysql
    }

    /// Why it cannot run on a volume; nil: it can.
    ///
    /// MariaDB has its system tables in Aria since 10.4, which recovers them; MySQL has its own in InnoDB since 8.0.
    package var obstacle: String? {
        switch flavour {
        case .mariadb where number < 10_004: "\(title) keeps its accounts in tables that no crash recovery mends"
        case .mysql where major < 8: "\(title) keeps its accounts in tables that no crash recovery mends"
        default: nil
        }
    }
}

extension MySQLServer {
    /// A server that is installed.
    struct Program: Equatable {
        let server: MySQLServer
        let path: String
    }

    private struct Key: Hashable {
        var path: String
        var inode: UInt64
        var modified: Int
    }

    /// What programs have said of themselves: they are asked before each start.
    private static let known = Mutex<[Key: MySQLServer]>([:])

    /// The server in a directory or in those beside it, MariaDB's own name first; nil if there is none that says what it is.
    static func find(in directory: String) -> Program? {
        for name in ["mariadbd", "mysqld"] {
            if let path = MariaEngine.program(name, in: directory), let server = ask(path) {
                return Program(server: server, path: path)
            }
        }
        return nil
    }

    /// Asks a server for its version; nil if it does not say.
    private static func ask(_ path: String) -> MySQLServer? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        let key = Key(path: path, inode: UInt64(status.st_ino), modified: status.st_mtim.tv_sec)
        if let server = known.withLock({ $0[key] }) { return server }
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = ["--no-defaults", "--version"]
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard let server = MySQLServer(printed: text) else { return nil }
        known.withLock { $0[key] = server }
        return server
    }
}
