// SPDX-License-Identifier: Apache-2.0

import ProxyCore
import Testing

@Suite struct PoolMachineTests {
    private func pool(_ connections: Int) -> PoolMachine<String> {
        var limits = PoolMachine<String>.Limits()
        limits.connections = connections
        limits.idleConnections = 1
        limits.idleAfter = 100
        limits.age = 1_000
        limits.borrowTimeout = 50
        return PoolMachine(limits: limits)
    }

    @Test func `clients are served in the order they asked`() {
        var machine = pool(1)
        #expect(machine.request(1, now: 0) { _ in false } == .wait(open: true))
        machine.willOpen()
        #expect(machine.request(2, now: 1) { _ in false } == .wait(open: false))
        #expect(machine.opened(9, tag: "a", now: 2) == .lease(to: 1))
        #expect(machine.release(9, tag: "a", openedAt: 2, now: 3) == .lease(to: 2))
        #expect(machine.release(9, tag: "a", openedAt: 2, now: 4) == .park)
        #expect(machine.request(3, now: 5) { _ in false } == .lease(9))
    }

    @Test func `a connection with the client's settings is preferred`() {
        var machine = pool(3)
        for id in 1...3 {
            machine.willOpen()
            #expect(machine.opened(id, tag: "\(id)", now: 0) == .park)
        }
        #expect(machine.request(1, now: 1) { $0 == "1" } == .lease(1))
        #expect(machine.request(2, now: 1) { $0 == "x" } == .lease(3))
    }

    @Test func `waiting ends at the borrow timeout and by cancelling`() {
        var machine = pool(0)
        for id in 1...3 { #expect(machine.request(id, now: Int64(id) * 10) { _ in false } == .wait(open: false)) }
        machine.cancel(2)
        #expect(machine.expire(now: 61) == [1])
        #expect(machine.waiting == 1)
        #expect(machine.expire(now: 90) == [3])
        #expect(machine.waiting == 0)
    }

    @Test func `old and superfluous connections are closed`() {
        var machine = pool(3)
        for id in 1...3 {
            machine.willOpen()
            #expect(machine.opened(id, tag: "", now: 0) == .park)
        }
        #expect(machine.trim(now: 50) == [])
        #expect(machine.trim(now: 101) == [1, 2])
        #expect(machine.request(1, now: 102) { _ in true } == .lease(3))
        #expect(machine.release(3, tag: "", openedAt: 0, now: 1_001) == .close)
        #expect(machine.total == 0)
    }
}
