// SPDX-License-Identifier: Apache-2.0

/// Which of a group's targets may be written to, and which may be read.
struct Topology: Sendable, Equatable {
    struct Member: Sendable, Equatable {
        var target: ProxyConfiguration.Address
        var isWriter: Bool
        var lagSeconds: Double
    }

    /// How many targets there are, whether or not they answer.
    var known = 0
    /// Targets that answered last time, in the configuration's order.
    var members: [Member] = []
    /// Targets that were given up because they did not answer, though nothing says that they are gone.
    var silent: [ProxyConfiguration.Address] = []

    var writer: ProxyConfiguration.Address? { members.first { $0.isWriter }?.target }

    func readers(maximumLag: Double) -> [ProxyConfiguration.Address] {
        members.filter { !$0.isWriter && $0.lagSeconds <= maximumLag }.map(\.target)
    }

    func contains(_ target: ProxyConfiguration.Address) -> Bool { members.contains { $0.target == target } }
}
