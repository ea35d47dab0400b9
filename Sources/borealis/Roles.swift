// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import Logging
internal import Region

/// A storage process, started by the supervisor, or by hand on a machine of its own.
struct StorageRole: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storage", abstract: "Run storage nodes as a configuration says.", shouldDisplay: false)

    @Option(help: ArgumentHelp("The process's configuration.", valueName: "file")) var config: String

    func run() throws { try RoleCommand.run(config) }
}

/// An instance's process: its driver and its engine.
struct InstanceRole: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run DB instances as a configuration says.", shouldDisplay: false)

    @Option(help: ArgumentHelp("The process's configuration.", valueName: "file")) var config: String

    func run() throws { try RoleCommand.run(config) }
}

enum RoleCommand {
    static func run(_ path: String) throws {
        Terminal.bootstrapLogging()
        let code = try RoleProcess.run(configurationPath: path, logger: Logger(label: "borealis"))
        // Not `return`: threads that still wait for something must not keep the process alive.
        exit(code)
    }
}
