// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Engines
internal import Foundation

/// Parameter groups of both levels, which differ in the names of their operations and members only.
private struct GroupAPI: Sendable {
    let level: ParameterGroupRecord.Level

    /// `DBClusterParameterGroup`
    var noun: String { level == .cluster ? "DBClusterParameterGroup" : "DBParameterGroup" }
    var nameKey: String { "\(noun)Name" }
    var arnType: String { level == .cluster ? "cluster-pg" : "pg" }
    var groupsKey: String { "\(noun)s" }
}

extension RDSService {
    static let parameterHandlers: [String: Handler] = {
        var handlers: [String: Handler] = [:]
        for api in [GroupAPI(level: .cluster), GroupAPI(level: .instance)] {
            let noun = api.noun
            handlers["Create\(noun)"] = { try await $0.createGroup($1, api) }
            handlers["Copy\(noun)"] = { try await $0.copyGroup($1, api) }
            handlers["Modify\(noun)"] = { try await $0.modifyGroup($1, api) }
            handlers["Reset\(noun)"] = { try await $0.resetGroup($1, api) }
            handlers["Delete\(noun)"] = { try await $0.deleteGroup($1, api) }
            handlers["Describe\(noun)s"] = { try $0.describeGroups($1, api) }
            let parameters = api.level == .cluster ? "DescribeDBClusterParameters" : "DescribeDBParameters"
            handlers[parameters] = { try await $0.describeParameters($1, api) }
            let defaults =
                api.level == .cluster ? "DescribeEngineDefaultClusterParameters" : "DescribeEngineDefaultParameters"
            handlers[defaults] = { try await $0.describeDefaults($1) }
        }
        return handlers
    }()

    private static let changesMax = 20

    // MARK: - Groups

    private func createGroup(_ input: Input, _ api: GroupAPI) async throws -> AWSValue {
        let name = try input.identifier(api.nameKey, lengthMax: 255)
        let family = try input.required("DBParameterGroupFamily")
        guard offers.contains(where: { $0.family == family }) else {
            let families = offers.map(\.family).joined(separator: ", ")
            throw AWSError.invalidValue(
                "ParameterGroupFamily \(family) is not a valid parameter group family. This region has \(families).")
        }
        let group = ParameterGroupRecord(
            level: api.level, name: name, family: family, description: try input.required("Description"), values: [:],
            tags: try input.tags())
        return try await insert(group, api)
    }

    private func copyGroup(_ input: Input, _ api: GroupAPI) async throws -> AWSValue {
        let source = try parameterGroup(api.level, input.required("Source\(api.noun)Identifier"), in: state)
        var group = source
        group.name = try input.identifier("Target\(api.noun)Identifier", lengthMax: 255)
        group.description = try input.required("Target\(api.noun)Description")
        group.tags = try input.tags()
        return try await insert(group, api)
    }

    private func insert(_ group: ParameterGroupRecord, _ api: GroupAPI) async throws -> AWSValue {
        try await update { state in
            guard state.parameterGroup(api.level, group.name, offers) == nil else {
                throw fault("DBParameterGroupAlreadyExistsFault", "Parameter group \(group.name) already exists")
            }
            guard state.parameterGroups.values.count(where: { $0.level == api.level }) < Quota.parameterGroups else {
                throw fault(
                    "DBParameterGroupQuotaExceededFault",
                    "The quota of \(Quota.parameterGroups) parameter groups is reached.")
            }
            state.parameterGroups[group.id] = group
            return [api.noun: describe(group, api)]
        }
    }

    private func deleteGroup(_ input: Input, _ api: GroupAPI) async throws -> AWSValue {
        let name = try input.required(api.nameKey)
        return try await update { state in
            let group = try parameterGroup(api.level, name, in: state)
            guard !group.isDefault else {
                throw invalidGroup("\(group.name) is a default parameter group, which cannot be deleted.")
            }
            let isUsed =
                api.level == .cluster
                ? state.clusters.values.contains { $0.parameterGroup == group.name }
                : state.instances.values.contains { $0.parameterGroup == group.name }
            guard !isUsed else {
                throw invalidGroup(
                    "One or more database \(api.level.rawValue)s are still members of this parameter group \(group.name), so the group cannot be deleted"
                )
            }
            state.parameterGroups[group.id] = nil
            return [:]
        }
    }

    private func invalidGroup(_ message: String) -> AWSError { fault("InvalidDBParameterGroupStateFault", message) }

    private func describeGroups(_ input: Input, _ api: GroupAPI) throws -> AWSValue {
        let state = state
        var groups = state.parameterGroups.values.filter { $0.level == api.level }
        // A default group is stored once it has tags.
        groups += state.defaultGroups(api.level, offers).filter { state.parameterGroups[$0.id] == nil }
        if let name = input.string(api.nameKey), !name.isEmpty {
            groups = [try parameterGroup(api.level, name, in: state)]
        }
        let filters = try Filters<ParameterGroupRecord>(input, [:])
        groups = groups.filter(filters.admits).sorted { $0.name < $1.name }
        return try Page(input).answer(groups, as: api.groupsKey, key: \.name) { describe($0, api) }
    }

