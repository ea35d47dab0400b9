// SPDX-License-Identifier: Apache-2.0

package import Foundation
internal import Synchronization

/// Where the messages of SNS topics go, as there is no SNS: each topic's ARN leads to one HTTP address.
package struct Topics: Codable, Sendable, Equatable {
    package struct Topic: Codable, Sendable, Equatable {
        package var arn: String
        /// `http` or `https`; a user and a password in it are sent as basic authentication.
        package var url: String
        /// A file with the certificates that an `https` receiver's is checked against; nil: those of the system.
        package var authority: String?

        /// Nil when the ARN is no topic's, or the address cannot be sent to.
        package init?(arn: String, url: String, authority: String?) {
            guard Topics.isTopic(arn), HTTPAddress(url) != nil else { return nil }
            self.arn = arn
            self.url = url
            self.authority = authority
        }
    }

    package var topics: [Topic]

    package init() { topics = [] }

    /// `arn:aws:sns:REGION:ACCOUNT:NAME`
    package static func isTopic(_ text: String) -> Bool {
        text.wholeMatch(of: /arn:aws:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?/) != nil
    }

    package func topic(_ arn: String) -> Topic? { topics.first { $0.arn == arn } }

    package mutating func set(_ topic: Topic) { topics = topics.filter { $0.arn != topic.arn } + [topic] }

    /// Whether there was such a topic.
    package mutating func remove(_ arn: String) -> Bool {
        let before = topics.count
        topics.removeAll { $0.arn == arn }
        return topics.count < before
    }

    /// None when there is no such file.
    package static func load(_ path: String) throws -> Topics {
        guard let data = FileManager.default.contents(atPath: path) else { return Topics() }
        do { return try JSONDecoder().decode(Topics.self, from: data) } catch {
            throw ControlError("\(path) is damaged", remedy: "correct it, or remove it and set the topics again")
        }
    }

    package func save(_ path: String, write: (Data, String) throws -> Void) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try write(try encoder.encode(self), path)
    }
}

/// The topics as they are in their file now: a change holds from the next message on.
package final class TopicFile: Sendable {
    private struct State {
        var topics: Topics
        var written: Date?
    }

    private let path: String?
    private let state: Mutex<State>

    /// - Parameter path: nil: there are none
    package init(path: String?) throws {
        self.path = path
        state = Mutex(State(topics: try path.map(Topics.load) ?? Topics(), written: Self.written(path)))
    }

    var current: Topics {
        let written = Self.written(path)
        return state.withLock { state in
            // A file that cannot be read, or is not complete, changes nothing.
            if written != state.written, let path, let topics = try? Topics.load(path) {
                state = State(topics: topics, written: written)
            }
            return state.topics
        }
    }

    private static func written(_ path: String?) -> Date? {
        path.flatMap { try? FileManager.default.attributesOfItem(atPath: $0)[.modificationDate] as? Date }
    }
}
