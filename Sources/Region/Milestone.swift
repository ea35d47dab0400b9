// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Keyring

/// What happens once in a volume's life, as local files of the instance that did it, each with the volume's id.
///
/// They bridge the moment until the metadata says so, and are durable before the next step is taken.
enum Milestone: String {
    /// Its first protection group is on six nodes. Doing that again would be refused, or worse: take a node that lost its
    /// disk for a new one.
    case volumeMade = "volume-made"
    /// The engine's files are complete and synced. Before that, no client was let in.
    case volumeFilled = "volume-filled"

    private func path(_ role: RoleConfiguration.Instance) -> String { "\(role.directory)/\(rawValue)" }

    func isReached(by role: RoleConfiguration.Instance) -> Bool {
        let data = FileManager.default.contents(atPath: path(role)) ?? Data()
        return String(decoding: data, as: UTF8.self) == role.volume
    }

    func reach(_ role: RoleConfiguration.Instance) throws {
        try PrivateFile.write(Data(role.volume.utf8), to: path(role))
    }
}