    private func describe(_ group: ParameterGroupRecord, _ api: GroupAPI) -> AWSValue {
        [
            "\(api.noun)Name": .string(group.name), "DBParameterGroupFamily": .string(group.family),
            "Description": .string(group.description),
            "\(api.noun)Arn": .string(account.arn(api.arnType, group.name)),
        ]
    }

    // MARK: - Parameters

    private func modifyGroup(_ input: Input, _ api: GroupAPI) async throws -> AWSValue {
        let name = try input.required(api.nameKey)
        let changes = input.structures("Parameters") ?? []
        guard (1...Self.changesMax).contains(changes.count) else {
            throw AWSError.invalidValue("Between 1 and \(Self.changesMax) parameters can be modified in one request.")
        }
        return try await changeValues(name, api) { group, catalog, note in
            for change in changes {
                let name = try change.required("ParameterName").lowercased()
                let parameter = try modifiable(name, catalog)
                guard let value = change.string("ParameterValue") else {
                    throw AWSError.missingParameter("ParameterValue")
                }
                let method = try applyMethod(change, of: parameter)
                try check(try Self.sample(of: value, parameter), of: parameter, catalog)
                group.values[name] = .init(value: value, waitsForReboot: method == "pending-reboot")
                note(.parameterUpdated(name, to: value, method: method))
            }
        }
    }

    private func resetGroup(_ input: Input, _ api: GroupAPI) async throws -> AWSValue {
        let name = try input.required(api.nameKey)
        let changes = input.structures("Parameters") ?? []
        let resetsAll = input.boolean("ResetAllParameters") ?? changes.isEmpty
        guard resetsAll != !changes.isEmpty else {
            throw AWSError.invalidCombination("ResetAllParameters and Parameters exclude each other.")
        }
        return try await changeValues(name, api) { group, catalog, _ in
            if resetsAll { group.values = [:] }
            for change in changes {
                let name = try change.required("ParameterName").lowercased()
                _ = try applyMethod(change, of: modifiable(name, catalog))
                group.values[name] = nil
            }
        }
    }

    private func changeValues(
        _ name: String, _ api: GroupAPI,
        _ body: @Sendable (inout ParameterGroupRecord, ParameterCatalogRecord, (EventKind) -> Void) throws -> Void
    ) async throws -> AWSValue {
        await learnCatalog(try parameterGroup(api.level, name, in: state).family)
        return try await withoutActuallyEscaping(body) { body in
            try await update { state in
                var group = try parameterGroup(api.level, name, in: state)
                guard !group.isDefault else {
                    throw invalidGroup("\(group.name) is a default parameter group, which cannot be modified.")
                }
                var events: [EventKind] = []
                try body(&group, try catalog(group.family, state)) { events.append($0) }
                state.parameterGroups[group.id] = group
                for event in events { state.note(event, group: group, account: account, now: .now) }
                return [api.nameKey: .string(group.name)]
            }
        }
    }

    private func modifiable(
        _ name: String, _ catalog: ParameterCatalogRecord
    ) throws -> ParameterCatalogRecord.Parameter {
        guard let parameter = catalog.parameters.first(where: { $0.name == name }) else {
            throw AWSError.invalidValue("Could not find parameter with name: \(name)")
        }
        guard parameter.isModifiable else { throw AWSError.invalidValue("The parameter \(name) cannot be modified.") }
        return parameter
    }

    private func applyMethod(
        _ change: Input, of parameter: ParameterCatalogRecord.Parameter
    ) throws -> String {
        let method = change.string("ApplyMethod") ?? (parameter.isDynamic ? "immediate" : "pending-reboot")
        guard ["immediate", "pending-reboot"].contains(method) else {
            throw AWSError.invalidValue("ApplyMethod is immediate or pending-reboot.")
        }
        guard method == "pending-reboot" || parameter.isDynamic else {
            throw AWSError.invalidCombination(
                "cannot use immediate apply method for static parameter \(parameter.name)")
        }
        return method
    }

    /// What a formula gives for some instance class; any other text is itself.
    private static func sample(
        of value: String, _ parameter: ParameterCatalogRecord.Parameter
    ) throws(AWSError) -> String {
        guard ParameterFormula.isFormula(value) else { return value }
        let variables = ParameterFormula.Variables(memoryBytes: 16 << 30, processors: 2, port: 5432)
        guard ["integer", "float"].contains(parameter.dataType), let number = ParameterFormula(value)?.value(variables)
        else {
            throw .invalidValue(
                "Invalid parameter value: \(value.prefix(100)) for: \(parameter.name). It is not a formula of numbers.")
        }
        return "\(number)"
    }

