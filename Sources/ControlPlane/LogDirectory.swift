// SPDX-License-Identifier: Apache-2.0

internal import AWSProtocol
internal import Engines
internal import Foundation

/// The log files of the engines that run on this machine.
package struct LogDirectory: Sendable {
    private let instances: String

    struct File {
        var name: String
        var written: Timestamp
        var bytes: Int
    }

    struct Portion {
        var text: String
        /// Where the next one starts, bytes from the file's start.
        var end: Int
        var isMore: Bool
    }

    /// One answer's limit, as AWS has it.
    private static let bytesMax = 1 << 20
    private static let linesDefault = 10_000

    /// - Parameter instances: the directory that has one of each instance
    package init(instances: String) { self.instances = instances }

    private static func name(_ engine: EngineKind) -> String {
        engine == .postgres ? "error/postgresql.log" : "error/mysql-error.log"
    }

    private func path(_ instance: String, _ engine: EngineKind) -> String {
        "\(instances)/\(instance)/engine/\(engine == .postgres ? "postgres.log" : "mariadb.log")"
    }

    func files(of instance: String, _ engine: EngineKind) -> [File] {
        guard let facts = try? FileManager.default.attributesOfItem(atPath: path(instance, engine)),
            let bytes = facts[.size] as? Int, let written = facts[.modificationDate] as? Date
        else { return [] }
        let moment = Timestamp(milliseconds: Int64(written.timeIntervalSince1970 * 1000))
        return [File(name: Self.name(engine), written: moment, bytes: bytes)]
    }

    /// Whole lines. Without an offset, the file's last ones.
    func portion(of instance: String, _ engine: EngineKind, from offset: Int?, lines: Int?) throws -> Portion {
        guard let file = FileHandle(forReadingAtPath: path(instance, engine)) else {
            throw AWSError.internalFailure
        }
        defer { try? file.close() }
        let size = Int(try file.seekToEnd())
        let start = min(offset ?? max(0, size - Self.bytesMax), size)
        try file.seek(toOffset: UInt64(start))
        var data = try file.read(upToCount: Self.bytesMax) ?? Data()
        // A line that is not complete comes with the next portion, unless it alone is too long.
        if start + data.count < size, let end = data.lastIndex(of: 10) { data = data[...end] }
        let limit = lines ?? Self.linesDefault
        let ends = data.indices.filter { data[$0] == 10 }
        var end = start + data.count
        if ends.count > limit {
            if offset == nil {
                data = data[(ends[ends.count - limit - 1] + 1)...]
            } else {
                data = data[...ends[limit - 1]]
                end = start + data.count
            }
        }
        return Portion(text: String(decoding: data, as: UTF8.self), end: end, isMore: end < size)
    }
}
