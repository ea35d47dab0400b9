// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import NIOSSL

/// The few calls of etcd's v3 API that the desired state takes, through etcd's JSON gateway
/// (etcd.io/docs/v3.4/dev-guide/api_grpc_gateway).
///
/// A call is one HTTP request on a connection of its own. Servers are tried in turn; a call that may be repeated with the
/// same effect is all that is made here.
struct EtcdClient: Sendable {
    /// Longer answers are refused. A page of documents is far below.
    private static let answerBytesMax = 64 << 20

    let servers: [EtcdAddress.Server]
    /// Nil: in the clear.
    let tls: NIOSSLContext?

    // MARK: - Calls

    struct Pair: Sendable {
        var key: String
        var value: Data
        var modRevision: Int64
    }

    enum Change: Sendable {
        /// - lease: the key goes when that ends; 0 is none
        case put(String, Data, lease: Int64 = 0)
        case remove(String)
        case removeAll(prefix: String)
    }

    enum Condition: Sendable {
        case absent(String)
        case revision(String, Int64)
        case value(String, Data)
    }

    /// The changes of a commit may have been made although nobody has said so.
    struct Ambiguity: Error, CustomStringConvertible {
        var cause: any Error
        var description: String { "it is not known whether etcd has made a change: \(cause)" }
    }

    /// Carries out all of the changes if all of the conditions hold, else none. Of any error but `Ambiguity` it is certain
    /// that none was carried out.
    ///
    /// - Returns: the revision of the changes; nil when a condition did not hold
    func commit(if conditions: [Condition], _ changes: [Change]) async throws -> Int64? {
        let answer: TxnAnswer
        do {
            answer = try await call(
                "kv/txn", TxnRequest(compare: conditions.map(Compare.init), success: changes.map(Op.init)))
        } catch let failure as Failure where !failure.isCertain {
            throw Ambiguity(cause: failure.error)
        } catch let failure as Failure {
            throw failure.error
        }
        return answer.succeeded == true ? answer.header.number : nil
    }

    func get(_ key: String) async throws -> Pair? {
        let answer: RangeAnswer = try await call("kv/range", RangeRequest(key: Self.encode(key)))
        return try answer.kvs?.first.map(Self.pair)
    }

    /// Every key with the prefix, all of the same moment, in order.
    func all(prefix: String) async throws -> [Pair] {
        var found: [Pair] = []
        var (start, revision) = (prefix, Int64?.none)
        while true {
            let answer: RangeAnswer = try await call(
                "kv/range",
                RangeRequest(
                    key: Self.encode(start), rangeEnd: Self.end(of: prefix), limit: "500",
                    revision: revision.map(String.init)))
            revision = revision ?? answer.header.number
            let pairs = try (answer.kvs ?? []).map(Self.pair)
            found += pairs
            guard answer.more == true, let last = pairs.last else { return found }
            start = last.key + "\0"
        }
    }

    func grantLease(seconds: Int) async throws -> Int64 {
        let answer: Lease = try await call("lease/grant", Lease(seconds: "\(seconds)"))
        guard let id = answer.id.flatMap({ Int64($0) }) else { throw Self.unclear("lease/grant") }
        return id
    }

    /// Whether the lease goes on; false when it has ended.
    func renewLease(_ id: Int64) async throws -> Bool {
        struct Answer: Decodable { var result: Lease }
        let answer: Answer = try await call("lease/keepalive", Lease(id: "\(id)"))
        return (answer.result.seconds.flatMap { Int($0) } ?? 0) > 0
    }

    func revokeLease(_ id: Int64) async throws {
        struct Answer: Decodable {}
        let _: Answer = try await call("lease/revoke", Lease(id: "\(id)"))
    }

    private struct Lease: Codable {
        var id: String?
        var seconds: String?

        enum CodingKeys: String, CodingKey {
            case id = "ID"
            case seconds = "TTL"
        }
    }

    // MARK: - The gateway's JSON: 64-bit numbers are texts, keys and values base64

    private struct RangeRequest: Encodable {
        var key: String
        var rangeEnd: String?
        var limit: String?
        var revision: String?
    }

    private struct Header: Decodable {
        var revision: String
        var number: Int64 { Int64(revision) ?? 0 }
    }

    private struct KeyValue: Decodable {
        var key: String
        var value: String?
        var modRevision: String

        /// As etcd writes them; it reads either form.
        enum CodingKeys: String, CodingKey {
            case key, value
            case modRevision = "mod_revision"
        }
    }

