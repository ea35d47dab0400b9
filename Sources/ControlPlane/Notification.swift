// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Crypto
internal import Foundation

/// An event as SNS hands it to an HTTP subscriber: RDS's message, as text, in SNS's envelope. It has no signature, for
/// there is no SNS to sign it; a receiver that wants to know where it comes from has a secret in its address.
struct Notification {
    private static let explanations = "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.html"

    /// A UUID that follows from the subscription and the event, so that a message that comes twice is recognized.
    let id: String
    private let event: EventRecord
    private let topic: String
    private let region: String

    init(_ event: EventRecord, of subscription: EventSubscriptionRecord, _ account: Account) {
        self.event = event
        topic = subscription.topicARN
        region = account.region
        let digest = SHA256.hash(data: Data("\(subscription.id)/\(event.id)".utf8))
        id = digest.withUnsafeBytes { bytes in
            UUID(uuid: bytes.loadUnaligned(as: uuid_t.self)).uuidString.lowercased()
        }
    }

    func json() throws -> Data {
        let time = event.date.iso8601
        let message: [String: Any] = [
            "Event Source": event.sourceType, "Event Time": String(time.dropLast()).replacing("T", with: " "),
            "Identifier Link":
                "https://console.aws.amazon.com/rds/home?region=\(region)#\(event.sourceType):id=\(event.source)",
            "Source ID": event.source, "Source ARN": event.sourceARN,
            "Event ID": "\(Self.explanations)#\(event.event)", "Event Message": event.message,
        ]
        let envelope: [String: Any] = [
            "Type": "Notification", "MessageId": id, "TopicArn": topic, "Subject": "RDS Notification Message",
            "Message": String(decoding: try Self.encode(message), as: UTF8.self), "Timestamp": time,
            "MessageAttributes": [
                "EventID": ["Type": "String", "Value": event.event],
                "Resource": ["Type": "String", "Value": event.sourceARN],
            ],
        ]
        return try Self.encode(envelope)
    }

    private static func encode(_ object: [String: Any]) throws -> Data {
        try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
    }
}
