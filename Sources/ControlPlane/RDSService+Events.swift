// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol

/// Events, and who wants to be told of which.
extension RDSService {
    static let eventHandlers: [String: Handler] = [
        "DescribeEvents": { try $0.describeEvents($1) },
        "DescribeEventCategories": { try $0.describeEventCategories($1) },
        "CreateEventSubscription": { try await $0.createSubscription($1) },
        "ModifyEventSubscription": { try await $0.modifySubscription($1) },
        "AddSourceIdentifierToSubscription": { try await $0.changeSources($1) { $0.contains($1) ? $0 : $0 + [$1] } },
        "RemoveSourceIdentifierFromSubscription": {
            try await $0.changeSources($1) { list, id in list.filter { $0 != id } }
        },
        "DeleteEventSubscription": { try await $0.deleteSubscription($1) },
        "DescribeEventSubscriptions": { try $0.describeSubscriptions($1) },
    ]

    private func describeEvents(_ input: Input) throws -> AWSValue {
        _ = try Filters<EventRecord>(input, [:])
        let type = input.string("SourceType")
        if let type, !EventKind.categories.contains(where: { $0.sourceType == type }) {
            throw AWSError.invalidValue("Invalid source type: \(type)")
        }
        if input.has("SourceIdentifier") && type == nil {
            throw AWSError.invalidCombination("SourceType is required with SourceIdentifier.")
        }
        let now = Timestamp.now
        let minutes = try input.integer("Duration", in: 1...20160) ?? 60
        let end = input.timestamp("EndTime") ?? now
        let start = input.timestamp("StartTime") ?? Timestamp(milliseconds: end.milliseconds - Int64(minutes) * 60_000)
        guard start <= end else { throw AWSError.invalidCombination("The start time is after the end time.") }
        let categories = input.strings("EventCategories").flatMap { $0.isEmpty ? nil : Set($0) }
        let source = input.string("SourceIdentifier")?.lowercased()
        let events = state.events.values.filter { event in
            event.date >= start && event.date <= end && (type == nil || event.sourceType == type)
                && (source == nil || event.source == source)
                && (categories == nil || !event.categories.allSatisfy { categories?.contains($0) == false })
        }.sorted { $0.id < $1.id }
        return try Page(input).answer(events, as: "Events", key: \.id) { event in
            [
                "SourceIdentifier": .string(event.source), "SourceType": .string(event.sourceType),
                "Message": .string(event.message), "EventCategories": AWSValue(event.categories),
                "Date": .timestamp(event.date), "SourceArn": .string(event.sourceARN),
            ]
        }
    }

    private func describeEventCategories(_ input: Input) throws -> AWSValue {
        _ = try Filters<EventRecord>(input, [:])
        let type = input.string("SourceType")
        let found = EventKind.categories.filter { type == nil || type == "" || $0.sourceType == type }
        guard !found.isEmpty else { throw AWSError.invalidValue("Invalid source type: \(type ?? "")") }
        return [
            "EventCategoriesMapList": .list(
                found.map { ["SourceType": .string($0.sourceType), "EventCategories": AWSValue($0.categories)] })
        ]
    }

    // MARK: - Event subscriptions

    func subscription(_ name: String, in state: DesiredState) throws(AWSError) -> EventSubscriptionRecord {
        guard let found = state.subscriptions[name.lowercased()] else {
            throw fault("SubscriptionNotFoundFault", "Event Subscription \(name) not found.")
        }
        return found
    }

    private func change(_ record: inout EventSubscriptionRecord, _ input: Input) throws {
        if let topic = input.string("SnsTopicArn") {
            guard Topics.isTopic(topic) else {
                throw fault("SNSInvalidTopicFault", "Invalid SNS topic ARN: \(topic.prefix(200))")
            }
            guard topic.hasPrefix("arn:aws:sns:\(account.region):") else {
                throw fault(
                    "SNSTopicArnNotFoundFault", "The topic \(topic.prefix(300)) is not one of \(account.region).")
            }
            record.topicARN = topic
        }
        if let type = input.string("SourceType") { record.sourceType = type }
        if let categories = input.strings("EventCategories") { record.categories = categories }
        if let flag = input.boolean("Enabled") {
            // What happened while nobody wanted to be told is not told later.
            if flag, !record.isEnabled { record.delivered = state.events.keys.max() }
            record.isEnabled = flag
        }
        if let type = record.sourceType {
            guard let known = EventKind.categories.first(where: { $0.sourceType == type }) else {
                throw fault("SourceNotFoundFault", "Invalid source type: \(type)")
            }
            for category in record.categories where !known.categories.contains(category) {
                throw fault("SubscriptionCategoryNotFoundFault", "The category \(category) is not one of \(type).")
            }
        }
    }

