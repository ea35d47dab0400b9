// SPDX-License-Identifier: Apache-2.0

/// A moment in UTC, to the millisecond.
package struct Timestamp: Sendable, Hashable, Comparable, Codable {
    /// Since 1970-01-01T00:00:00Z, without leap seconds.
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }
    package init(seconds: Int64) { milliseconds = seconds * 1000 }

    package var seconds: Int64 { milliseconds >= 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000 }

    package static func < (one: Timestamp, other: Timestamp) -> Bool { one.milliseconds < other.milliseconds }

    package init(from decoder: any Decoder) throws {
        milliseconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(milliseconds)
    }

    /// `2015-08-30T12:36:00.000Z`
    package var iso8601: String {
        let (year, month, day) = Self.civil(day: seconds.floorDivided(by: 86400))
        let rest = seconds - seconds.floorDivided(by: 86400) * 86400
        let fraction = milliseconds - seconds * 1000
        return "\(Self.pad(year, 4))-\(Self.pad(month))-\(Self.pad(day))T\(Self.pad(rest / 3600)):"
            + "\(Self.pad(rest / 60 % 60)):\(Self.pad(rest % 60)).\(Self.pad(fraction, 3))Z"
    }

    /// `20150830T123600Z`, as signatures have it.
    package var basic: String {
        let text = iso8601
        return text.prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
    }

    /// Reads `20150830T123600Z`; nil for anything else.
    package init?(basic text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard bytes.count == 16, bytes[8] == UInt8(ascii: "T"), bytes[15] == UInt8(ascii: "Z") else { return nil }
        let digits = Array(bytes[0..<8] + bytes[9..<15])
        self.init(digits: digits, milliseconds: 0, offsetMinutes: 0)
    }

    /// Reads ISO 8601 with or without a time, a fraction, `Z` or `±hh:mm`; without either it is UTC.
    package init?(iso8601 text: some StringProtocol) {
        var rest = Array(text.utf8)[...]
        var digits: [UInt8] = []
        func take(_ count: Int) -> Bool {
            guard rest.count >= count, rest.prefix(count).allSatisfy({ (48...57).contains($0) }) else { return false }
            digits += rest.prefix(count)
            rest = rest.dropFirst(count)
            return true
        }
        func skip(_ character: UInt8) -> Bool {
            guard rest.first == character else { return false }
            rest = rest.dropFirst()
            return true
        }
        guard take(4), skip(45), take(2), skip(45), take(2) else { return nil }
        guard !rest.isEmpty else {
            self.init(digits: digits + Array(repeating: 48, count: 6), milliseconds: 0, offsetMinutes: 0)
            return
        }
        guard skip(UInt8(ascii: "T")) || skip(UInt8(ascii: "t")) || skip(32), take(2), skip(58), take(2) else {
            return nil
        }
        if skip(58) { guard take(2) else { return nil } } else { digits += [48, 48] }
        var fraction: Int64 = 0
        if skip(46) {
            let run = rest.prefix { (48...57).contains($0) }
            guard (1...9).contains(run.count) else { return nil }
            let three = (run + [48, 48, 48]).prefix(3)
            fraction = three.reduce(0) { $0 * 10 + Int64($1 - 48) }
            rest = rest.dropFirst(run.count)
        }
        var offset: Int64 = 0
        if !skip(UInt8(ascii: "Z")), !skip(UInt8(ascii: "z")), let sign = rest.first {
            guard sign == 43 || sign == 45 else { return nil }
            rest = rest.dropFirst()
            let before = digits.count
            guard take(2) else { return nil }
            _ = skip(58)
            guard take(2) else { return nil }
            let parts = digits[before...].map { Int64($0 - 48) }
            digits.removeLast(4)
            let minutes = (parts[0] * 10 + parts[1]) * 60 + parts[2] * 10 + parts[3]
            offset = sign == 43 ? minutes : -minutes
        }
        guard rest.isEmpty else { return nil }
        self.init(digits: digits, milliseconds: fraction, offsetMinutes: offset)
    }

    /// - Parameter digits: fourteen of them, YYYYMMDDhhmmss
    private init?(digits: [UInt8], milliseconds: Int64, offsetMinutes: Int64) {
        guard digits.count == 14, digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        func number(_ range: Range<Int>) -> Int64 { digits[range].reduce(0) { $0 * 10 + Int64($1 - 48) } }
        let (year, month, day) = (number(0..<4), number(4..<6), number(6..<8))
        let (hour, minute, second) = (number(8..<10), number(10..<12), number(12..<14))
        guard (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61 else { return nil }
        let days = Self.day(year: year, month: month, day: day)
        guard Self.civil(day: days) == (year, month, day) else { return nil }
        let seconds = days * 86400 + hour * 3600 + minute * 60 + second - offsetMinutes * 60
        self.milliseconds = seconds * 1000 + milliseconds
    }

    /// Days since 1970-01-01 of a date of the Gregorian calendar, counted in years that start in March.
    private static func day(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted.floorDivided(by: 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(day: Int64) -> (Int64, Int64, Int64) {
        let shifted = day + 719_468
        let era = shifted.floorDivided(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let civilMonth = month < 10 ? month + 3 : month - 9
        return (yearOfEra + era * 400 + (civilMonth <= 2 ? 1 : 0), civilMonth, dayOfYear - (153 * month + 2) / 5 + 1)
    }

    private static func pad(_ number: Int64, _ width: Int = 2) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}

extension Int64 {
    fileprivate func floorDivided(by divisor: Int64) -> Int64 {
        self >= 0 ? self / divisor : (self - divisor + 1) / divisor
    }
}

/// The time of HTTP's headers: `Sun, 30 Aug 2015 12:36:00 GMT`.
extension Timestamp {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    package init?(http text: some StringProtocol) {
        let parts = String(text).split(separator: " ").map(String.init)
        guard parts.count == 6, let month = Self.months.firstIndex(of: parts[2]), parts[5] == "GMT" else { return nil }
        func padded(_ text: String) -> String { text.utf8.count == 1 ? "0\(text)" : text }
        self.init(iso8601: "\(parts[3])-\(padded("\(month + 1)"))-\(padded(parts[1]))T\(parts[4])Z")
    }

    package var http: String {
        let text = iso8601
        let digits = text.split { !$0.isNumber }.map(String.init)
        let day = (milliseconds >= 0 ? milliseconds : milliseconds - 86_399_999) / 86_400_000
        let weekday = Self.days[Int(((day % 7) + 7) % 7)]
        return
            "\(weekday), \(digits[2]) \(Self.months[(Int(digits[1]) ?? 1) - 1]) \(digits[0]) \(digits[3]):\(digits[4]):\(digits[5]) GMT"
    }
}
