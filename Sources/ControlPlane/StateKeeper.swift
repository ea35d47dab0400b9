// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The desired state in memory, written through to its store.
///
/// Reads take a copy and never wait for a disk. Writes happen one after the other: each is applied to a copy, stored, and
/// only then seen by anybody.
package actor StateKeeper {
    private let store: any StateStore
    private let current: Mutex<(state: DesiredState, version: Int)>
    private var isWriting = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    /// Those who wait for a change, each under a number of its own.
    private var watchers: [Int: CheckedContinuation<Void, Never>] = [:]
    private var lastWatcher = 0

    package init(store: any StateStore) async throws {
        self.store = store
        current = Mutex((try DesiredState(try await store.load()), 0))
    }

    package nonisolated var state: DesiredState { current.withLock { $0.state } }
    /// Counts the changes since the process started.
    package nonisolated var version: Int { current.withLock { $0.version } }

    /// Changes the state as a whole or, when `body` or the store throws, not at all.
    @discardableResult
    package func update<Result: Sendable>(
        _ body: @Sendable (inout DesiredState) throws -> Result
    ) async throws -> Result {
        await enter()
        defer { leave() }
        let old = state
        var new = old
        let result = try body(&new)
        let changes = try new.changes(since: old)
        guard !changes.isEmpty else { return result }
        try await store.commit(changes)
        current.withLock { $0 = (new, $0.version + 1) }
        for number in watchers.keys { wake(number) }
        return result
    }

    /// Returns when there is another version than `seen`, after `limit`, or when the task is cancelled.
    package func awaitChange(since seen: Int, for limit: Duration) async {
        guard version == seen else { return }
        lastWatcher += 1
        let number = lastWatcher
        let timer = Task {
            try? await Task.sleep(for: limit)
            wake(number)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { watchers[number] = $0 }
        } onCancel: {
            Task { await self.wake(number) }
        }
        timer.cancel()
    }

    private func wake(_ number: Int) { watchers.removeValue(forKey: number)?.resume() }

    private func enter() async {
        guard isWriting else {
            isWriting = true
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    /// Hands the turn to the next writer, if one waits.
    private func leave() {
        if waiting.isEmpty { isWriting = false } else { waiting.removeFirst().resume() }
    }
}
