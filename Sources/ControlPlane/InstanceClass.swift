// SPDX-License-Identifier: Apache-2.0

package import Engines
internal import Foundation

/// What a DB instance class means here: the memory and the processors that the engine's settings are made for.
package struct InstanceClass: Sendable, Equatable {
    let name: String
    let processors: Int
    package let memoryBytes: Int

    /// Buffers get no more than this part of the machine's memory, whatever the class.
    private static let machineShare = 4

    static let all: [InstanceClass] =
        [
            InstanceClass("db.t3.medium", 2, 4), InstanceClass("db.t3.large", 2, 8),
            InstanceClass("db.t4g.medium", 2, 4), InstanceClass("db.t4g.large", 2, 8),
        ] + family("db.r5") + family("db.r6g") + family("db.r6i") + family("db.r7g") + family("db.r8g")

    private init(_ name: String, _ processors: Int, _ gibibytes: Int) {
        self.name = name
        self.processors = processors
        memoryBytes = gibibytes << 30
    }

    private static func family(_ prefix: String) -> [InstanceClass] {
        [
            ("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16), ("8xlarge", 32), ("12xlarge", 48),
            ("16xlarge", 64),
        ]
        .map { InstanceClass("\(prefix).\($0.0)", $0.1, $0.1 * 8) }
    }

    package static func named(_ name: String) -> InstanceClass? { all.first { $0.name == name } }

    /// The engine's settings that follow from the class.
    package func settings(for engine: EngineKind) -> [String: String] {
        let variables = ParameterFormula.Variables(
            memoryBytes: memoryBytes, processors: processors, port: engine.defaultAPIPort)
        return (Self.parsed[engine] ?? [:]).compactMapValues { $0.value(variables).map(String.init) }
    }

    /// Settings are asked for in every description of an instance, so their formulas are read once.
    private static let parsed = Dictionary(
        uniqueKeysWithValues: EngineKind.allCases.map { kind in
            (kind, formulas(for: kind).compactMapValues { ParameterFormula($0) })
        })

    /// The formulas of those settings, which parameter groups show as values of the source `system`. The number of
    /// connections is Aurora's.
    static func formulas(for engine: EngineKind) -> [String: String] {
        let machineBytes = Int(clamping: ProcessInfo.processInfo.physicalMemory) / machineShare
        switch engine {
        case .postgres:
            return [
                // Pages of 8 KiB. The local cache's files are in the page cache as well, hence a quarter.
                "shared_buffers":
                    "GREATEST(LEAST({DBInstanceClassMemory/32768},\(machineBytes / 32768)),16384)",
                "effective_cache_size":
                    "GREATEST(LEAST({DBInstanceClassMemory*3/32768},\(machineBytes * 3 / 32768)),16384)",
                "max_connections": "LEAST({DBInstanceClassMemory/9531392},5000)",
                "max_parallel_workers": "{DBInstanceVCPU}",
                "max_worker_processes": "GREATEST({DBInstanceVCPU},8)",
            ]
        case .mariadb:
            return [
                // The engine takes whole MiB.
                "innodb_buffer_pool_size":
                    "GREATEST(LEAST({DBInstanceClassMemory/2},\((machineBytes >> 21) << 20)),134217728)",
                "max_connections":
                    "GREATEST({log(DBInstanceClassMemory/805306368,2)*45},{log(DBInstanceClassMemory/8187281408,2)*1000})",
                "thread_cache_size": "{DBInstanceVCPU*16}",
            ]
        }
    }
}
