// SPDX-License-Identifier: Apache-2.0

internal import Engines
internal import Foundation
internal import Glibc
internal import Keyring

/// The shared library that engines are started under.
///
/// The dynamic loader only warns about a library it cannot open and starts the program without it, and then nothing of
/// what the engine writes would be in the volume. So the library is copied to where every account can read it, and the
/// instance checks that a started engine has it mapped.
package enum ShimLibrary {
    package static let name = "libborealis_shim.so"

    /// Finds the built library: $BOREALIS_SHIM, beside the program, in ../lib/borealis, or in a checkout's out/shim.
    package static func locate(executable: String, environment: [String: String]) throws -> String {
        if let named = environment["BOREALIS_SHIM"] {
            guard access(named, R_OK) == 0 else {
                throw RegionError("cannot read the shim \(named)", remedy: "correct BOREALIS_SHIM")
            }
            return named
        }
        let beside = (executable as NSString).deletingLastPathComponent
        var candidates = ["\(beside)/\(name)", "\(beside)/../lib/borealis/\(name)"]
        var above = beside
        while above.count > 1 {
            above = (above as NSString).deletingLastPathComponent
            if above.hasSuffix("/.build") {
                candidates.append("\((above as NSString).deletingLastPathComponent)/out/shim/\(name)")
            }
        }
        guard let found = candidates.first(where: { access($0, R_OK) == 0 }) else {
            throw RegionError("cannot find \(name)", remedy: "run `make shim`, or name it with BOREALIS_SHIM")
        }
        return found
    }

    /// Copies the library to `target` unless it is there already. Engines that run keep the old file.
    package static func install(from source: String, to target: String) throws {
        guard let data = FileManager.default.contents(atPath: source) else {
            throw RegionError("cannot read the shim \(source)", remedy: "run `make shim`")
        }
        if FileManager.default.contents(atPath: target) == data, chmod(target, 0o755) == 0 { return }
        try PrivateFile.write(data, to: target, mode: 0o755)
    }
}
