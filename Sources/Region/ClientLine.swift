// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// The command that a person connects with.
package enum ClientLine {
    /// - Parameter url: complete, as an engine's adapter gives it
    package static func text(for url: String) -> String {
        guard let parts = URLComponents(string: url), parts.scheme == "mysql" else { return "psql '\(url)'" }
        let host = parts.host ?? RegionDefaults.host
        return "mysql -h \(host) -P \(parts.port ?? 3306) -u \(parts.user ?? "") -p\(parts.password ?? "")"
    }
}
