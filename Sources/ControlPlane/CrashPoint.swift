// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// Lets tests end the control plane between two steps.
///
/// The file that $BOREALIS_CONTROL_CRASH names holds the name of a step; whoever passes that step removes the file and
/// exits at once, as if killed. Without the variable a step costs one comparison.
package struct CrashPoint: Sendable {
    private let file: String?

    package init(environment: [String: String]) { file = environment["BOREALIS_CONTROL_CRASH"] }

    func pass(_ step: String) {
        guard let file, let text = FileManager.default.contents(atPath: file),
            String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines) == step
        else { return }
        unlink(file)
        _exit(86)
    }
}
