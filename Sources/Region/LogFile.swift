// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// Keeps a log that somebody appends to from filling the disk: at a start, a large one becomes `NAME.1`.
enum LogFile {
    static let bytesMax: UInt64 = 16 << 20

    /// Nobody has the file open.
    static func rotate(_ path: String) {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        guard let size = attributes?[.size] as? UInt64, size > bytesMax else { return }
        rename(path, path + ".1")
    }
}
