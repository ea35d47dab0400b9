// SPDX-License-Identifier: Apache-2.0

/// What a client is answered when its request is not done.
package struct AWSError: Error, Sendable, Equatable {
    package var code: String
    package var message: String
    /// HTTP's.
    package var status: Int
    package var isSenderFault: Bool

    package init(_ code: String, _ message: String, status: Int = 400) {
        self.code = code
        self.message = message
        self.status = status
        isSenderFault = status < 500
    }

    /// An error that the service's table describes; its code may differ from the shape's name.
    package init(_ model: ServiceModel, _ shape: String, _ message: String) {
        let found = model.errors[shape]
        code = found?.code ?? shape
        status = found?.status ?? 400
        isSenderFault = found?.isSenderFault ?? true
        self.message = message
    }
}

/// Errors that every service has.
extension AWSError {
    package static func missingParameter(_ name: String) -> AWSError {
        AWSError("MissingParameter", "The request must contain the parameter \(name).")
    }

    package static func invalidValue(_ message: String) -> AWSError { AWSError("InvalidParameterValue", message) }

    package static func invalidCombination(_ message: String) -> AWSError {
        AWSError("InvalidParameterCombination", message)
    }

    package static func malformed(_ message: String) -> AWSError { AWSError("MalformedInput", message) }

    /// The operation exists at AWS, and not here. The status is not one that clients try again.
    package static func notImplemented(_ message: String) -> AWSError {
        var error = AWSError("NotImplemented", message, status: 501)
        error.isSenderFault = true
        return error
    }

    package static let requestTooLarge = AWSError(
        "RequestEntityTooLarge", "The request's body is longer than what is read of one.", status: 413)

    package static let internalFailure = AWSError(
        "InternalFailure", "The request failed because of an error of the control plane; its log says which.",
        status: 500)
}
