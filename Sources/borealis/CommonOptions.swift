// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import Region
internal import VolumeModel

/// Which region a command is about.
struct RegionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The region's data directory. Default: $XDG_STATE_HOME/borealis or ~/.local/state/borealis; /var/lib/borealis for root.",
            valueName: "dir")) var data: String?

    var directory: DataDirectory {
        let environment = ProcessInfo.processInfo.environment
        return DataDirectory(path: DataDirectory.resolve(data ?? DataDirectory.standard(environment: environment)))
    }

    /// The supervisor's admin socket.
    var client: AdminClient { AdminClient(path: directory.regionSocket) }
}

/// A number of bytes: `64M`, `10G`, `1048576`.
struct ByteCount: ExpressibleByArgument {
    let bytes: UInt64

    init?(argument: String) {
        let units: [Character: UInt64] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40]
        var digits = argument.uppercased()[...]
        if digits.hasSuffix("IB") {
            digits = digits.dropLast(2)
        } else if digits.hasSuffix("B") {
            digits = digits.dropLast()
        }
        var unit: UInt64 = 1
        if let last = digits.last, let found = units[last] {
            unit = found
            digits = digits.dropLast()
        }
        guard let number = UInt64(digits) else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
        guard !overflow else { return nil }
        self.bytes = bytes
    }
}

/// A position in a volume's log: `0/16B3740`, or a decimal number of bytes.
struct LSNArgument: ExpressibleByArgument {
    let value: UInt64

    init?(argument: String) {
        let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 2, let high = UInt32(parts[0], radix: 16), let low = UInt32(parts[1], radix: 16) {
            value = UInt64(high) << 32 | UInt64(low)
        } else if parts.count == 1, let number = UInt64(argument) {
            value = number
        } else {
            return nil
        }
    }
}

extension Encodable {
    /// JSON as `--json` prints it: keys sorted, one object on several lines.
    func printJSON() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(self), as: UTF8.self))
    }
}
