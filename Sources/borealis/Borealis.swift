// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import Glibc

/// The one program: every process of a deployment is one of its subcommands.
struct Borealis: ParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "borealis",
        abstract:
            "Unmodified PostgreSQL and MariaDB on log-structured volumes with six copies in three availability zones.",
        discussion: """
            Start a region on this machine with `borealis up`, connect with the psql or mysql line that it prints, and break things \
            with `borealis fault`.
            """,
        version: version,
        subcommands: [
            Up.self, Down.self, Status.self, Instance.self, Failover.self, Fault.self, Volume.self, ProxyRole.self,
            Env.self, AccessKey.self, Topic.self, Version.self, StorageRole.self, ControlRole.self, EndpointRole.self,
        ])
}

@main
enum Program {
    static func main() {
        do {
            var command = try Borealis.parseAsRoot()
            try command.run()
        } catch let code as ExitCode {
            exit(code.rawValue)
        } catch {
            let code = Borealis.exitCode(for: error)
            if code == .success {
                print(Borealis.fullMessage(for: error))
                exit(0)
            }
            report(error, code: code)
            exit(code.rawValue)
        }
    }

    /// One line that says what is wrong and what to do.
    private static func report(_ error: any Error, code: ExitCode) {
        var text = code == .validationFailure ? Borealis.message(for: error) : "\(error)"
        text = text.split(separator: "\n").joined(separator: " ")
        if code == .validationFailure { text += " (see `borealis --help`)" }
        FileHandle.standardError.write(Data("borealis: error: \(text)\n".utf8))
    }
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version.")

    @Flag(help: "Print JSON.") var json = false

    func run() { print(json ? #"{"version":"\#(Borealis.version)"}"# : "borealis \(Borealis.version)") }
}
