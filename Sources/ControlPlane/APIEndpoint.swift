// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Foundation
internal import Logging

/// Answers requests: who signed it, which service, which operation, its input, its answer.
struct APIEndpoint: Sendable {
    /// Longer bodies are refused.
    static let bodyBytesMax = 1 << 20

    private let services: [String: any AWSService]
    private let signatures: SignatureV4
    private let logger: Logger

    init(_ services: [any AWSService], keys: AccessKeyFile, logger: Logger) {
        self.services = Dictionary(uniqueKeysWithValues: services.map { ($0.model.signingName, $0) })
        signatures = SignatureV4(region: keys.current.region, services: Set(self.services.keys)) {
            keys.current.secret(of: $0)
        }
        self.logger = logger
    }

    func answer(_ request: HTTPRequestMessage) async -> HTTPResponseMessage {
        let requestID = UUID().uuidString.lowercased()
        // Before the signature is right, only the answer's shape depends on what the client says.
        var model = claimedModel(request)
        do throws(AWSError) {
            let signer = try signatures.verify(request, now: .now)
            guard let service = services[signer.service] else { throw AWSError.internalFailure }
            model = service.model
            return try await perform(request, service, signer, requestID: requestID)
        } catch {
            logger.debug("refused", metadata: ["code": "\(error.code)", "request": "\(requestID)"])
            return Self.message(error.status, model, requestID: requestID) {
                XMLCodec.error(error, model: model, requestID: requestID)
            } json: {
                JSONCodec.error(error)
            }
        }
    }

    private static func message(
        _ status: Int, _ model: ServiceModel, requestID: String, xml: () -> [UInt8], json: () -> [UInt8]
    ) -> HTTPResponseMessage {
        switch model.wireProtocol {
        case .query, .ec2, .restJSON:
            HTTPResponseMessage(
                status: status, contentType: "text/xml", headers: ["x-amzn-requestid": requestID], body: xml())
        case .json(let version):
            HTTPResponseMessage(
                status: status, contentType: "application/x-amz-json-\(version)",
                headers: ["x-amzn-requestid": requestID], body: json())
        }
    }

    private func perform(
        _ request: HTTPRequestMessage, _ service: any AWSService, _ signer: SignatureV4.Signer, requestID: String
    ) async throws(AWSError) -> HTTPResponseMessage {
        let model = service.model
        let (operation, input) = try Self.decode(request, model)
        let value: AWSValue
        do {
            value = try await service.perform(operation.name, Input(input), caller: signer)
        } catch let error as AWSError {
            throw error
        } catch {
            logger.error(
                "an operation failed",
                metadata: ["operation": "\(operation.name)", "request": "\(requestID)", "error": "\(error)"])
            throw .internalFailure
        }
        return Self.message(200, model, requestID: requestID) {
            XMLCodec.answer(value, to: operation, model: model, requestID: requestID)
        } json: {
            JSONCodec.answer(value, to: operation, model: model)
        }
    }

    /// The operation that a request is about, and its input.
    private static func decode(
        _ request: HTTPRequestMessage, _ model: ServiceModel
    ) throws(AWSError) -> (AWSProtocol.Operation, AWSValue) {
        if case .json = model.wireProtocol {
            let target = request.header("x-amz-target") ?? ""
            guard let operation = JSONCodec.operation(target: target, model: model) else {
                throw AWSError("UnknownOperationException", "There is no operation \(target.prefix(100)).")
            }
            return (operation, try JSONCodec.decode(request.body, of: operation, model: model))
        }
        let parameters = try QueryCodec.Parameters(
            form: request.body.isEmpty ? Array(request.query.utf8) : request.body)
        guard let action = parameters["Action"], !action.isEmpty else {
            throw AWSError("MissingAction", "The request is missing an action or a required parameter.")
        }
        let version = parameters["Version"] ?? model.version
        guard version == model.version, let operation = model.operations[action] else {
            throw AWSError(
                "InvalidAction", "Could not find operation \(action.prefix(100)) for version \(version.prefix(20))")
        }
        return (operation, try QueryCodec.decode(parameters, of: operation, model: model))
    }

    private func claimedModel(_ request: HTTPRequestMessage) -> ServiceModel {
        let text = (request.header("authorization") ?? "") + request.query
        let found = services.first {
            text.contains("/\($0.key)/aws4_request") || text.contains("%2F\($0.key)%2Faws4_request")
        }
        return found?.value.model ?? .rds
    }
}
