// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Whether a server answers on this machine.
package enum LoopbackPort {
    package static func isListening(_ port: Int) -> Bool { !Ports.isFree(port) }
}

/// TCP ports on loopback.
enum Ports {
    /// Below Linux's range for outgoing connections (32768 and up), so that none of those takes one while we are down.
    private static let range = 20000...29999

    /// Whether somebody could listen there now.
    static func isFree(_ port: Int, host: String = "127.0.0.1") -> Bool {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { return false }
        defer { close(fd) }
        var yes: Int32 = 1
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(truncatingIfNeeded: port)).bigEndian
        inet_pton(AF_INET, host, &address.sin_addr)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// A free port that is not among those taken already.
    static func choose(except taken: Set<Int>) throws -> Int {
        for _ in 0..<1000 {
            let port = Int.random(in: range)
            if !taken.contains(port) && isFree(port) { return port }
        }
        throw RegionError("no port between 20000 and 29999 is free on loopback", remedy: "stop what uses them")
    }
}
