// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Permits to open backend connections, shared by the pools of all loops.
///
/// A connection takes a place of its pool's and one of its target's. A pool that finds none left says so again on each of its
/// ticks. Meanwhile idle connections are given up for it; and as long as it has less than its share of the target, those with
/// more open none, and give up theirs as they come back. Of several the one that has waited longest is the next.
final class ConnectionBudget: Sendable {
    /// Where a connection counts.
    struct Place {
        /// Of all loops' pools for one user and database.
        var pool: String
        var target: String
    }

    private struct Wish {
        var since: Int64
        var said: Int64
    }

    private struct Target {
        var connections: [String: Int] = [:]
        var wishes: [String: Wish] = [:]
        var most = Int.max

        var used: Int { connections.values.reduce(0, +) }
        var contenders: Int { Set(connections.keys).union(wishes.keys).count }
        var share: Int { max(1, most / max(1, contenders)) }

        func has(_ pool: String) -> Int { connections[pool, default: 0] }

        /// Whether another pool with less than its share has waited since before `moment`.
        func owes(_ pool: String, before moment: Int64) -> Bool {
            let share = share
            return wishes.contains { $0.key != pool && $0.value.since < moment && has($0.key) < share }
        }

        mutating func forgetOldWishes(_ now: Int64) {
            wishes = wishes.filter { now - $0.value.said < ConnectionBudget.wishNanoseconds }
        }
    }

    private struct State {
        var used: [String: Int] = [:]
        var targets: [String: Target] = [:]
        /// Pools that want places of their own name, on another loop or with other flags.
        var cramped: Set<String> = []
    }

    /// A wish that is not said again is over; pools tick more often.
    private static let wishNanoseconds: Int64 = 300_000_000

    private let state = Mutex(State())
    private let starves = Atomic(false)

    /// Whether anybody is without a place; asked whenever a connection comes back, so without the lock.
    var isTight: Bool { starves.load(ordering: .relaxed) }

    func take(_ place: Place, poolMost: Int, targetMost: Int, now: Int64) -> Bool {
        state.withLock { state in
            guard state.used[place.pool, default: 0] < poolMost else {
                state.cramped.insert(place.pool)
                starves.store(true, ordering: .relaxed)
                return false
            }
            var target = state.targets.removeValue(forKey: place.target) ?? Target()
            target.most = targetMost
            target.forgetOldWishes(now)
            let own = target.wishes[place.pool]
            let isLast = target.has(place.pool) >= target.share
            let isFree = target.used < targetMost && !target.owes(place.pool, before: isLast ? .max : own?.since ?? now)
            if isFree {
                state.used[place.pool, default: 0] += 1
                target.connections[place.pool, default: 0] += 1
                target.wishes[place.pool] = nil
            } else {
                target.wishes[place.pool] = Wish(since: own?.since ?? now, said: now)
                starves.store(true, ordering: .relaxed)
            }
            state.targets[place.target] = target
            return isFree
        }
    }

    /// How many pools whose names begin with `prefix` have connections.
    func poolCount(_ prefix: String) -> Int {
        state.withLock { $0.used.keys.count { $0.hasPrefix(prefix) } }
    }

    func giveBack(_ place: Place) {
        state.withLock { state in
            state.used[place.pool] = Self.less(state.used[place.pool])
            guard var target = state.targets.removeValue(forKey: place.target) else { return }
            target.connections[place.pool] = Self.less(target.connections[place.pool])
            if !target.connections.isEmpty || !target.wishes.isEmpty { state.targets[place.target] = target }
        }
    }

    private static func less(_ count: Int?) -> Int? { count.flatMap { $0 > 1 ? $0 - 1 : nil } }

    /// Whether somebody wants the place of a connection that nobody uses.
    func isWanted(_ place: Place, now: Int64) -> Bool {
        state.withLock { state in
            if state.cramped.remove(place.pool) != nil { return true }
            state.targets[place.target]?.forgetOldWishes(now)
            let isWanted = state.targets[place.target]?.wishes.contains { $0.key != place.pool } ?? false
            if state.cramped.isEmpty, state.targets.values.allSatisfy(\.wishes.isEmpty) {
                starves.store(false, ordering: .relaxed)
            }
            return isWanted
        }
    }

    /// Whether another pool is to have the place of a connection that comes back, although its own clients wait for it.
    func isOwed(_ place: Place, now: Int64) -> Bool {
        state.withLock { state in
            state.targets[place.target]?.forgetOldWishes(now)
            guard let target = state.targets[place.target], target.owes(place.pool, before: .max) else { return false }
            return target.has(place.pool) > target.share || target.contenders > target.most
        }
    }
}
