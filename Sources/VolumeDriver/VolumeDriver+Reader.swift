// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Foundation
internal import Logging
internal import StorageNode
internal import StorageWire
internal import Synchronization
package import VolumeModel

/// What an instance needs of its driver because there are others of its cluster.
extension VolumeDriver {
    /// Stops at once and waits for nobody: what it does cannot matter any more. The engine gets EIO.
    package func abandon() {
        core.withLock { core in
            guard core.phase != .failed else { return }
            core.phase = .failed
            core.failure = core.failure ?? "it is stopped"
            core.ring?.fail()
        }
        changes.signal()
        ended.signal()
    }

    /// How many storage nodes answer a question within the time.
    package func countAnsweringNodes(milliseconds: Int) -> Int {
        let counter = AnswerCounter()
        let nodes = transport.nodes
        for node in nodes {
            Thread.detachNewThread { [transport] in
                if (try? transport.call(.inventory, node: node)) != nil { counter.add() }
                counter.done.signal()
            }
        }
        let end = DispatchTime.now() + .milliseconds(milliseconds)
        for _ in nodes where counter.done.wait(timeout: end) != .success { break }
        return counter.value
    }

    private final class AnswerCounter: Sendable {
        let done = DispatchSemaphore(value: 0)
        private let count = Atomic(0)
        var value: Int { count.load(ordering: .acquiring) }
        func add() { count.add(1, ordering: .acquiringAndReleasing) }
    }

    /// A mount: reads blocks that were not touched yet as of a newer point from now on, and lets storage collect what only
    /// the old one needed.
    ///
    /// Right only if the engine has replayed all that the volume has at that point. A block that is absent here was touched
    /// by no replay since the mount was made, so no change up to there concerned it; and what the volume has of it at that
    /// point has no change beyond there, because an engine writes a block after the log of its changes.
    package func moveReadPoint(to lsn: LSN) throws {
        guard case .local = configuration.mode, lsn > core.withLock({ $0.vdl }) else { return }
        let (durable, required, answered) = surveyOnce()
        guard answered >= Membership.readQuorum, durable >= lsn else { return }
        let namespace = try readNamespace(at: lsn, required: required, recovered: nil)
        // The old lease runs out by itself: until then what is being read at the old point can be read to its end.
        try takePin(at: lsn)
        core.withLock { core in
            core.required = required
            core.namespace = namespace
            core.vdl = lsn
        }
        logger.debug("read point moved", metadata: ["lsn": "\(lsn)"])
    }
}
