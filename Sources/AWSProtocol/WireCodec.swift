// SPDX-License-Identifier: Apache-2.0

/// One service's requests and answers, in whichever protocol it speaks.
package enum WireCodec {
    /// The operation that a request is about, and its input.
    package static func read(
        _ request: HTTPRequestMessage, _ model: ServiceModel
    ) throws(AWSError) -> (Operation, AWSValue) {
        switch model.wireProtocol {
        case .query, .ec2: return try readForm(request, model)
        case .json:
            let target = request.header("x-amz-target") ?? ""
            guard let operation = JSONCodec.operation(target: target, model: model) else {
                throw AWSError("UnknownOperationException", "There is no operation \(target.prefix(100)).")
            }
            return (operation, try JSONCodec.decode(request.body, of: operation, model: model))
        case .restJSON:
            guard let (operation, labels) = RestJSONCodec.operation(of: request, model: model) else {
                throw AWSError(
                    "UnknownOperationException", "There is nothing at \(request.method) \(request.path.prefix(100)).",
                    status: 404)
            }
            return (operation, try RestJSONCodec.decode(request, of: operation, labels: labels, model: model))
        }
    }

    private static func readForm(
        _ request: HTTPRequestMessage, _ model: ServiceModel
    ) throws(AWSError) -> (Operation, AWSValue) {
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

    /// - Precondition: the value has the operation's output shape
    package static func answer(
        _ value: AWSValue, to operation: Operation, model: ServiceModel, requestID: String
    ) -> HTTPResponseMessage {
        var answer: HTTPResponseMessage
        switch model.wireProtocol {
        case .query, .ec2:
            answer = HTTPResponseMessage(
                status: 200, contentType: "text/xml",
                body: XMLCodec.answer(value, to: operation, model: model, requestID: requestID))
        case .json(let version):
            answer = HTTPResponseMessage(
                status: 200, contentType: "application/x-amz-json-\(version)",
                body: JSONCodec.answer(value, to: operation, model: model))
        case .restJSON: answer = RestJSONCodec.answer(value, to: operation, model: model)
        }
        answer.headers["x-amzn-requestid"] = requestID
        return answer
    }

    package static func error(_ error: AWSError, model: ServiceModel, requestID: String) -> HTTPResponseMessage {
        var answer: HTTPResponseMessage
        switch model.wireProtocol {
        case .query, .ec2:
            answer = HTTPResponseMessage(
                status: error.status, contentType: "text/xml",
                body: XMLCodec.error(error, model: model, requestID: requestID))
        case .json(let version):
            answer = HTTPResponseMessage(
                status: error.status, contentType: "application/x-amz-json-\(version)", body: JSONCodec.error(error))
        case .restJSON: answer = RestJSONCodec.error(error)
        }
        answer.headers["x-amzn-requestid"] = requestID
        return answer
    }
}
