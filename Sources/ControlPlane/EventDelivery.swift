// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Foundation
internal import Logging
internal import NIOSSL
internal import Synchronization

/// Tells those who subscribed to events of them, by HTTP, in the shape that SNS gives to its HTTP subscribers.
///
/// A subscription's events go out one after the other, oldest first. What has been delivered is noted with the
/// subscription after the receiver's answer, so every message comes at least once, and again after a crash in between; its
/// `MessageId` is the same then. A receiver that does not take a message gets it again, after 1 s, 2 s and so on up to 30 s,
/// for as long as the event is younger than an hour. An answer 4xx other than 408 and 429 says that it will never take it.
actor EventDelivery {
    private static let ageSecondsMax: Int64 = 3600
    private static let pauseMin: Duration = .seconds(1)
    private static let pauseMax: Duration = .seconds(30)
    private static let interval: Duration = .milliseconds(100)
    /// Without a subscription there is nothing to look for.
    private static let idleInterval: Duration = .seconds(60)
    /// Deliveries under way at a time.
    private static let deliveriesMax = 20

    private struct Pause {
        var length: Duration
        var end: ContinuousClock.Instant
    }

    private let keeper: StateKeeper
    private let topics: TopicFile
    private let account: Account
    private let logger: Logger
    private var busy: Set<String> = []
    private var pauses: [String: Pause] = [:]

    init(keeper: StateKeeper, topics: TopicFile, account: Account, logger: Logger) {
        self.keeper = keeper
        self.topics = topics
        self.account = account
        self.logger = logger
    }

    /// Until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                let seen = keeper.version
                for (subscription, topic, event) in due() {
                    busy.insert(subscription.id)
                    group.addTask { await self.deliver(event, of: subscription, to: topic) }
                }
                if keeper.state.subscriptions.isEmpty {
                    await keeper.awaitChange(since: seen, for: Self.idleInterval)
                } else {
                    try? await Task.sleep(for: Self.interval)
                }
            }
        }
    }

    private func due() -> [(EventSubscriptionRecord, Topics.Topic, EventRecord)] {
        let state = keeper.state
        guard !state.subscriptions.isEmpty else { return [] }
        let (topics, now) = (topics.current, ContinuousClock.now)
        let oldest = EventRecord.id(at: Timestamp(seconds: Timestamp.now.seconds - Self.ageSecondsMax))
        var found: [(EventSubscriptionRecord, Topics.Topic, EventRecord)] = []
        for subscription in state.subscriptions.values.sorted(by: { $0.id < $1.id }) {
            guard busy.count + found.count < Self.deliveriesMax else { break }
            guard subscription.isEnabled, !busy.contains(subscription.id),
                pauses[subscription.id].map({ $0.end <= now }) ?? true, let topic = topics.topic(subscription.topicARN)
            else { continue }
            let after = max(subscription.delivered ?? EventRecord.id(at: subscription.created), oldest)
            let next = state.events.values.filter { $0.id > after && subscription.wants($0) }.min { $0.id < $1.id }
            if let next { found.append((subscription, topic, next)) }
        }
        return found
    }

    private func deliver(_ event: EventRecord, of subscription: EventSubscriptionRecord, to topic: Topics.Topic) async {
        defer { busy.remove(subscription.id) }
        do {
            let status = try await post(event, of: subscription, to: topic)
            let isTaken = (200...299).contains(status)
            guard isTaken || ((400...499).contains(status) && ![408, 429].contains(status)) else {
                throw ControlError("the receiver answers \(status)", remedy: "see what it logs")
            }
            if !isTaken {
                logger.warning(
                    "a message is refused for good",
                    metadata: ["subscription": "\(subscription.id)", "status": "\(status)", "event": "\(event.event)"])
            }
            try await keeper.update { state in
                // A request may have come in between: a cursor that it has moved on stays.
                guard let current = state.subscriptions[subscription.id], current.delivered ?? "" < event.id else {
                    return
                }
                state.subscriptions[subscription.id]?.delivered = event.id
            }
            pauses[subscription.id] = nil
        } catch {
            let length = pauses[subscription.id].map { min($0.length * 2, Self.pauseMax) } ?? Self.pauseMin
            pauses[subscription.id] = Pause(length: length, end: .now + length)
            logger.warning(
                "a message is not delivered; it is tried again",
                metadata: ["subscription": "\(subscription.id)", "topic": "\(topic.arn)", "error": "\(error)"])
        }
    }

    private func post(
        _ event: EventRecord, of subscription: EventSubscriptionRecord, to topic: Topics.Topic
    ) async throws -> Int {
        guard let address = HTTPAddress(topic.url) else {
            throw ControlError("the topic's address is not valid", remedy: "set it with `borealis topic set`")
        }
        var tls: NIOSSLContext?
        if address.isSecure {
            var configuration = TLSConfiguration.makeClientConfiguration()
            if let file = topic.authority { configuration.trustRoots = .file(file) }
            tls = try NIOSSLContext(configuration: configuration)
        }
        let message = Notification(event, of: subscription, account)
        var headers = [
            ("content-type", "text/plain; charset=UTF-8"), ("user-agent", "borealis"),
            ("x-amz-sns-message-type", "Notification"), ("x-amz-sns-message-id", message.id),
            ("x-amz-sns-topic-arn", topic.arn), ("x-amz-sns-subscription-arn", "\(topic.arn):\(subscription.id)"),
        ]
        if let authorization = address.authorization { headers.append(("authorization", authorization)) }
        let call = HTTPCall(host: address.host, port: address.port, tls: tls, answerBytesMax: 1 << 16)
        return try await call.post(address.target, headers: headers, body: try message.json()).status
    }
}

extension EventSubscriptionRecord {
    /// Whether an event is one of those that were subscribed to.
    func wants(_ event: EventRecord) -> Bool {
        (sourceType == nil || event.sourceType == sourceType) && (sources.isEmpty || sources.contains(event.source))
            && (categories.isEmpty || event.categories.contains(where: categories.contains))
    }
}
