// SPDX-License-Identifier: Apache-2.0

import NIOCore
import ProxyCore
import Synchronization

/// What the loops last told about themselves, for the metrics endpoint and the admin console.
///
/// Each loop publishes its part once a second, and at once when asked on that loop.
final class ProxyState: Sendable {
    struct Part: Sendable {
        var metrics = ProxyMetrics()
        var clients: [ClientSummary] = []
        var pools: [[String?]] = []
        var targets: [[String?]] = []
    }

    private let parts: Mutex<[Part]>
    private let loops: Mutex<[NIOLoopBound<LoopContext>]> = Mutex([])

    init(loopCount: Int) { parts = Mutex(Array(repeating: Part(), count: loopCount)) }

    func attach(_ loop: NIOLoopBound<LoopContext>) { loops.withLock { $0.append(loop) } }

    /// Takes fresh parts of the loop this runs on, the last published of others, and asks those for new ones.
    func current() -> Part {
        for loop in loops.withLock({ $0 }) {
            if loop.eventLoop.inEventLoop {
                publish(loop.value)
            } else {
                loop.eventLoop.execute { self.publish(loop.value) }
            }
        }
        return parts.withLock { parts in
            var sum = Part()
            for part in parts {
                sum.metrics = sum.metrics + part.metrics
                sum.clients += part.clients
                sum.pools += part.pools
                if sum.targets.isEmpty { sum.targets = part.targets }
            }
            return sum
        }
    }

    private func publish(_ loop: LoopContext) {
        var part = Part()
        part.metrics = loop.snapshot()
        part.clients = loop.clients.values.map(\.summary).sorted { $0.number < $1.number }
        for group in loop.groups {
            for pool in group.pools.values {
                let machine = pool.machine
                part.pools.append([
                    pool.key.role.rawValue, pool.key.credentials.user, pool.key.database, "\(machine.idleCount)",
                    "\(machine.leased)", "\(machine.opening)", "\(machine.waiting)", "\(machine.limits.connections)",
                    pool.all.first.map { "\($0.target.host):\($0.target.port)" },
                ])
            }
            part.targets += group.topology.members.map {
                [
                    group.configuration.name, "\($0.target.host):\($0.target.port)", $0.isWriter ? "writer" : "reader",
                    "\($0.lagSeconds)",
                ]
            }
        }
        let published = part
        parts.withLock { $0[loop.index] = published }
    }
}
