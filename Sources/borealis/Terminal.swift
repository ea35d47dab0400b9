// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc
internal import Logging

/// What the program says to people: facts on stdout, progress on stderr, colour only where somebody looks.
enum Terminal {
    enum Colour: Int {
        case red = 31
        case green = 32
        case yellow = 33
    }

    private static let hasColour =
        isatty(1) == 1 && getenv("NO_COLOR") == nil && getenv("TERM").map { String(cString: $0) } != "dumb"

    static func paint(_ text: String, _ colour: Colour) -> String {
        hasColour ? "\u{1b}[\(colour.rawValue)m\(text)\u{1b}[0m" : text
    }

    /// A line about what is going on.
    static func note(_ text: String) { FileHandle.standardError.write(Data("borealis: \(text)\n".utf8)) }

    /// Logs go to stderr, which the supervisor appends to a file.
    static func bootstrapLogging() {
        LoggingSystem.bootstrap { RepeatLimiter(StreamLogHandler.standardError(label: $0)) }
    }

    /// Prints columns as wide as they need to be; states are coloured.
    static func table(_ header: [String], _ rows: [[String]]) {
        guard !rows.isEmpty else { return }
        let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
        for (index, row) in ([header] + rows).enumerated() {
            let cells = zip(row, widths).map { text, width in
                let padded = text + String(repeating: " ", count: width - text.count)
                return index == 0 ? padded : state(text, padded)
            }
            var line = cells.joined(separator: "  ")
            while line.hasSuffix(" ") { line.removeLast() }
            print(line)
        }
    }

    private static func state(_ text: String, _ padded: String) -> String {
        switch text {
        case "available", "up", "running": paint(padded, .green)
        case "down", "failed", "full", "held": paint(padded, .red)
        case "waiting", "recovering", "attaching", "creating", "starting", "restarting": paint(padded, .yellow)
        default: padded
        }
    }

    static func duration(_ seconds: Double) -> String {
        switch Int(seconds) {
        case ..<120: "\(Int(seconds)) s"
        case ..<7200: "\(Int(seconds) / 60) min"
        default: "\(Int(seconds) / 3600) h"
        }
    }
}
