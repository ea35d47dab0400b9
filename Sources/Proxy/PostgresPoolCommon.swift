// SPDX-License-Identifier: Apache-2.0

import ProxyCore

/// What the clients of one PostgreSQL pool share.
final class PostgresPoolCommon: Initialisable {
    /// What clients are told at login, for one set of startup parameters.
    struct Welcome {
        var settings: SessionSettings
        var reported: [String: String]
    }

    let registry = StatementRegistry()
    /// Parameters a fresh connection reports; nil until there was one.
    var defaults: [String: String]?
    var welcomes: [String: Welcome] = [:]
    private var interned: [SessionSettings] = []

    /// The pool's own object for equal settings, so that comparing them is comparing references.
    func intern(_ settings: SessionSettings) -> SessionSettings {
        if settings.values.isEmpty { return .none }
        if let known = interned.first(where: { $0 == settings }) { return known }
        if interned.count >= 64 { interned.removeFirst() }
        interned.append(settings)
        return settings
    }
}