    private func createSubscription(_ input: Input) async throws -> AWSValue {
        var record = EventSubscriptionRecord(
            id: try input.identifier("SubscriptionName", lengthMax: 255), topicARN: "", sourceType: nil,
            sources: (input.strings("SourceIds") ?? []).map { $0.lowercased() }, categories: [], isEnabled: true,
            created: .now, tags: try input.tags())
        _ = try input.required("SnsTopicArn")
        try change(&record, input)
        guard record.sources.isEmpty || record.sourceType != nil else {
            throw AWSError.invalidCombination("SourceType is required with SourceIds.")
        }
        let made = record
        return try await update { state in
            guard state.subscriptions[made.id] == nil else {
                throw fault("SubscriptionAlreadyExistFault", "Event Subscription already exists: \(made.id)")
            }
            guard state.subscriptions.count < Quota.subscriptions else {
                throw fault(
                    "EventSubscriptionQuotaExceededFault",
                    "The quota of \(Quota.subscriptions) event subscriptions is reached.")
            }
            for source in made.sources { try check(source, of: made, in: state) }
            state.subscriptions[made.id] = made
            return ["EventSubscription": describe(made)]
        }
    }

    private func modifySubscription(_ input: Input) async throws -> AWSValue {
        let name = try input.required("SubscriptionName")
        return try await update { state in
            var record = try subscription(name, in: state)
            try change(&record, input)
            state.subscriptions[record.id] = record
            return ["EventSubscription": describe(record)]
        }
    }

    private func changeSources(
        _ input: Input, _ change: @escaping @Sendable ([String], String) -> [String]
    ) async throws -> AWSValue {
        let name = try input.required("SubscriptionName")
        let source = try input.required("SourceIdentifier").lowercased()
        return try await update { state in
            var record = try subscription(name, in: state)
            let sources = change(record.sources, source)
            if sources.count > record.sources.count { try check(source, of: record, in: state) }
            guard sources != record.sources || record.sources.contains(source) else {
                throw fault("SourceNotFoundFault", "Source \(source) is not one of the subscription \(record.id).")
            }
            record.sources = sources
            state.subscriptions[record.id] = record
            return ["EventSubscription": describe(record)]
        }
    }

    /// A source has to be there when it is added.
    private func check(
        _ source: String, of record: EventSubscriptionRecord, in state: DesiredState
    ) throws(AWSError) {
        let isKnown: Bool
        switch record.sourceType {
        case "db-cluster": isKnown = state.clusters[source] != nil
        case "db-instance": isKnown = state.instances[source] != nil
        case "db-parameter-group":
            isKnown =
                state.parameterGroup(.instance, source, offers) != nil
                || state.parameterGroup(.cluster, source, offers) != nil
        case "db-proxy": isKnown = state.proxies[source] != nil
        case nil:
            throw .invalidCombination("SourceType is required with SourceIdentifier.")
        default: isKnown = false
        }
        guard isKnown else { throw fault("SourceNotFoundFault", "Source \(source) not found.") }
    }

    private func deleteSubscription(_ input: Input) async throws -> AWSValue {
        let name = try input.required("SubscriptionName")
        return try await update { state in
            let record = try subscription(name, in: state)
            state.subscriptions[record.id] = nil
            return ["EventSubscription": describe(record)]
        }
    }

    private func describeSubscriptions(_ input: Input) throws -> AWSValue {
        let state = state
        _ = try Filters<EventSubscriptionRecord>(input, [:])
        var found = Array(state.subscriptions.values)
        if let name = input.string("SubscriptionName"), !name.isEmpty { found = [try subscription(name, in: state)] }
        return try Page(input).answer(
            found.sorted { $0.id < $1.id }, as: "EventSubscriptionsList", key: \.id, describe)
    }

    private func describe(_ record: EventSubscriptionRecord) -> AWSValue {
        var fields: [String: AWSValue] = [
            "CustomerAwsId": .string(account.id), "CustSubscriptionId": .string(record.id),
            "SnsTopicArn": .string(record.topicARN),
            // A topic that leads nowhere delivers nothing, which is what AWS calls this.
            "Status": topics.current.topic(record.topicARN) == nil ? "topic-not-exist" : "active",
            "SubscriptionCreationTime": .string(record.created.iso8601), "SourceIdsList": AWSValue(record.sources),
            "EventCategoriesList": AWSValue(record.categories), "Enabled": .boolean(record.isEnabled),
            "EventSubscriptionArn": .string(account.arn("es", record.id)),
        ]
        if let type = record.sourceType { fields["SourceType"] = .string(type) }
        return .structure(fields)
    }
}
