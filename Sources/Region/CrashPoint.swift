// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc

/// Lets tests end the supervisor between two steps: what has to work is going on after that.
///
/// The file that $BOREALIS_SUPERVISOR_CRASH names holds names of steps, one a line. Whoever passes one of them takes it out of the
/// file and is killed. Without the variable a step costs one comparison.
enum CrashPoint {
    private static let file = ProcessInfo.processInfo.environment["BOREALIS_SUPERVISOR_CRASH"]

    static func pass(_ step: String) {
        guard let file, let text = try? String(contentsOfFile: file, encoding: .utf8) else { return }
        let steps = text.split(separator: "\n")
        guard steps.contains(where: { $0 == step }) else { return }
        let rest = steps.filter { $0 != step }.joined(separator: "\n")
        try? rest.write(toFile: file, atomically: true, encoding: .utf8)
        kill(getpid(), SIGKILL)
    }
}
