// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import Foundation

/// Passwords as the key provider takes them.
enum Secret {
    static func key(_ text: String) -> SymmetricKey { SymmetricKey(data: Data(text.utf8)) }
    static func text(_ key: SymmetricKey) -> String { key.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
    static func context(cluster: String) -> String { "password of cluster \(cluster)" }
}
