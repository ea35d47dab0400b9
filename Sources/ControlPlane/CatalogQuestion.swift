// SPDX-License-Identifier: Apache-2.0

internal import Engines

/// How an engine is asked what can be set, and what its answer means.
struct CatalogQuestion {
    let kind: EngineKind

    /// One query without a semicolon, whose rows `parameters` understands.
    var sql: String {
        switch kind {
        case .postgres:
            """
            SELECT name, coalesce(boot_val, ''), vartype, coalesce(min_val, ''), coalesce(max_val, ''),
                coalesce(array_to_string(enumvals, ','), ''), context
            FROM pg_settings WHERE context <> 'internal' AND name NOT LIKE '%.%' ORDER BY name
            """
        case .mariadb:
            """
            SELECT LOWER(VARIABLE_NAME), COALESCE(DEFAULT_VALUE, ''), VARIABLE_TYPE, COALESCE(NUMERIC_MIN_VALUE, ''),
                COALESCE(NUMERIC_MAX_VALUE, ''), COALESCE(ENUM_VALUE_LIST, ''), READ_ONLY
            FROM information_schema.SYSTEM_VARIABLES
            WHERE VARIABLE_SCOPE <> 'SESSION ONLY' AND COALESCE(COMMAND_LINE_ARGUMENT, 'NULL') <> 'NULL'
                OR VARIABLE_NAME IN ('CHARACTER_SET_SERVER', 'COLLATION_SERVER', 'TIME_ZONE', 'TX_ISOLATION') ORDER BY 1
            """
        }
    }

    func parameters(_ rows: [[String]]) -> [ParameterCatalogRecord.Parameter] {
        rows.filter { $0.count == 7 }.map { kind == .postgres ? postgres($0) : maria($0) }
    }

    private func postgres(_ row: [String]) -> ParameterCatalogRecord.Parameter {
        let types = ["bool": "boolean", "integer": "integer", "real": "float", "string": "string", "enum": "string"]
        let range = row[3].isEmpty ? nil : "\(row[3])-\(row[4])"
        let values = row[5].isEmpty ? nil : row[5]
        return parameter(
            row[0], value: row[1], type: types[row[2]] ?? "string",
            allowed: row[2] == "bool" ? "0,1" : range ?? values, isDynamic: row[6] != "postmaster")
    }

    /// What CONNECTION ADMIN may `SET GLOBAL`. Everything else takes SUPER, which nobody has, so it waits for a reboot.
    private static let settableInMaria: Set<String> = [
        "connect_timeout", "init_connect", "max_connect_errors", "max_connections", "max_password_errors",
        "slow_launch_time",
    ]

    /// Names of zones are in tables that a new volume's are empty of, and a server does not start with a name it does not know.
    private static let timeZones: String = {
        let offsets = (-25...28).map { halves in
            let (sign, minutes) = (halves < 0 ? "-" : "+", abs(halves) * 30)
            let (hours, rest) = minutes.quotientAndRemainder(dividingBy: 60)
            return "\(sign)\(hours < 10 ? "0" : "")\(hours):\(rest == 0 ? "00" : "30")"
        }
        return (["SYSTEM"] + offsets).joined(separator: ",")
    }()

    private func maria(_ row: [String]) -> ParameterCatalogRecord.Parameter {
        let type =
            switch row[2] {
            case "BOOLEAN": "boolean"
            case "DOUBLE": "float"
            case "SET", "FLAGSET": "list"
            case "ENUM", "VARCHAR", "VARCHAR(0)": "string"
            default: row[3].isEmpty ? "string" : "integer"
            }
        let range = row[3].isEmpty ? nil : "\(row[3])-\(row[4])"
        let values = row[0] == "time_zone" ? Self.timeZones : row[5].isEmpty ? nil : row[5]
        return parameter(
            row[0], value: row[1], type: type, allowed: type == "boolean" ? "0,1" : values ?? range,
            isDynamic: row[6] == "NO" && Self.settableInMaria.contains(row[0]))
    }

    private func parameter(
        _ name: String, value: String, type: String, allowed: String?, isDynamic: Bool
    ) -> ParameterCatalogRecord.Parameter {
        var value: String? = value.isEmpty ? nil : value
        if type == "boolean", let word = value?.lowercased() { value = ["on", "1", "true"].contains(word) ? "1" : "0" }
        // What durability rests on is refused by the engine's adapter, whatever the value.
        let isModifiable = (try? kind.parseSetting("\(name)=\(Self.unlikely)")) != nil
        return ParameterCatalogRecord.Parameter(
            name: name, value: value, dataType: type, allowed: allowed, isDynamic: isDynamic,
            isModifiable: isModifiable)
    }

    private static let unlikely = "borealis"
}
