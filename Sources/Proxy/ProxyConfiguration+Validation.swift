// SPDX-License-Identifier: Apache-2.0

import PostgresWire
import ProxyCore

extension ProxyConfiguration {
    /// Throws for what each setting by itself does not show: such as contradict each other, or could never be of use.
    func validate() throws(Invalid) {
        guard !groups.isEmpty else { throw Invalid("groups", "is empty") }
        var taken: Set<Address> = []
        for (index, group) in groups.enumerated() {
            let path = "groups[\(index)]"
            try group.validate(path)
            for (index, listener) in group.listeners.enumerated() {
                let path = "\(path).listeners[\(index)]"
                guard listener.port == 0 || taken.insert(listener.address).inserted else {
                    throw Invalid(path, "has the address of another listener")
                }
                guard listener.tls != nil || !listener.requireTLS else {
                    throw Invalid("\(path).require_tls", "needs tls, with a certificate and its key")
                }
            }
        }
    }
}

extension ProxyConfiguration.Group {
    fileprivate func validate(_ path: String) throws(ProxyConfiguration.Invalid) {
        guard targetsFile != nil || !targets.isEmpty else {
            throw .init("\(path).targets", "is empty, and there is no targets_file")
        }
        guard !listeners.isEmpty else { throw .init("\(path).listeners", "is empty") }
        // A region's proxy may have nobody to let in for a while; it looks after its targets all the same.
        guard !users.isEmpty || healthPassword != nil else { throw .init("\(path).users", "is empty") }
        var names: Set<String> = []
        for (index, user) in users.enumerated() {
            let path = "\(path).users[\(index)]"
            guard names.insert(user.name).inserted else { throw .init(path, "names \(user.name) a second time") }
            try user.validate(path, engine)
            guard user.method != .iam || listeners.contains(where: { $0.tls != nil }) else {
                throw .init("\(path).method", "IAM needs a listener with tls, as tokens are taken over TLS only")
            }
        }
        guard healthPassword != nil || healthUser.map(names.contains) ?? true else {
            throw .init("\(path).health", "has no password, and its user is none of the group's users")
        }
    }
}

extension ProxyConfiguration.User {
    fileprivate func validate(_ path: String, _ engine: ProxyConfiguration.Engine) throws(ProxyConfiguration.Invalid) {
        switch (method, engine) {
        case (.native, .postgresql), (.cachingSHA2, .postgresql), (.scram, .mysql), (.md5, .mysql):
            throw .init("\(path).method", "is another engine's")
        case (nil, _), (.scram, _), (.md5, _), (.native, _), (.cachingSHA2, _), (.cleartext, _), (.trust, _), (.iam, _):
            break
        }
        guard password != nil || method == .trust || method == .iam else {
            throw .init("\(path).password", "is missing; a user who needs none has the method TRUST")
        }
        guard backendPassword != nil || !(method == .iam || isVerifier(engine)) else {
            throw .init(
                "\(path).backend_password", "is missing: with what \(name) shows the proxy cannot log in to a server")
        }
    }

    /// Whether `password` only serves to check one.
    private func isVerifier(_ engine: ProxyConfiguration.Engine) -> Bool {
        guard let text = password?.reveal() else { return false }
        return switch (engine, method) {
        case (.postgresql, nil), (.postgresql, .scram): SCRAMVerifier(parsing: text) != nil
        case (.postgresql, .md5): PasswordDigests.isMD5(text)
        case (.mysql, nil), (.mysql, .native): FileAuthenticator.nativeDigest(text) != nil
        default: false
        }
    }
}
