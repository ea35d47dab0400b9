// SPDX-License-Identifier: Apache-2.0

import ControlPlane
import Foundation
import Testing

@Suite struct StateKeeperTests {
    private struct Refusal: Error {}

    /// A store that can be told to fail.
    private actor FragileStore: StateStore {
        private(set) var documents: [StoreKey: Data] = [:]
        var fails = false

        func fail(_ fails: Bool) { self.fails = fails }

        func load() async throws -> [StoredDocument] { documents.map { StoredDocument(key: $0.key, value: $0.value) } }

        func commit(_ changes: [StoreChange]) async throws {
            guard !fails else { throw Refusal() }
            for change in changes {
                switch change {
                case .put(let key, let value): documents[key] = value
                case .remove(let key): documents[key] = nil
                }
            }
        }
    }

    private static func group(_ name: String) -> SubnetGroupRecord {
        SubnetGroupRecord(id: name, description: "d", subnets: [.init(id: "subnet-1", zone: "z")], tags: [])
    }

    @Test func `what is written is read again by another`() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).sqlite").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let keeper = try await StateKeeper(store: try SQLiteStateStore(path: path))
        try await keeper.update { $0.subnetGroups["a"] = Self.group("a") }
        try await keeper.update { $0.subnetGroups["b"] = Self.group("b") }
        try await keeper.update { state in
            state.subnetGroups["a"] = nil
            state.subnetGroups["b"]?.description = "e"
        }
        let other = try await StateKeeper(store: try SQLiteStateStore(path: path))
        #expect(other.state.subnetGroups == keeper.state.subnetGroups)
        #expect(other.state.subnetGroups.map(\.value.description) == ["e"])
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test(.timeLimit(.minutes(1)))
    func `who waits for a change is woken by it, by the end of patience and by a cancellation`()
        async throws
    {
        let keeper = try await StateKeeper(store: FragileStore())
        let seen = keeper.version
        await keeper.awaitChange(since: seen, for: .milliseconds(1))
        let waiter = Task { await keeper.awaitChange(since: seen, for: .seconds(3600)) }
        try await keeper.update { $0.subnetGroups["a"] = Self.group("a") }
        await waiter.value
        await keeper.awaitChange(since: seen, for: .seconds(3600))
        let idle = Task { await keeper.awaitChange(since: keeper.version, for: .seconds(3600)) }
        idle.cancel()
        await idle.value
    }

    @Test func `a change that fails is not seen`() async throws {
        let store = FragileStore()
        let keeper = try await StateKeeper(store: store)
        try await keeper.update { $0.subnetGroups["a"] = Self.group("a") }
        await #expect(throws: Refusal.self) {
            try await keeper.update { state in
                state.subnetGroups["b"] = Self.group("b")
                throw Refusal()
            }
        }
        await store.fail(true)
        await #expect(throws: Refusal.self) { try await keeper.update { $0.subnetGroups["a"] = nil } }
        #expect(Array(keeper.state.subnetGroups.keys) == ["a"])
        await store.fail(false)
        try await keeper.update { $0.subnetGroups["a"]?.description = "e" }
        #expect(await store.documents.count == 1)
    }

    @Test func `no change of many at once is lost`() async throws {
        let keeper = try await StateKeeper(store: FragileStore())
        try await keeper.update { $0.subnetGroups["n"] = Self.group("0") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    try await keeper.update { state in
                        let number = Int(state.subnetGroups["n"]?.id ?? "") ?? 0
                        state.subnetGroups["n"]?.id = "\(number + 1)"
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(keeper.state.subnetGroups["n"]?.id == "200")
    }

    @Test func `a damaged document is named`() async throws {
        let store = FragileStore()
        try await store.commit([.put(StoreKey(kind: "subnetGroup", id: "a"), Data("x".utf8))])
        let error = await #expect(throws: ControlError.self) { try await StateKeeper(store: store) }
        #expect(error?.problem.contains("subnetGroup a is damaged") == true)
    }

    @Test func `a proxy of before there were secrets is read`() async throws {
        let store = FragileStore()
        let text = """
            {"id": "p", "resourceID": "prx-A", "family": "POSTGRESQL", "status": "available", "created": 1,
            "updated": 1, "role": "arn:aws:iam::123456789012:role/any", "subnets": [], "securityGroups": [],
            "authentication": {"isIAM": true, "passwordType": "POSTGRES_MD5"}, "requiresTLS": false,
            "idleClientSeconds": 1800, "pool": {"connectionsPercent": 100, "idlePercent": 50, "borrowSeconds": 120,
            "pinningFilters": [], "updated": 1}, "tags": []}
            """
        try await store.commit([.put(StoreKey(kind: "dbProxy", id: "p"), Data(text.utf8))])
        let proxy = try await StateKeeper(store: store).state.proxies["p"]
        #expect(proxy?.logins.map(\.isIAM) == [true] && proxy?.logins.map(\.passwordType) == ["POSTGRES_MD5"])
        #expect(proxy?.defaultsToIAM == false && proxy?.idleClientSeconds == 1800)
    }

    @Test func `a document that lacks something says what`() async throws {
        let store = FragileStore()
        try await store.commit([.put(StoreKey(kind: "subnetGroup", id: "a"), Data(#"{"id": "a"}"#.utf8))])
        let error = await #expect(throws: ControlError.self) { try await StateKeeper(store: store) }
        #expect(error?.problem == "the metadata's record subnetGroup a has no description")
    }
}
