// SPDX-License-Identifier: Apache-2.0

import NIOCore
import ProxyCore
import Synchronization

/// Asks every loop about itself, for the metrics endpoint and the admin console.
final class ProxyState: Sendable {
    struct Part: Sendable {
        var metrics = MetricsSnapshot()
        var clients: [ClientSummary] = []
        var pools: [[String?]] = []
        var targets: [[String?]] = []
    }

    private let loops: Mutex<[NIOLoopBound<LoopContext>]> = Mutex([])
    private let knownName: Mutex<String>
    private let metrics = MetricsReport()

    init(name: String) { knownName = Mutex(name) }

    /// The proxy's, as the metrics have it.
    var name: String {
        get { knownName.withLock { $0 } }
        set { knownName.withLock { $0 = newValue } }
    }

    func attach(_ loop: NIOLoopBound<LoopContext>) { loops.withLock { $0.append(loop) } }

    /// What all loops say now, added up; completes on `eventLoop`.
    func gather(on eventLoop: any EventLoop) -> EventLoopFuture<Part> {
        let answers = loops.withLock { $0 }.map { loop in loop.eventLoop.submit { ProxyState.part(of: loop.value) } }
        return EventLoopFuture.whenAllSucceed(answers, on: eventLoop).map { parts in
            var sum = Part()
            for part in parts {
                sum.metrics.add(part.metrics)
                sum.clients += part.clients
                sum.pools += part.pools
                if sum.targets.isEmpty { sum.targets = part.targets }
            }
            return sum
        }
    }

    /// Tells swift-metrics.
    func report(_ part: Part) { metrics.give(part.metrics, proxy: name) }

    private static func part(of loop: LoopContext) -> Part {
        var part = Part()
        part.metrics = loop.snapshot()
        part.clients = loop.clients.values.map(\.summary).sorted { $0.number < $1.number }
        for group in loop.groups {
            for pool in group.pools.values {
                let counts = pool.counts
                part.pools.append([
                    pool.key.role.rawValue, pool.key.credentials.user, pool.key.database, "\(counts.idle)",
                    "\(counts.leased)", "\(counts.opening)", "\(counts.waiting)", "\(counts.limit)",
                    counts.target.map { "\($0.host):\($0.port)" },
                ])
            }
            part.targets += group.topology.members.map {
                [
                    group.configuration.name, "\($0.target.host):\($0.target.port)", $0.isWriter ? "writer" : "reader",
                    "\($0.lagSeconds)",
                ]
            }
        }
        return part
    }
}
