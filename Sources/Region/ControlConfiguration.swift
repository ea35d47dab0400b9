// SPDX-License-Identifier: Apache-2.0

package import Engines
internal import Foundation
internal import Keyring

/// The settings of the control plane's process, written by the supervisor.
package struct ControlConfiguration: Codable, Sendable {
    package static let role = "control"
    package static let defaultPort = 4566

    package struct Engine: Codable, Sendable {
        package var kind: EngineKind
        /// The directory of its programs.
        package var binaries: String
    }

    /// The region's certificate authority.
    package struct Authority: Codable, Sendable {
        /// SHA-1, hexadecimal.
        package var thumbprint: String
        /// Seconds since 1970.
        package var validFrom: Int64
        package var validTill: Int64
    }

    package var host: String
    package var port: Int
    package var engines: [Engine]
    /// The supervisor's admin socket.
    package var regionSocket: String
    /// Files in PEM, for an etcd that is reached through TLS.
    package struct StoreFiles: Codable, Sendable, Equatable {
        package var authority: String?
        package var certificate: String?
        package var key: String?

        package init(authority: String? = nil, certificate: String? = nil, key: String? = nil) {
            self.authority = authority
            self.certificate = certificate
            self.key = key
        }
    }

    /// The desired state: a SQLite file, or the address of an etcd.
    package var store: String
    package var storeFiles: StoreFiles?
    /// The access keys, for this process and for `borealis env`.
    package var accessKeys: String
    /// Where the messages of SNS topics go.
    package var topics: String?
    package var instances: String
    package var authority: Authority
    package var lock: String
    package var failureFile: String
    package var logLevel: String

    package static func load(_ path: String) throws -> ControlConfiguration {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw RegionError("cannot read the configuration \(path)", remedy: "check the path and its mode")
        }
        do { return try JSONDecoder().decode(ControlConfiguration.self, from: data) } catch let error as DecodingError {
            throw RegionError("the configuration \(path) is not valid: \(error.readable)", remedy: "correct it")
        }
    }
}

extension DataDirectory {
    package var accessKeys: String { "\(path)/keys/access.json" }
    package var controlLock: String { "\(run)/\(ControlConfiguration.role).lock" }
    package var controlStore: String { "\(path)/control.sqlite" }
    package var topics: String { "\(path)/topics.json" }
}

extension RegionSetup {
    private static let portSetting = "apiPort"
    private static let stateSetting = "controlState"
    private static let filesSetting = "controlStateFiles"
    private static let sqlite = "sqlite"

    /// Chooses the API's port and writes the settings of its process; nil when the region is to have no API.
    func prepareControl() throws -> ControlConfiguration? {
        guard options.api else { return nil }
        let configuration = ControlConfiguration(
            host: RegionDefaults.host, port: try apiPort(),
            engines: engines.sorted { $0.key.rawValue < $1.key.rawValue }.map {
                ControlConfiguration.Engine(kind: $0.key, binaries: $0.value.binaries)
            },
            regionSocket: directory.regionSocket, store: try store(), storeFiles: try storeFiles(),
            accessKeys: directory.accessKeys, topics: directory.topics,
            instances: "\(directory.path)/instances",
            authority: ControlConfiguration.Authority(
                thumbprint: try authority.thumbprint(), validFrom: Int64(authority.validFrom.timeIntervalSince1970),
                validTill: Int64(authority.validTill.timeIntervalSince1970)), lock: directory.controlLock,
            failureFile: directory.failure(ControlConfiguration.role), logLevel: options.logLevel ?? "info")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try PrivateFile.write(
            try encoder.encode(configuration), to: directory.configuration(ControlConfiguration.role))
        return configuration
    }

    /// The place is chosen when the region is made: two places would be two truths.
    private func store() throws -> String {
        let known = try metadata.setting(Self.stateSetting)
        let isUsed = known != nil || FileManager.default.fileExists(atPath: directory.controlStore)
        let remembered = known ?? (isUsed ? Self.sqlite : nil)
        if let remembered, let wanted = options.state, wanted != remembered {
            throw RegionError(
                "this region keeps its control plane's state in \(remembered), which is fixed when it is made",
                remedy: "leave --state out, or make another region with --data")
        }
        let chosen = remembered ?? options.state ?? Self.sqlite
        try metadata.set(Self.stateSetting, to: chosen)
        return chosen == Self.sqlite ? directory.controlStore : chosen
    }

    /// The files of the last `up` that named some: they may move, as certificates are renewed.
    private func storeFiles() throws -> ControlConfiguration.StoreFiles? {
        let known = try metadata.setting(Self.filesSetting)
        var files =
            try known.map { try JSONDecoder().decode(ControlConfiguration.StoreFiles.self, from: Data($0.utf8)) }
            ?? ControlConfiguration.StoreFiles()
        let before = files
        files.authority = options.stateFiles.authority ?? files.authority
        files.certificate = options.stateFiles.certificate ?? files.certificate
        files.key = options.stateFiles.key ?? files.key
        if files != before {
            try metadata.set(Self.filesSetting, to: String(decoding: try JSONEncoder().encode(files), as: UTF8.self))
        }
        return files == ControlConfiguration.StoreFiles() ? nil : files
    }

    /// What was asked for has to be free; the remembered port and the default give way to another that is.
    private func apiPort() throws -> Int {
        if let wanted = options.apiPort {
            guard Ports.isFree(wanted) else {
                throw RegionError("port \(wanted) is in use", remedy: "choose another with --api-port, or --no-api")
            }
            try metadata.set(Self.portSetting, to: "\(wanted)")
            return wanted
        }
        let remembered = try metadata.setting(Self.portSetting).flatMap { Int($0) }
        let taken = Set(try metadata.nodes().map(\.port) + clusters().map(\.port))
        for port in [remembered, ControlConfiguration.defaultPort] {
            if let port, !taken.contains(port), Ports.isFree(port) {
                try metadata.set(Self.portSetting, to: "\(port)")
                return port
            }
        }
        let port = try Ports.choose(except: taken)
        try metadata.set(Self.portSetting, to: "\(port)")
        return port
    }
}
