// SPDX-License-Identifier: Apache-2.0

package import Crypto
internal import Foundation
internal import Glibc
internal import Synchronization

/// Master keys in one JSON file that only its owner can read.
///
/// The file (format 1) is `{"format", "id", "current", "versions": [{"version", "created", "key"}]}` with keys in base64.
/// It is replaced as a whole (new file, fsync, rename, fsync of the directory), so that a crash leaves the old or the new
/// one. A file that group or others can read is refused: it may have been copied.
package final class LocalKeyring: KeyProvider {
    package static let format = 1

    private struct File: Codable {
        struct Version: Codable {
            var version: Int
            var created: Date
            var key: Data
        }
        var format: Int
        var id: String
        var current: Int
        var versions: [Version]
    }

    private let path: String
    private let file: Mutex<File>

    /// Opens the key ring at `path`.
    ///
    /// - Parameter create: make a key ring with one master key if there is no file
    package init(path: String, create: Bool) throws {
        self.path = path
        if !FileManager.default.fileExists(atPath: path) {
            guard create else {
                throw KeyringError(
                    "there is no key ring at \(path)", remedy: "restore it: without it no volume can be read")
            }
            let id = "mk-" + Self.randomBytes(8).map { String(format: "%02x", $0) }.joined()
            let fresh = File(format: Self.format, id: id, current: 1, versions: [Self.version(1)])
            try Self.save(fresh, to: path)
            file = Mutex(fresh)
            return
        }
        file = Mutex(try Self.load(path))
    }

    /// The master key's id and its newest version.
    package var current: (id: String, version: Int) { file.withLock { ($0.id, $0.current) } }

    package func createDataKey(context: String) throws -> (plain: SymmetricKey, wrapped: WrappedKey) {
        let plain = SymmetricKey(size: .bits256)
        return (plain, try wrap(plain, context: context))
    }

    package func wrap(_ secret: SymmetricKey, context: String) throws -> WrappedKey {
        let (id, version, master) = try file.withLock { ring in
            (ring.id, ring.current, try Self.key(ring, id: ring.id, version: ring.current))
        }
        let plain = secret.withUnsafeBytes { Data($0) }
        let sealed = try AES.GCM.seal(plain, using: master, authenticating: Data(context.utf8)).combined
        guard let sealed else { preconditionFailure("a twelve-byte nonce always combines") }
        return WrappedKey(masterKey: id, version: version, sealed: sealed)
    }

    package func unwrap(_ key: WrappedKey, context: String) throws -> SymmetricKey {
        let master = try file.withLock { try Self.key($0, id: key.masterKey, version: key.version) }
        do {
            let box = try AES.GCM.SealedBox(combined: key.sealed)
            return SymmetricKey(data: try AES.GCM.open(box, using: master, authenticating: Data(context.utf8)))
        } catch {
            throw KeyringError(
                "the wrapped key of \(context) does not open under \(key.masterKey) version \(key.version)",
                remedy: "the key ring or the metadata is not the one it was made with: restore both from one backup")
        }
    }

    package func rotate() throws -> Int {
        try file.withLock { ring in
            var next = ring
            next.current += 1
            next.versions.append(Self.version(next.current))
            try Self.save(next, to: path)
            ring = next
            return next.current
        }
    }

    // MARK: - The file

    private static func version(_ number: Int) -> File.Version {
        File.Version(version: number, created: Date(), key: randomBytes(32))
    }

    private static func randomBytes(_ count: Int) -> Data {
        SymmetricKey(size: SymmetricKeySize(bitCount: count * 8)).withUnsafeBytes { Data($0) }
    }

    private static func key(_ ring: File, id: String, version: Int) throws -> SymmetricKey {
        guard ring.id == id, let found = ring.versions.first(where: { $0.version == version }) else {
            throw KeyringError(
                "the key ring has no master key \(id) version \(version)", remedy: "restore the key ring that had it")
        }
        return SymmetricKey(data: found.key)
    }

    private static func load(_ path: String) throws -> File {
        var status = stat()
        guard stat(path, &status) == 0, let data = FileManager.default.contents(atPath: path) else {
            throw KeyringError(
                "cannot read the key ring \(path): \(String(cString: strerror(errno)))",
                remedy: "run as the owner of the data directory")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw KeyringError(
                "the key ring \(path) has mode \(String(status.st_mode & 0o777, radix: 8)): others may read it",
                remedy: "run `chmod 600 \(path)`, and rotate the key if anybody did")
        }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        guard let ring = try? decoder.decode(File.self, from: data) else {
            throw KeyringError("the key ring \(path) is damaged", remedy: "restore it from a backup")
        }
        guard ring.format == Self.format else {
            throw KeyringError(
                "the key ring \(path) has format \(ring.format), this program knows \(Self.format)",
                remedy: "use a newer borealis")
        }
        return ring
    }

    private static func save(_ ring: File, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try PrivateFile.write(try encoder.encode(ring), to: path)
    }
}
