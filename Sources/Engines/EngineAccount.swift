// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Foundation
internal import Glibc

/// The account an engine runs under. Engines refuse root, so root must name another.
package struct EngineAccount: Codable, Hashable, Sendable {
    package var name: String
    package var uid: Int32
    package var gid: Int32

    package init(name: String, uid: Int32, gid: Int32) {
        self.name = name
        self.uid = uid
        self.gid = gid
    }

    /// The account to use: nil (the caller's own) unless the caller is root.
    ///
    /// - Parameter requested: an account's name; nil is the engine's standard one
    package static func resolve(requested: String?, for engine: EngineKind) throws -> EngineAccount? {
        guard getuid() == 0 else {
            guard let requested, requested != NSUserName() else { return nil }
            throw EngineError(
                "only root can run engines as another account than its own",
                remedy: "drop --engine-user, or run as root")
        }
        let name = requested ?? engine.standardAccount
        var uid: Int32 = -1
        var gid: Int32 = -1
        guard bx_user_ids(name, &uid, &gid) == 0 else {
            throw EngineError(
                "there is no account named \(name) to run engines under",
                remedy:
                    "install \(engine.package), which makes `\(engine.standardAccount)`, or name one with --engine-user"
            )
        }
        guard uid != 0 else {
            throw EngineError("engines must not run as root", remedy: "name an unprivileged account with --engine-user")
        }
        return EngineAccount(name: name, uid: uid, gid: gid)
    }

    /// The first directory on the way to `path` that the account cannot enter, or nil if it can reach it.
    package func obstacle(on path: String) -> String? {
        var current = ""
        for part in path.split(separator: "/") {
            current += "/" + part
            var status = stat()
            guard stat(current, &status) == 0 else { return nil }
            let bit: mode_t =
                status.st_uid == uid_t(uid) ? 0o100 : status.st_gid == gid_t(gid) ? 0o010 : 0o001
            if status.st_mode & S_IFMT == S_IFDIR && status.st_mode & bit == 0 { return current }
        }
        return nil
    }
}
