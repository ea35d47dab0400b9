// SPDX-License-Identifier: Apache-2.0

/// What of a configuration a running proxy can change.
extension ProxyConfiguration {
    /// The settings in which `wanted` differs and that hold from start to end, as the file calls them.
    func differences(needingRestart wanted: ProxyConfiguration) -> [String] {
        var names: [String] = []
        if wanted.threads != threads { names.append("threads") }
        if wanted.metrics != metrics { names.append("metrics") }
        if wanted.proxyID != proxyID { names.append("proxy_id") }
        // Groups have no identity but their place.
        if wanted.groups.map(\.engine) != groups.map(\.engine) { names.append("groups") }
        if wanted.groups.map(\.targetTLS) != groups.map(\.targetTLS) { names.append("target_tls") }
        return names
    }

    /// This configuration with what cannot be changed taken from `running`, which has the same groups.
    func keeping(_ running: ProxyConfiguration) -> ProxyConfiguration {
        var kept = self
        kept.threads = running.threads
        kept.metrics = running.metrics
        kept.proxyID = running.proxyID
        for index in kept.groups.indices { kept.groups[index].targetTLS = running.groups[index].targetTLS }
        return kept
    }
}
