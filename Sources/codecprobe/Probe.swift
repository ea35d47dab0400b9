// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Foundation

/// The codecs of `AWSProtocol` as a filter, for tests that hold them against another implementation: one JSON object a line
/// in, one out.
///
///     {"table": PATH, "operation": NAME, "request": {method, path, query, headers, body}}   -> {"operation", "input"}
///     {"table": PATH, "operation": NAME, "output": VALUE}                                  -> {"status", "headers", "body"}
///
/// Bodies are base64. In values, a time is {"time": milliseconds}, a blob {"blob": base64}, and a structure or a map
/// {"fields": {…}}; in outputs a boolean is {"flag": …} and a number with a fraction {"number": …}.
@main
enum Probe {
    static func main() {
        while let line = readLine() {
            let answer: [String: Any]
            do { answer = try Probe.answer(line) } catch let error as AWSError {
                answer = ["error": error.code, "message": error.message]
            } catch { answer = ["error": "Probe", "message": "\(error)"] }
            guard let data = try? JSONSerialization.data(withJSONObject: answer) else { continue }
            print(String(decoding: data, as: UTF8.self))
            fflush(nil)
        }
    }

    private struct Unclear: Error {}
    nonisolated(unsafe) private static var models: [String: ServiceModel] = [:]  // Only the main thread is here.

    private static func answer(_ line: String) throws -> [String: Any] {
        guard let order = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
            let path = order["table"] as? String
        else { throw Unclear() }
        let model = try models[path] ?? ServiceModel(table: String(contentsOfFile: path, encoding: .utf8))
        models[path] = model
        if let request = order["request"] as? [String: Any] { return try decode(request, model) }
        guard let name = order["operation"] as? String, let operation = model.operations[name] else { throw Unclear() }
        return encode(try value(order["output"] as Any), operation, model)
    }

    private static func decode(_ request: [String: Any], _ model: ServiceModel) throws -> [String: Any] {
        let headers = request["headers"] as? [String: String] ?? [:]
        let message = HTTPRequestMessage(
            method: request["method"] as? String ?? "", path: request["path"] as? String ?? "",
            query: request["query"] as? String ?? "", headers: headers.map { ($0.key.lowercased(), $0.value) },
            body: Array(Data(base64Encoded: request["body"] as? String ?? "") ?? Data()))
        let (operation, input) = try WireCodec.read(message, model)
        return ["operation": operation.name, "input": plain(input)]
    }

    private static func encode(_ output: AWSValue, _ operation: AWSProtocol.Operation, _ model: ServiceModel)
        -> [String: Any]
    {
        let answer = WireCodec.answer(output, to: operation, model: model, requestID: "probe")
        return [
            "status": answer.status, "headers": answer.headers.merging(["content-type": answer.contentType]) { $1 },
            "body": Data(answer.body).base64EncodedString(),
        ]
    }

    // MARK: - Values

    private static func plain(_ value: AWSValue) -> Any {
        switch value {
        case .string(let text): text
        case .integer(let number): number
        case .double(let number): number
        case .boolean(let flag): flag
        case .timestamp(let moment): ["time": moment.milliseconds]
        case .blob(let bytes): ["blob": Data(bytes).base64EncodedString()]
        case .list(let items): items.map(plain)
        case .structure(let fields): ["fields": fields.mapValues(plain)]
        }
    }

    private static func value(_ json: Any) throws -> AWSValue {
        switch json {
        case let text as String: return .string(text)
        case let items as [Any]: return .list(try items.map(value))
        case let object as [String: Any]:
            if let time = object["time"] as? NSNumber { return .timestamp(Timestamp(milliseconds: time.int64Value)) }
            if let flag = object["flag"] as? NSNumber { return .boolean(flag.boolValue) }
            if let number = object["number"] as? NSNumber { return .double(number.doubleValue) }
            if let blob = object["blob"] as? String { return .blob(Array(Data(base64Encoded: blob) ?? Data())) }
            return .structure(try (object["fields"] as? [String: Any] ?? [:]).mapValues(value))
        case let number as NSNumber: return .integer(number.int64Value)
        default: throw Unclear()
        }
    }
}