    private func check(
        _ value: String, of parameter: ParameterCatalogRecord.Parameter, _ catalog: ParameterCatalogRecord
    ) throws {
        let refusal = AWSError.invalidValue(
            "Invalid parameter value: \(value.prefix(100)) for: \(parameter.name) allowed values are: \(parameter.allowed ?? parameter.dataType)"
        )
        if let engine = offers.first(where: { $0.family == catalog.id })?.kind {
            do { _ = try engine.parseSetting("\(parameter.name)=\(value)") } catch {
                throw AWSError.invalidValue("\(error)")
            }
        }
        switch parameter.dataType {
        case "boolean":
            guard ["0", "1", "on", "off", "true", "false"].contains(value.lowercased()) else { throw refusal }
        case "integer", "float":
            guard let number = Double(value),
                parameter.dataType == "float" || Int64(value) != nil || UInt64(value) != nil
            else {
                throw refusal
            }
            if let match = parameter.allowed?.wholeMatch(of: /(-?[0-9.e+]+)-(-?[0-9.e+]+)/), let low = Double(match.1),
                let high = Double(match.2), !(low...high).contains(number)
            {
                throw refusal
            }
        default:
            // A list's elements are the engine's to judge.
            if parameter.dataType == "string", let allowed = parameter.allowed {
                let choices = allowed.split(separator: ",").map { $0.lowercased() }
                guard choices.contains(value.lowercased()) else { throw refusal }
            }
        }
    }

    /// Has a family's engine say what it can be told, where none has run yet.
    private func learnCatalog(_ family: String) async {
        guard state.catalogs[family] == nil, let offer = offers.first(where: { $0.family == family }),
            let catalog = try? await scratch.catalog(of: offer)
        else { return }
        try? await update { if $0.catalogs[family] == nil { $0.catalogs[family] = catalog } }
    }

    /// What the engine of a family can be told, in the order of pages. It says so itself; its order is its collation's.
    private func catalog(_ family: String, _ state: DesiredState) throws -> ParameterCatalogRecord {
        guard var found = state.catalogs[family] else {
            throw fault(
                "InvalidDBParameterGroupStateFault",
                "The engine of \(family) does not tell its parameters: create an instance, or wait for it."
            )
        }
        found.parameters.sort { $0.name < $1.name }
        return found
    }

    /// What parameters of a family are unless a group says something else, where that depends on the instance's class.
    private func systemValues(_ family: String) -> [String: String] {
        offers.first { $0.family == family }.map { InstanceClass.formulas(for: $0.kind) } ?? [:]
    }

    private func describeParameters(_ input: Input, _ api: GroupAPI) async throws -> AWSValue {
        let group = try parameterGroup(api.level, input.required(api.nameKey), in: state)
        await learnCatalog(group.family)
        let state = state
        let system = systemValues(group.family)
        var parameters = try catalog(group.family, state).parameters
        if let source = input.string("Source"), !source.isEmpty {
            guard Self.sources.contains(source) else {
                throw AWSError.invalidValue("Source \(source) is not user, system or engine-default.")
            }
            parameters = parameters.filter { Self.source(of: $0.name, group.values, system) == source }
        }
        let filters = try Filters<ParameterCatalogRecord.Parameter>(input, ["parameter-name": { [$0.name] }])
        return try Page(input).answer(parameters.filter(filters.admits), as: "Parameters", key: \.name) {
            describe($0, group.values, system)
        }
    }

    private func describeDefaults(_ input: Input) async throws -> AWSValue {
        let family = try input.required("DBParameterGroupFamily")
        guard offers.contains(where: { $0.family == family }) else {
            throw AWSError.invalidValue("ParameterGroupFamily \(family) is not a valid parameter group family.")
        }
        let filters = try Filters<ParameterCatalogRecord.Parameter>(input, ["parameter-name": { [$0.name] }])
        await learnCatalog(family)
        let parameters = try catalog(family, state).parameters.filter(filters.admits)
        let page = try Page(input).answer(parameters, as: "Parameters", key: \.name) {
            describe($0, [:], systemValues(family))
        }
        return [
            "EngineDefaults": .structure(
                (page.structure ?? [:]).merging(["DBParameterGroupFamily": .string(family)]) { $1 })
        ]
    }

    private static let sources = ["user", "system", "engine-default"]

    /// Where a parameter's value is from: the group, the region, or the engine.
    private static func source(
        of name: String, _ values: [String: ParameterGroupRecord.Value], _ system: [String: String]
    ) -> String {
        values[name] != nil ? sources[0] : system[name] != nil ? sources[1] : sources[2]
    }

    private func describe(
        _ parameter: ParameterCatalogRecord.Parameter, _ values: [String: ParameterGroupRecord.Value],
        _ system: [String: String]
    ) -> AWSValue {
        let set = values[parameter.name]
        var fields: [String: AWSValue] = [
            "ParameterName": .string(parameter.name),
            "Source": .string(Self.source(of: parameter.name, values, system)),
            "ApplyType": parameter.isDynamic ? "dynamic" : "static", "DataType": .string(parameter.dataType),
            "IsModifiable": .boolean(parameter.isModifiable),
            "ApplyMethod": set.map { $0.waitsForReboot ? "pending-reboot" : "immediate" } ?? "pending-reboot",
        ]
        if let value = set?.value ?? system[parameter.name] ?? parameter.value {
            fields["ParameterValue"] = .string(value)
        }
        if let allowed = parameter.allowed { fields["AllowedValues"] = .string(allowed) }
        return .structure(fields)
    }
}
