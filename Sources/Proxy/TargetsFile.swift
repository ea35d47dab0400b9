// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A file that lists a group's targets and is replaced when they change: how a region tells a proxy of its instances.
///
/// Who is writer and who reader is asked of the servers themselves, so that a proxy follows a failover with nobody's help.
final class TargetsFile {
    private let path: String
    private var content: Data?

    init(path: String) { self.path = path }

    /// The list, if it is another one than last time and can be read. The file is small, and on a local disk.
    func changed() -> [ProxyConfiguration.Address]? {
        guard let found = FileManager.default.contents(atPath: path), found != content,
            let targets = try? JSONDecoder().decode([ProxyConfiguration.Address].self, from: found)
        else { return nil }
        content = found
        return targets
    }
}
