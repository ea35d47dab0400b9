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

    /// Memory that buffers are cut from.
    private var usableBytes: Int {
        min(memoryBytes, Int(clamping: ProcessInfo.processInfo.physicalMemory) / Self.machineShare)
    }

    /// LEAST({DBInstanceClassMemory/9531392},5000), as Aurora PostgreSQL has it.
    private var postgresConnections: Int { min(memoryBytes / 9_531_392, 5000) }

    /// GREATEST({log(DBInstanceClassMemory/805306368,2)*45},{log(DBInstanceClassMemory/8187281408,2)*1000}), as Aurora
    /// MySQL has it.
    private var mariaConnections: Int {
        let memory = Double(memoryBytes)
        return Int(max(log2(memory / 805_306_368) * 45, log2(memory / 8_187_281_408) * 1000))
    }

    /// The engine's settings that follow from the class.
    package func settings(for engine: EngineKind) -> [String: String] {
        switch engine {
        case .postgres:
            [
                // Pages of 8 KiB. The local cache's files are in the page cache as well, hence a quarter.
                "shared_buffers": "\(max(usableBytes / 4 / 8192, 16384))",
                "effective_cache_size": "\(max(usableBytes * 3 / 4 / 8192, 16384))",
                "max_connections": "\(postgresConnections)",
                "max_parallel_workers": "\(processors)",
                "max_worker_processes": "\(max(8, processors))",
            ]
        case .mariadb:
            [
                "innodb_buffer_pool_size": "\(max((usableBytes / 2) >> 20, 128) << 20)",
                "max_connections": "\(mariaConnections)",
                "thread_cache_size": "\(min(mariaConnections, 16 * processors))",
            ]
        }
    }
}
