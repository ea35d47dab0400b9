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
            return WireCodec.error(error, model: model, requestID: requestID)
        }
    }

    /// The answer to a request that is refused before it is read.
    func refuse(_ request: HTTPRequestMessage, _ error: AWSError) -> HTTPResponseMessage {
        WireCodec.error(error, model: claimedModel(request), requestID: UUID().uuidString.lowercased())
    }

    private func perform(
        _ request: HTTPRequestMessage, _ service: any AWSService, _ signer: SignatureV4.Signer, requestID: String
    ) async throws(AWSError) -> HTTPResponseMessage {
        let model = service.model
        let (operation, input) = try WireCodec.read(request, model)
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
        return WireCodec.answer(value, to: operation, model: model, requestID: requestID)
    }

    private func claimedModel(_ request: HTTPRequestMessage) -> ServiceModel {
        let text = (request.header("authorization") ?? "") + request.query
        let found = services.first {
            text.contains("/\($0.key)/aws4_request") || text.contains("%2F\($0.key)%2Faws4_request")
        }
        return found?.value.model ?? .rds
    }
}