    private struct RangeAnswer: Decodable {
        var header: Header
        var kvs: [KeyValue]?
        var more: Bool?
    }

    private struct TxnRequest: Encodable {
        var compare: [Compare]
        var success: [Op]
    }

    private struct TxnAnswer: Decodable {
        var header: Header
        var succeeded: Bool?
    }

    private struct Compare: Encodable {
        var key: String
        var target: String
        var result = "EQUAL"
        var createRevision: String?
        var modRevision: String?
        var value: String?

        init(_ condition: Condition) {
            switch condition {
            case .absent(let name):
                (key, target, createRevision) = (EtcdClient.encode(name), "CREATE", "0")
            case .revision(let name, let number):
                (key, target, modRevision) = (EtcdClient.encode(name), "MOD", "\(number)")
            case .value(let name, let data):
                (key, target, value) = (EtcdClient.encode(name), "VALUE", data.base64EncodedString())
            }
        }
    }

    private struct Op: Encodable {
        struct Put: Encodable {
            var key: String
            var value: String
            var lease: String
        }
        struct Delete: Encodable {
            var key: String
            var rangeEnd: String?
        }
        var requestPut: Put?
        var requestDeleteRange: Delete?

        init(_ change: Change) {
            switch change {
            case .put(let key, let value, let lease):
                requestPut = Put(
                    key: EtcdClient.encode(key), value: value.base64EncodedString(), lease: "\(lease)")
            case .remove(let key): requestDeleteRange = Delete(key: EtcdClient.encode(key))
            case .removeAll(let prefix):
                requestDeleteRange = Delete(key: EtcdClient.encode(prefix), rangeEnd: EtcdClient.end(of: prefix))
            }
        }
    }

    private static func encode(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    /// The first key behind all those with the prefix.
    private static func end(of prefix: String) -> String {
        var bytes = Array(prefix.utf8)
        bytes[bytes.count - 1] += 1
        return Data(bytes).base64EncodedString()
    }

    private static func pair(_ found: KeyValue) throws -> Pair {
        guard let key = Data(base64Encoded: found.key), let value = Data(base64Encoded: found.value ?? ""),
            let revision = Int64(found.modRevision)
        else { throw unclear("kv/range") }
        return Pair(key: String(decoding: key, as: UTF8.self), value: value, modRevision: revision)
    }

    private static func unclear(_ call: String) -> ControlError {
        ControlError("etcd's answer to \(call) is not understood", remedy: "use etcd 3.4 or a later 3.x")
    }

    // MARK: - HTTP

    /// What etcd answers when it has not begun to carry out a call: it is not valid, not allowed, or there is no space. All
    /// other errors, a timeout for one, come in the middle of it as well.
    private static let refusals: Set<Int> = [400, 401, 403, 404, 429]

    /// No server has answered a call as it should.
    private struct Failure: Error, CustomStringConvertible {
        var error: ControlError
        /// Whether it is certain that no server has carried it out.
        var isCertain: Bool
        var description: String { "\(error)" }
    }

    private func call<Answer: Decodable>(_ path: String, _ request: some Encodable) async throws -> Answer {
        let body = try JSONEncoder().encode(request)
        var last = Failure(
            error: ControlError("no etcd server is named", remedy: "write etcd://host:port"), isCertain: true)
        for server in servers {
            let answer: HTTPCall.Answer
            let call = HTTPCall(host: server.host, port: server.port, tls: tls, answerBytesMax: Self.answerBytesMax)
            do {
                answer = try await call.post("/v3/\(path)", headers: [("content-type", "application/json")], body: body)
            } catch {
                last.error = ControlError(
                    "etcd at \(server.host):\(server.port) does not answer: \(error)",
                    remedy: tls == nil
                        ? "start it; one with TLS wants --state https://…" : "start it; check --state-ca, --state-cert")
                if !(error is HTTPCall.Unsent) { last.isCertain = false }
                continue
            }
            guard answer.status == 200 else {
                let text = String(decoding: answer.body.prefix(300), as: UTF8.self)
                // Another member of the cluster may have a leader.
                last.error = ControlError(
                    "etcd refuses \(path): \(answer.status) \(text)", remedy: "see etcd's log; its alarms and quota")
                if !Self.refusals.contains(answer.status) { last.isCertain = false }
                continue
            }
            guard let value = try? JSONDecoder().decode(Answer.self, from: answer.body) else {
                throw Failure(error: Self.unclear(path), isCertain: false)
            }
            return value
        }
        throw last
    }
}
