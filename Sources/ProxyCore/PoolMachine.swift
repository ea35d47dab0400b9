// SPDX-License-Identifier: Apache-2.0

/// Which backend connection serves which waiting client: one pool of interchangeable connections.
///
/// Clients are served in the order they asked. Connections are reused last in, first out, so that what is not needed
/// grows old and is closed; among the newest few, the one that suits the client best (`rank`) comes first. Time comes in as
/// nanoseconds.
package struct PoolMachine {
    package typealias ConnectionID = Int
    package typealias WaiterID = Int

    package enum Request: Equatable {
        /// Here is one.
        case lease(ConnectionID)
        /// Wait; `open` tells whether another connection should be opened meanwhile.
        case wait(open: Bool)
        /// Too many are waiting already.
        case refuse
    }

    package enum Release: Equatable {
        /// It goes to the client that waited longest.
        case lease(to: WaiterID)
        /// It is kept for later.
        case park
        /// Too old: close it.
        case close
    }

    package struct Limits: Sendable, Equatable {
        /// Most connections that are open or being opened.
        package var connections = 20
        /// Most idle connections kept once they have been idle for `idleAfter`.
        package var idleConnections = 10
        package var idleAfter: Int64 = 300_000_000_000
        /// A connection older than this is closed when it comes back.
        package var age: Int64 = 86_400_000_000_000
        package var waiters = 20_000
        package var borrowTimeout: Int64 = 120_000_000_000

        package init() {}
    }

    private struct Idle {
        var id: ConnectionID
        var since: Int64
    }

    private struct Waiter {
        var id: WaiterID
        var since: Int64
    }

    package var limits: Limits
    private var idle: [Idle] = []
    /// A queue with gaps: `head` is the first that may be live; cancelled waiters have id -1.
    private var waiters: [Waiter] = []
    private var head = 0
    private var live = 0
    package private(set) var opening = 0
    package private(set) var leased = 0

    package init(limits: Limits) { self.limits = limits }

    package var idleCount: Int { idle.count }
    package var waiting: Int { live }
    package var total: Int { idle.count + leased + opening }

    /// `wanting` is the connection to take if it is idle; else it is the one of the highest `rank`, and of the same the one that
    /// was used last. No rank is above `best`.
    package mutating func request(
        _ waiter: WaiterID, now: Int64, wanting: ConnectionID? = nil, best: Int = 1, rank: (ConnectionID) -> Int
    ) -> Request {
        if live == 0, !idle.isEmpty {
            let same = wanting.flatMap { id in idle.lastIndex { $0.id == id } }
            let found = idle.remove(at: same ?? favourite(best: best, rank))
            leased += 1
            return .lease(found.id)
        }
        guard live < limits.waiters else { return .refuse }
        waiters.append(Waiter(id: waiter, since: now))
        live += 1
        return .wait(open: wantsMore)
    }

    private func favourite(best: Int, _ rank: (ConnectionID) -> Int) -> Int {
        var found = idle.count - 1
        var highest = 0
        for index in idle.indices.suffix(PoolMachine.looked).reversed() {
            let own = rank(idle[index].id)
            if own > highest {
                highest = own
                found = index
            }
            if own == best { break }
        }
        return found
    }

    /// So many idle connections are looked at, the newest.
    private static let looked = 32

    /// Whether a connection should be opened for those who wait.
    package var wantsMore: Bool { live > opening && total < limits.connections }

    package mutating func willOpen() { opening += 1 }

    package mutating func openFailed() { opening -= 1 }

    /// A connection that was being opened is there.
    package mutating func opened(_ id: ConnectionID, now: Int64) -> Release {
        opening -= 1
        leased += 1
        return release(id, openedAt: now, now: now)
    }

    /// A leased connection comes back.
    package mutating func release(_ id: ConnectionID, openedAt: Int64, now: Int64) -> Release {
        if now - openedAt > limits.age {
            leased -= 1
            return .close
        }
        if let waiter = nextWaiter() { return .lease(to: waiter.id) }
        leased -= 1
        idle.append(Idle(id: id, since: now))
        return .park
    }

    private mutating func nextWaiter() -> Waiter? {
        guard !waiters.isEmpty else { return nil }
        while head < waiters.count {
            let waiter = waiters[head]
            head += 1
            compact()
            if waiter.id >= 0 {
                live -= 1
                return waiter
            }
        }
        waiters.removeAll(keepingCapacity: true)
        head = 0
        return nil
    }

    /// Takes those away that have left the front of the queue, once they are the larger part of it.
    private mutating func compact() {
        guard head > 64, head * 2 > waiters.count else { return }
        waiters.removeFirst(head)
        head = 0
    }

    /// How much of the queue is kept in memory, gaps included.
    package var queueLength: Int { waiters.count }

    /// A leased connection is gone.
    package mutating func lost() { leased -= 1 }

    /// An idle connection is gone; false when it was not idle.
    package mutating func lostIdle(_ id: ConnectionID) -> Bool {
        guard let index = idle.lastIndex(where: { $0.id == id }) else { return false }
        idle.remove(at: index)
        return true
    }

    /// The connection that has been idle longest.
    package var oldestIdle: ConnectionID? { idle.first?.id }

    /// A client no longer waits.
    package mutating func cancel(_ waiter: WaiterID) {
        guard let index = waiters.indices.dropFirst(head).first(where: { waiters[$0].id == waiter }) else { return }
        waiters[index].id = -1
        live -= 1
    }

    /// Those who have waited for the borrow timeout; they are out of the queue.
    package mutating func expire(now: Int64) -> [WaiterID] {
        var expired: [WaiterID] = []
        while head < waiters.count {
            let waiter = waiters[head]
            if waiter.id >= 0 {
                guard now - waiter.since >= limits.borrowTimeout else { break }
                live -= 1
                expired.append(waiter.id)
            }
            head += 1
        }
        compact()
        return expired
    }

    /// Everyone who waits, out of the queue; for errors that waiting cannot mend.
    package mutating func dismissAll() -> [WaiterID] {
        var all: [WaiterID] = []
        while let waiter = nextWaiter() { all.append(waiter.id) }
        return all
    }

    /// Idle connections to close now: too many for too long, or unused for the maximum age.
    package mutating func trim(now: Int64) -> [ConnectionID] {
        var closed: [ConnectionID] = []
        var kept: [Idle] = []
        var excess = idle.count - limits.idleConnections
        for connection in idle {
            let quiet = now - connection.since
            if quiet > limits.age || (excess > 0 && quiet > limits.idleAfter) {
                excess -= 1
                closed.append(connection.id)
            } else {
                kept.append(connection)
            }
        }
        if !closed.isEmpty { idle = kept }
        return closed
    }

    /// Idle connections for which `condition` holds are taken out.
    package mutating func removeIdle(where condition: (ConnectionID) -> Bool) -> [ConnectionID] {
        let gone = idle.filter { condition($0.id) }.map(\.id)
        if !gone.isEmpty { idle.removeAll { condition($0.id) } }
        return gone
    }

    /// How long the front of the queue has waited.
    package func longestWait(now: Int64) -> Int64 {
        for waiter in waiters.dropFirst(head) where waiter.id >= 0 { return now - waiter.since }
        return 0
    }
}
