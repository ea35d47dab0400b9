// SPDX-License-Identifier: Apache-2.0

package import Foundation

package struct StoreKey: Hashable, Codable, Sendable {
    package var kind: String
    package var id: String

    package init(kind: String, id: String) {
        self.kind = kind
        self.id = id
    }
}

package struct StoredDocument: Sendable {
    package var key: StoreKey
    package var value: Data

    package init(key: StoreKey, value: Data) {
        self.key = key
        self.value = value
    }
}

package enum StoreChange: Codable, Sendable {
    case put(StoreKey, Data)
    case remove(StoreKey)
}

/// Where the desired state is kept: documents by kind and id, read as a whole once and then only written.
///
/// Whoever writes holds the leadership of the region; a store refuses the writes of one that has lost it. On one machine
/// that is the lock of the data directory.
package protocol StateStore: Sendable {
    /// Everything, at one moment.
    func load() async throws -> [StoredDocument]
    /// All of the changes, or none; durable when it returns.
    func commit(_ changes: [StoreChange]) async throws
}

/// A problem that an operator can do something about: one line, with what to do.
package struct ControlError: Error, CustomStringConvertible, Equatable {
    package var problem: String
    package var remedy: String

    package init(_ problem: String, remedy: String) {
        self.problem = problem
        self.remedy = remedy
    }

    package var description: String { "\(problem) (\(remedy))" }
}
