// SPDX-License-Identifier: Apache-2.0

import ProxyCore
import Testing

@Suite struct PoolMachineTests {
    private func pool(_ connections: Int) -> PoolMachine {
        var limits = PoolMachine.Limits()
        limits.connections = connections
        limits.idleConnections = 1
        limits.idleAfter = 100
        limits.age = 1_000
        limits.borrowTimeout = 50
        return PoolMachine(limits: limits)
    }

    @Test func `clients are served in the order they asked`() {
        var machine = pool(1)
        #expect(machine.request(1, now: 0) { _ in 0 } == .wait(open: true))
        machine.willOpen()
        #expect(machine.request(2, now: 1) { _ in 0 } == .wait(open: false))
        #expect(machine.opened(9, now: 2) == .lease(to: 1))
        #expect(machine.release(9, openedAt: 2, now: 3) == .lease(to: 2))
        #expect(machine.release(9, openedAt: 2, now: 4) == .park)
        #expect(machine.request(3, now: 5) { _ in 0 } == .lease(9))
    }

    @Test func `a connection with the client's settings is preferred`() {
        var machine = pool(3)
        for id in 1...3 {
            machine.willOpen()
            #expect(machine.opened(id, now: 0) == .park)
        }
        #expect(machine.request(1, now: 1) { $0 == 1 ? 1 : 0 } == .lease(1))
        #expect(machine.request(2, now: 1) { _ in 0 } == .lease(3))
    }

    @Test func `a rank below the best one counts where there is no better`() {
        var machine = pool(4)
        for id in 1...4 {
            machine.willOpen()
            #expect(machine.opened(id, now: 0) == .park)
        }
        let ranks = [1: 3, 2: 2, 3: 1, 4: 0]
        for id in 1...4 { #expect(machine.request(id, now: 1, best: 3) { ranks[$0] ?? 0 } == .lease(id)) }
    }

    @Test func `waiting ends at the borrow timeout and by cancelling`() {
        var machine = pool(0)
        for id in 1...3 { #expect(machine.request(id, now: Int64(id) * 10) { _ in 0 } == .wait(open: false)) }
        machine.cancel(2)
        #expect(machine.expire(now: 61) == [1])
        #expect(machine.waiting == 1)
        #expect(machine.expire(now: 90) == [3])
        #expect(machine.waiting == 0)
    }

    @Test func `the queue does not grow with those who have waited in vain`() {
        var machine = pool(0)
        for id in 1...1_000 {
            #expect(machine.request(id, now: Int64(id)) { _ in 0 } == .wait(open: false))
            _ = machine.expire(now: Int64(id))
        }
        #expect(machine.waiting == 50)
        #expect(machine.queueLength < 200)
    }

    @Test func `old and superfluous connections are closed`() {
        var machine = pool(3)
        for id in 1...3 {
            machine.willOpen()
            #expect(machine.opened(id, now: 0) == .park)
        }
        #expect(machine.trim(now: 50) == [])
        #expect(machine.trim(now: 101) == [1, 2])
        #expect(machine.request(1, now: 102) { _ in 1 } == .lease(3))
        #expect(machine.release(3, openedAt: 0, now: 1_001) == .close)
        #expect(machine.total == 0)
    }
}
