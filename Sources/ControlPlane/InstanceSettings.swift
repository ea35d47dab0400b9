// SPDX-License-Identifier: Apache-2.0

internal import Engines

/// What an instance's engine should run with, and what of that has to wait for a reboot.
struct InstanceSettings {
    /// The values for the engine's next start.
    let wanted: [String: String]
    /// Those that the running engine can be given now; a removed one has its default.
    let changesNow: [String: String]
    let clusterStatus: String
    let instanceStatus: String

    private static let inSync = "in-sync"
    private static let pendingReboot = "pending-reboot"

    init(_ instance: InstanceRecord, _ cluster: ClusterRecord, _ state: DesiredState) {
        let clusterValues =
            state.parameterGroups[ParameterGroupRecord.id(.cluster, cluster.parameterGroup)]?.values ?? [:]
        let instanceValues =
            state.parameterGroups[ParameterGroupRecord.id(.instance, instance.parameterGroup)]?.values ?? [:]
        // An engine that was found running keeps what it was started with.
        let isTouched = instance.generation > 0
        let base = isTouched ? InstanceClass.named(instance.instanceClass)?.settings(for: cluster.engine) ?? [:] : [:]
        let values = clusterValues.merging(instanceValues) { $1 }
        let variables = ParameterFormula.Variables(
            memoryBytes: InstanceClass.named(instance.instanceClass)?.memoryBytes ?? 0,
            processors: InstanceClass.named(instance.instanceClass)?.processors ?? 1, port: cluster.port)
        wanted = base.merging(values.mapValues { Self.resolve($0.value, variables) }) { $1 }

        guard let applied = instance.applied else {
            changesNow = [:]
            clusterStatus = Self.inSync
            instanceStatus = Self.inSync
            return
        }
        var now: [String: String] = [:]
        var (clusterWaits, instanceWaits) = (false, false)
        let catalog = state.catalogs[cluster.family]
        let sameGroups =
            applied.clusterGroup == cluster.parameterGroup && applied.instanceGroup == instance.parameterGroup
        for name in Set(wanted.keys).union(applied.settings.keys) where wanted[name] != applied.settings[name] {
            let parameter = catalog?.parameters.first { $0.name == name }
            let waits = values[name]?.waitsForReboot ?? false
            if sameGroups, !waits, parameter?.isDynamic == true, let value = wanted[name] ?? parameter?.value {
                now[name] = value
            } else if instanceValues[name] != nil {
                instanceWaits = true
            } else {
                clusterWaits = true
            }
        }
        changesNow = now
        let clusterSwapped = applied.clusterGroup != cluster.parameterGroup
        let instanceSwapped = applied.instanceGroup != instance.parameterGroup
        clusterStatus = clusterWaits || clusterSwapped ? Self.pendingReboot : Self.inSync
        instanceStatus =
            instanceWaits || instanceSwapped ? Self.pendingReboot : now.isEmpty ? Self.inSync : "applying"
    }
}

extension InstanceSettings {
    /// A formula's value for the instance; any other text is itself.
    private static func resolve(_ text: String, _ variables: ParameterFormula.Variables) -> String {
        guard ParameterFormula.isFormula(text), let value = ParameterFormula(text)?.value(variables) else {
            return text
        }
        return "\(value)"
    }
}

extension ClusterRecord {
    /// The parameter group family of what it runs.
    var family: String {
        EngineOffer(kind: engine, version: engineVersion, binaries: "").family
    }
}
