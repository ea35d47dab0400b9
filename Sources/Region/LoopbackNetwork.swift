// SPDX-License-Identifier: Apache-2.0

/// The parts of 127.0.0.0/8 that addresses of a region are of. Every one of them is this machine, so each cluster can have its
/// engine's usual port.
enum LoopbackNetwork: Int {
    case clusters = 66
    case instances = 67
    case endpoints = 68

    private static let size: UInt32 = 1 << 16

    /// An address that nobody has and nobody listens on. It is its owner's for life.
    ///
    /// The search starts where the region's directory and the owner's name say, so that two regions of one machine hardly ever
    /// choose the same one while only one of them runs.
    ///
    /// - Parameter taken: addresses that are given already, whether or not somebody listens there
    func choose(for owner: String, region: String, port: Int, except taken: Set<String>) throws -> String {
        let start = "\(region)\n\(owner)".utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        for step in 0..<Self.size {
            let number = (start &+ step) % Self.size
            // These look like a network's own address and its broadcast.
            guard number % 256 != 0, number % 256 != 255 else { continue }
            let host = "127.\(rawValue).\(number / 256).\(number % 256)"
            if !taken.contains(host) && Ports.isFree(port, host: host) { return host }
        }
        throw RegionError("port \(port) is in use on every loopback address", remedy: "choose another port")
    }
}
