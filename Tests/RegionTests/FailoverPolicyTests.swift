// SPDX-License-Identifier: Apache-2.0

import Foundation
import Region
import Testing

@Suite struct FailoverPolicyTests {
    private typealias Policy = FailoverPolicy
    private typealias Member = FailoverPolicy.Member

    /// As a process says it.
    private static func status(
        _ part: RoleConfiguration.Part, _ phase: InstanceStatus.Phase = .available, lost: String? = nil,
        silent: Int? = 100, answering: Int? = nil, waits: Bool = false, still: Int? = nil
    ) -> InstanceStatus {
        var watch: [String: Any] = ["commitsWait": waits]
        watch["lost"] = lost
        watch["silentMilliseconds"] = silent
        watch["answeringNodes"] = answering
        watch["stillMilliseconds"] = still
        let object: [String: Any] = [
            "id": "i", "cluster": "c", "phase": phase.rawValue, "url": "", "restarts": 0, "created": true,
            "generation": 0, "endedByItself": false,
            "part": part.rawValue, "watch": watch,
        ]
        guard let data = try? JSONSerialization.data(withJSONObject: object),
            let status = try? JSONDecoder().decode(InstanceStatus.self, from: data)
        else { preconditionFailure("the object is not a status") }
        return status
    }

    private static func reader(
        _ id: String, zone: String = "b", tier: Int = 1, memory: Int = 0, ago: Int = 100, answering: Int = 6,
        phase: InstanceStatus.Phase = .available
    ) -> Member {
        Member(
            id: id, zone: zone, tier: tier, memoryBytes: memory,
            sight: .seen(status(.reader, phase, answering: answering), agoMilliseconds: ago))
    }

    private static func writer(_ sight: Policy.Sight) -> Member {
        Member(id: "w", zone: "a", tier: 1, memoryBytes: 0, sight: sight)
    }

    private static func loss(_ sight: Policy.Sight, _ readers: [Member] = [reader("r")]) -> String? {
        Policy(members: [writer(sight)] + readers, writer: "w").loss
    }

    // MARK: - Who

    private static func choice(_ readers: Member...) -> String? {
        Policy(members: [writer(.away)] + readers, writer: "w").candidate?.id
    }

    @Test func `the lowest tier is promoted, then the larger class, then another zone, then the lowest name`() {
        #expect(Self.choice(Self.reader("b", tier: 1), Self.reader("c", tier: 0)) == "c")
        #expect(Self.choice(Self.reader("b", memory: 4), Self.reader("c", memory: 8)) == "c")
        #expect(Self.choice(Self.reader("b", tier: 0, memory: 4), Self.reader("c", tier: 1, memory: 8)) == "b")
        #expect(Self.choice(Self.reader("b", zone: "a"), Self.reader("c", zone: "b")) == "c")
        #expect(Self.choice(Self.reader("b", zone: "a", memory: 8), Self.reader("c", zone: "b", memory: 4)) == "b")
        #expect(Self.choice(Self.reader("c"), Self.reader("b")) == "b")
    }

    @Test func `only a reader that serves is promoted`() {
        #expect(Self.choice(Self.reader("b", phase: .recovering)) == nil)
        #expect(Self.choice(Self.reader("b", ago: Policy.silenceLimitMilliseconds)) == nil)
        #expect(Self.choice(Self.reader("b", tier: 0, answering: 2), Self.reader("c", tier: 1)) == "c")
    }

    // MARK: - When

    @Test func `a lost engine and an ended process are seen at once`() {
        #expect(Self.loss(.seen(Self.status(.writer, lost: "it ended"), agoMilliseconds: 1)) == "it ended")
        #expect(Self.loss(.gone(forMilliseconds: 0, wasAvailable: true)) != nil)
    }

    @Test func `a writer that starts is given time`() {
        #expect(Self.loss(.gone(forMilliseconds: 1000, wasAvailable: false)) == nil)
        #expect(Self.loss(.gone(forMilliseconds: Policy.absenceLimitMilliseconds + 1, wasAvailable: false)) != nil)
        #expect(Self.loss(.seen(Self.status(.writer, .recovering, silent: nil), agoMilliseconds: 100)) == nil)
    }

    @Test func `silence counts from its limit on`() {
        let limit = Policy.silenceLimitMilliseconds
        #expect(Self.loss(.seen(Self.status(.writer, silent: limit - 100), agoMilliseconds: 100)) == nil)
        #expect(Self.loss(.seen(Self.status(.writer, silent: limit, answering: 6), agoMilliseconds: 100)) != nil)
        // Frozen as a whole right after a beat: nobody could ask how many nodes answer.
        let frozen = Policy.Sight.seen(Self.status(.writer, silent: 600), agoMilliseconds: limit - 500)
        #expect(Self.loss(frozen) == "its process and its engine are silent")
        #expect(Self.loss(.seen(Self.status(.writer, silent: limit), agoMilliseconds: 100)) == nil)
        #expect(Self.loss(.seen(Self.status(.writer), agoMilliseconds: limit + 1)) != nil)
    }

    @Test func `a writer whose log goes on is neither frozen nor cut off`() {
        func loss(silent: Int, still: Int, answering: Int = 6) -> String? {
            Self.loss(
                .seen(
                    Self.status(.writer, silent: silent, answering: answering, still: still), agoMilliseconds: 100))
        }
        let limit = Policy.silenceLimitMilliseconds
        #expect(loss(silent: limit + 1000, still: 400) == nil)
        #expect(loss(silent: limit + 1000, still: limit - 100) == nil)
        #expect(loss(silent: limit + 1000, still: 400, answering: 0) == nil)
        #expect(loss(silent: limit + 1000, still: limit) != nil)
        #expect(loss(silent: limit + 1000, still: limit, answering: 0) != nil)
        #expect(loss(silent: Policy.busyLimitMilliseconds, still: 400) != nil)
    }

    @Test func `a writer that reaches fewer nodes than others is cut off`() {
        let cut = Policy.Sight.seen(
            Self.status(.writer, silent: 6000, answering: 0, waits: true), agoMilliseconds: 100)
        #expect(Self.loss(cut) != nil)
        #expect(Self.loss(cut, [Self.reader("r", answering: 3)]) == nil)
    }

    @Test func `storage that is slow or gone for everybody is no reason`() {
        let slow = Policy.Sight.seen(
            Self.status(.writer, silent: 60_000, answering: 6, waits: true), agoMilliseconds: 100)
        #expect(Self.loss(slow) == nil)
        let gone = Policy.Sight.seen(
            Self.status(.writer, silent: 60_000, answering: 2, waits: true), agoMilliseconds: 100)
        #expect(Self.loss(gone, [Self.reader("r", answering: 2)]) == nil)
    }

    @Test func `without a reader, and for a writer that is not to run, nothing is lost`() {
        #expect(Self.loss(.gone(forMilliseconds: 60_000, wasAvailable: true), []) == nil)
        #expect(Self.loss(.away) == nil)
    }
}
