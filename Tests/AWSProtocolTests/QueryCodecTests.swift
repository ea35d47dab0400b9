// SPDX-License-Identifier: Apache-2.0

import AWSProtocol
import Testing

@Suite struct QueryCodecTests {
    private let model = ServiceModel.rds

    private func decode(_ operation: String, _ form: String) throws -> AWSValue {
        let parameters = try QueryCodec.Parameters(form: form.utf8)
        return try QueryCodec.decode(parameters, of: try #require(model.operations[operation]), model: model)
    }

    @Test func `every shape that the tables name is in them`() {
        for model in [ServiceModel.rds, .sts] {
            #expect(model.wireProtocol == .query && !model.operations.isEmpty)
            var seen: Set<String> = []
            func visit(_ name: String) {
                guard seen.insert(name).inserted else { return }
                var targets: [Shape.Reference] = []
                switch model.shape(named: name) {
                case .structure(let members): targets = members.map(\.target)
                case .list(let item, _, _): targets = [item]
                case .map(let key, let value, _, _, _): targets = [key, value]
                case .string, .integer, .long, .boolean, .timestamp, .double, .float, .blob: break
                }
                for case .named(let target) in targets { visit(target) }
            }
            for operation in model.operations.values {
                for case let shape? in [operation.input, operation.output] { visit(shape) }
            }
            #expect(seen.count > 20)
        }
    }

    @Test func `members have their types`() throws {
        let value = try decode(
            "CreateDBCluster",
            "Action=CreateDBCluster&DBClusterIdentifier=a%20b&Engine=x+y&Port=5432&DeletionProtection=true")
        #expect(value == ["DBClusterIdentifier": "a b", "Engine": "x y", "Port": 5432, "DeletionProtection": true])
    }

    @Test func `lists are in the order of their numbers, under either name`() throws {
        for name in ["Tag", "member"] {
            let value = try decode(
                "AddTagsToResource",
                "ResourceName=r&Tags.\(name).10.Key=b&Tags.\(name).2.Key=a&Tags.\(name).2.Value=1")
            #expect(value["Tags"] == [["Key": "a", "Value": "1"], ["Key": "b"]])
        }
    }

    @Test func `nested lists are read`() throws {
        let value = try decode(
            "DescribeDBClusters",
            "Filters.Filter.1.Name=engine&Filters.Filter.1.Values.Value.1=a&Filters.Filter.1.Values.Value.2=b")
        #expect(value["Filters"] == [["Name": "engine", "Values": ["a", "b"]]])
    }

    @Test(arguments: [
        ("CreateDBCluster", "Engine=x", "MissingParameter"),
        ("CreateDBCluster", "DBClusterIdentifier=a&Engine=x&Port=many", "MalformedInput"),
        ("CreateDBCluster", "DBClusterIdentifier=a&Engine=x&Port=5000000000", "MalformedInput"),
        ("CreateDBCluster", "DBClusterIdentifier=a&Engine=x&DeletionProtection=maybe", "MalformedInput"),
        ("CreateDBCluster", "DBClusterIdentifier.1=a&Engine=x", "MalformedInput"),
        ("DescribeDBClusters", "Filters=x", "MalformedInput"),
        ("DescribeDBClusters", "Filters.Filter.first.Name=x", "MalformedInput"),
        ("DescribeDBClusters", "Filters.Filter.1=x", "MalformedInput"),
        ("DescribeDBClusters", "Filters.Filter.1.Name=x", "MissingParameter"),
        ("DescribeDBClusters", "Marker=%ff", "MalformedInput"),
        ("DescribeEvents", "StartTime=yesterday", "MalformedInput"),
    ])
    func `what is wrong has its code`(operation: String, form: String, code: String) throws {
        let error = #expect(throws: AWSError.self) { try decode(operation, form) }
        #expect(error?.code == code)
        #expect(error?.status == 400)
    }

    /// Noise decodes or is refused, and never traps.
    @Test func `noise never traps`() throws {
        var random = Seeded(state: 42)
        let pieces = [
            "Filters", ".", "Filter", "1", "Name", "=", "&", "%", "%4", "%41", "+", "Values", "Value", "member", "Tags",
            "\u{e9}",
            "99999999999999999999", "-1", "Action", "DBClusterIdentifier", "MaxRecords", "ScalingConfiguration",
        ]
        for _ in 0..<5000 {
            let count = Int(random.next() % 24)
            let form = (0..<count).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }.joined()
            for operation in ["DescribeDBClusters", "CreateDBCluster", "ModifyDBClusterParameterGroup"] {
                do { _ = try decode(operation, form) } catch { #expect(error is AWSError) }
            }
        }
    }

    @Test func `answers are AWS's XML`() throws {
        let operation = try #require(model.operations["ListTagsForResource"])
        let bytes = XMLCodec.answer(
            ["TagList": [["Key": "a<b", "Value": "&\u{1}"]]], to: operation, model: model, requestID: "id")
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                + "<ListTagsForResourceResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\">"
                + "<ListTagsForResourceResult><TagList><Tag><Key>a&lt;b</Key><Value>&amp;\u{fffd}</Value></Tag></TagList>"
                + "</ListTagsForResourceResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata>"
                + "</ListTagsForResourceResponse>")
    }

    @Test func `errors have the code and status of the table`() {
        let error = AWSError(model, "DBInstanceNotFoundFault", "no")
        #expect(error.code == "DBInstanceNotFound" && error.status == 404 && error.isSenderFault)
        #expect(
            String(decoding: XMLCodec.error(error, model: model, requestID: "id"), as: UTF8.self)
                == "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                + "<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><Error><Type>Sender</Type>"
                + "<Code>DBInstanceNotFound</Code><Message>no</Message></Error><RequestId>id</RequestId></ErrorResponse>"
        )
    }

    @Test(
        arguments: [
            ("2015-08-30T12:36:00Z", 1_440_938_160_000), ("2015-08-30T14:36:00.25+02:00", 1_440_938_160_250),
            ("1969-12-31", -86_400_000), ("2000-02-29T00:00:00", 951_782_400_000),
        ] as [(String, Int64)])
    func `times are read and written`(text: String, milliseconds: Int64) throws {
        let moment = try #require(Timestamp(iso8601: text))
        #expect(moment.milliseconds == milliseconds)
        #expect(Timestamp(iso8601: moment.iso8601) == moment)
        for wrong in ["2015-02-30", "2015-13-01", "x", "", "2015-08-30T25:00:00Z", "2015-08-30T12:36:00Zx"] {
            #expect(Timestamp(iso8601: wrong) == nil)
        }
    }
}
