// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import Testing

@Suite struct JSONCodecTests {
    private let model = ServiceModel(
        table: """
            service test
            protocol json 1.1
            version 2020-01-01
            signing test
            target Test_2020
            operation Put PutInput PutOutput -
            structure PutInput Name@name:s! Count:i Big:l Ratio:d When:t Data:x
             Flags:FlagList Labels:LabelMap
            structure PutOutput Name@name:s When:t Data:x Flags:FlagList Labels:LabelMap
            list FlagList b member
            map LabelMap s s key value
            error Gone ResourceNotFoundException 404 sender
            """)

    private func decode(_ text: String) throws -> AWSValue {
        let operation = try #require(JSONCodec.operation(target: "Test_2020.Put", model: model))
        return try JSONCodec.decode(Array(text.utf8), of: operation, model: model)
    }

    @Test func `the target names the operation`() {
        #expect(model.wireProtocol == .json(version: "1.1"))
        #expect(JSONCodec.operation(target: "Test_2020.Put", model: model)?.name == "Put")
        for target in ["Put", "Other.Put", "Test_2020.Get", ""] {
            #expect(JSONCodec.operation(target: target, model: model) == nil)
        }
    }

    @Test func `members have their types`() throws {
        let value = try decode(
            #" {"name": "a\"\u00e9\ud83d\ude00", "Count": -1, "Big": 9007199254740993, "Ratio": 1e-1, "When": 1.5,"#
                + #" "Data": "AQI=", "Flags": [true, null, false], "Labels": {"k": "v"}, "Unknown": [{}], "Name": 3} "#)
        #expect(
            value == [
                "Name": "a\"é😀", "Count": -1, "Big": 9_007_199_254_740_993, "Ratio": .double(0.1),
                "When": .timestamp(Timestamp(milliseconds: 1500)), "Data": .blob([1, 2]), "Flags": [true, false],
                "Labels": ["k": "v"],
            ])
    }

    @Test(arguments: [
        "{", "[]", "{\"name\":1}", "{\"name\":\"a\",\"Count\":1.5}", "{\"name\":\"a\",\"Count\":3000000000}",
        "{\"name\":\"\\x\"}",
        "{\"name\":\"\\ud800\"}", "{\"name\":\"a\"}x", "{\"name\":\"a\",}", "{\"name\":\"\u{1}\"}",
        "{\"name\":\"a\",\"Count\":01}",
        "{\"name\":\"a\",\"Data\":\"?\"}", "{\"name\":\"a\",\"Flags\":{}}", "nul",
    ])
    func `what is wrong is refused`(text: String) {
        let error = #expect(throws: AWSError.self) { try decode(text) }
        #expect(error?.code == "SerializationException" && error?.status == 400)
    }

    @Test func `a required member is required`() {
        for text in ["", "{}", "{\"name\":null}"] {
            let error = #expect(throws: AWSError.self) { try decode(text) }
            #expect(error?.code == "ValidationException")
        }
    }

    @Test func `depth has a limit`() {
        let text = "{\"name\":\"a\",\"Unknown\":" + String(repeating: "[", count: 100_000)
        #expect(throws: AWSError.self) { try decode(text) }
    }

    @Test func `answers and errors are JSON`() throws {
        let operation = try #require(model.operations["Put"])
        let bytes = JSONCodec.answer(
            [
                "Name": "a\"\n", "When": .timestamp(Timestamp(milliseconds: 1500)), "Data": .blob([1, 2, 3]),
                "Flags": [true, false], "Labels": ["b": "2", "a": "1"],
            ], to: operation, model: model)
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"{"name":"a\"\u000a","When":1.5,"Data":"AQID","Flags":[true,false],"Labels":{"a":"1","b":"2"}}"#)
        let error = AWSError(model, "Gone", "no")
        #expect(error.status == 404)
        #expect(
            String(decoding: JSONCodec.error(error), as: UTF8.self)
                == #"{"__type":"ResourceNotFoundException","message":"no"}"#)
    }

    @Test func `noise never traps`() {
        var random = Seeded(state: 7)
        let pieces = [
            "{", "}", "[", "]", "\"", "name", ":", ",", "1", "-", "e", ".", "\\", "u", "d83d", "true", "null", " ",
            "\u{e9}",
        ]
        for _ in 0..<5000 {
            let text = (0..<Int(random.next() % 30)).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }
                .joined()
            do { _ = try decode(text) } catch { #expect(error is AWSError) }
        }
    }
}
