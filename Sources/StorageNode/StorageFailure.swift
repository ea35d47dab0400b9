// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A file operation of the host that failed: what, on what, why.
package struct StorageFailure: Error, CustomStringConvertible, Sendable {
    package var action: String
    package var path: String
    package var errno: Int32

    package init(_ action: String, path: String, errno: Int32) {
        self.action = action
        self.path = path
        self.errno = errno
    }

    /// Layers that were there are not there any more. `path` is the segment's directory.
    static func lostLayers(_ path: String) -> StorageFailure {
        StorageFailure("find the layers", path: path, errno: ENOENT)
    }

    var isLoss: Bool { errno == ENOENT }
    package var isFull: Bool { errno == ENOSPC || errno == EDQUOT }

    package var description: String { "\(action): \(path): \(String(cString: strerror(errno)))" }
}
