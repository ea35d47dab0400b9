// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Foundation

/// An operation's input, already of the right types, with the checks that handlers share.
struct Input: Sendable {
    private let value: AWSValue

    init(_ value: AWSValue) { self.value = value }

    func string(_ name: String) -> String? { value[name]?.string }
    func integer(_ name: String) -> Int? { value[name]?.integer }
    func boolean(_ name: String) -> Bool? { value[name]?.boolean }
    func timestamp(_ name: String) -> Timestamp? { value[name]?.timestamp }
    func bytes(_ name: String) -> [UInt8]? { if case .blob(let bytes)? = value[name] { bytes } else { nil } }
    func strings(_ name: String) -> [String]? { value[name]?.list?.compactMap(\.string) }
    func structures(_ name: String) -> [Input]? { value[name]?.list?.map(Input.init) }
    func structure(_ name: String) -> Input? { value[name].map(Input.init) }
    func has(_ name: String) -> Bool { value[name] != nil }

    /// A member that the operation cannot do without, although its shape does not say so.
    func required(_ name: String) throws(AWSError) -> String {
        guard let found = string(name), !found.isEmpty else { throw .missingParameter(name) }
        return found
    }

    /// The name of a new resource, in lower case: letters, digits and single hyphens, with a letter in front.
    func identifier(_ name: String, lengthMax: Int = 63, allowsDots: Bool = false) throws(AWSError) -> String {
        let text = try required(name)
        let isValid =
            text.utf8.count <= lengthMax && text.utf8.first.map { Character(UnicodeScalar($0)).isLetter } == true
            && text.utf8.allSatisfy {
                switch $0 {
                case 48...57, 65...90, 97...122, 45: true
                case 46: allowsDots
                default: false
                }
            } && !text.hasSuffix("-") && !text.contains("--")
        guard isValid else {
            throw .invalidValue(
                "The parameter \(name) is not a valid identifier. Identifiers must begin with a letter; must contain only "
                    + "ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens; "
                    + "and have at most \(lengthMax) characters.")
        }
        return text.lowercased()
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(AWSError) -> Int? {
        guard let number = integer(name) else { return nil }
        guard range.contains(number) else {
            throw .invalidValue(
                "Invalid value \(number) for \(name). It must be between \(range.lowerBound) and \(range.upperBound).")
        }
        return number
    }

    /// A time of day, `hh24:mi-hh24:mi`, with days in front for a weekly one.
    func window(_ name: String, isWeekly: Bool) throws(AWSError) -> TimeWindow? {
        guard let text = string(name)?.lowercased() else { return nil }
        guard let window = TimeWindow(text), window.isWeekly == isWeekly else {
            throw .invalidValue(
                "The parameter \(name) must be provided in the format \(isWeekly ? "ddd:hh24:mi-ddd:hh24:mi" : "hh24:mi-hh24:mi")."
            )
        }
        guard TimeWindow.lengths.contains(window.length) else {
            throw .invalidValue("The window \(text) of \(name) must be at least 30 minutes and at most 24 hours long.")
        }
        return window
    }

    func tags() throws(AWSError) -> [Tag] {
        var tags: [Tag] = []
        for item in structures("Tags") ?? [] {
            guard let key = item.string("Key"), (1...128).contains(key.count), !key.lowercased().hasPrefix("aws:")
            else {
                throw .invalidValue("A tag's key has between 1 and 128 characters and does not begin with aws:.")
            }
            let text = item.string("Value") ?? ""
            guard text.count <= 256 else { throw .invalidValue("A tag's value has at most 256 characters.") }
            guard !tags.contains(where: { $0.key == key }) else {
                throw .invalidValue("Duplicate tag keys found: \(key).")
            }
            tags.append(Tag(key: key, value: text))
        }
        guard tags.count <= Quota.tagsPerResource else {
            throw .invalidValue("A resource has at most \(Quota.tagsPerResource) tags.")
        }
        return tags
    }

    /// Refuses what AWS offers and this region does not, so that nobody believes to have it.
    func refuse(_ names: [String]) throws(AWSError) {
        for name in names where has(name) && boolean(name) != false && string(name) != "" && integer(name) != 0 {
            throw .invalidCombination("\(name) is not supported by this region.")
        }
    }

    static func checkPassword(_ password: String) throws(AWSError) {
        let range = 8...41
        guard range.contains(password.utf8.count) else {
            throw .invalidValue(
                "The parameter MasterUserPassword is not a valid password. It has between \(range.lowerBound) and "
                    + "\(range.upperBound) characters.")
        }
        let isPrintable = password.utf8.allSatisfy { (33...126).contains($0) }
        guard isPrintable, !password.contains(where: { "/@\"".contains($0) }) else {
            throw .invalidValue(
                "The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides '/', '@', "
                    + "'\"', ' ' may be used.")
        }
    }
}

/// One page of a list: `MaxRecords` and `Marker`.
struct Page {
    private static let sizes = 20...100
    /// Without `MaxRecords`, also where it may be more.
    private static let usualSize = 100

    private let size: Int
    private let after: String?

    init(_ input: Input, sizes: ClosedRange<Int> = Page.sizes) throws(AWSError) {
        if let wanted = input.integer("MaxRecords"), !sizes.contains(wanted) {
            throw .invalidValue(
                "Invalid value \(wanted) for MaxRecords. Must be between \(sizes.lowerBound) and \(sizes.upperBound)")
        }
        size = input.integer("MaxRecords") ?? Self.usualSize
        guard let marker = input.string("Marker"), !marker.isEmpty else {
            after = nil
            return
        }
        guard let data = Data(base64Encoded: marker), let key = String(data: data, encoding: .utf8) else {
            throw .invalidValue("Invalid marker: \(marker.prefix(100))")
        }
        after = key
    }

    /// - Parameters:
    ///   - items: in the order of their keys
    ///   - name: of the answer's member that holds the list
    func answer<Item>(
        _ items: [Item], as name: String, key: (Item) -> String, _ value: (Item) throws -> AWSValue
    ) rethrows -> AWSValue {
        // A marker names the last item that was seen, so items that come and go move nothing.
        let rest = after.map { after in items[(items.firstIndex { key($0) > after } ?? items.count)...] } ?? items[...]
        let page = rest.prefix(size)
        var answer: [String: AWSValue] = [name: .list(try page.map(value))]
        if page.count < rest.count, let last = page.last {
            answer["Marker"] = .string(Data(key(last).utf8).base64EncodedString())
        }
        return .structure(answer)
    }
}

/// `Filters`: each names a property and the values that it may have.
struct Filters<Item> {
    private var tests: [(Item) -> Bool] = []

    /// - Parameter properties: the names that are understood, each with what an item has there
    init(_ input: Input, _ properties: [String: (Item) -> [String]]) throws(AWSError) {
        for filter in input.structures("Filters") ?? [] {
            let name = filter.string("Name") ?? ""
            guard let property = properties[name] else {
                throw .invalidValue("Unrecognized filter name: \(name)")
            }
            let values = Set((filter.strings("Values") ?? []).map { $0.lowercased() })
            guard !values.isEmpty else { throw .invalidValue("Filter \(name) has no values.") }
            tests.append { item in property(item).contains { values.contains($0.lowercased()) } }
        }
    }

    func admits(_ item: Item) -> Bool { tests.allSatisfy { $0(item) } }
}
