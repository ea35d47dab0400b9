// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import ControlPlane
internal import Foundation
internal import Keyring
internal import Region

/// Where messages of event subscriptions go: there is no SNS, so each topic is one HTTP receiver.
struct Topic: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lead SNS topics of event subscriptions to HTTP receivers.",
        discussion:
            "An event subscription whose topic leads nowhere delivers nothing. A change holds from the next message on.",
        subcommands: [List.self, Set.self, Remove.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the topics. Passwords in addresses are left out.")

        @OptionGroup var region: RegionOptions
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let topics = try Topics.load(region.directory.topics).topics.map { topic in
                var shown = topic
                shown.url = Self.withoutPassword(topic.url)
                return shown
            }
            if json { return try topics.printJSON() }
            Terminal.table(["TOPIC", "ADDRESS"], topics.map { [$0.arn, $0.url] })
        }

        private static func withoutPassword(_ url: String) -> String {
            var parts = URLComponents(string: url)
            if parts?.password != nil { parts?.password = "****" }
            return parts?.string ?? url
        }
    }

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lead a topic to a receiver; it is sent POST requests as SNS sends them.")

        @Argument(help: "arn:aws:sns:REGION:ACCOUNT:NAME") var arn: String
        @Argument(help: "http:// or https://; a user and a password in it are sent as basic authentication.")
        var url: String
        @OptionGroup var region: RegionOptions
        @Option(
            help: ArgumentHelp(
                "Certificates that an https receiver's is checked against, PEM. Default: the system's.",
                valueName: "file"))
        var ca: String?

        func validate() throws {
            guard Topics.isTopic(arn) else { throw ValidationError("\(arn) is not arn:aws:sns:REGION:ACCOUNT:NAME") }
            guard Topics.Topic(arn: arn, url: url, authority: nil) != nil else {
                throw ValidationError("the address is neither http://host nor https://host")
            }
        }

        func run() throws {
            guard FileManager.default.fileExists(atPath: region.directory.path) else {
                throw RegionError(
                    "there is no region in \(region.directory.path)", remedy: "start it with `borealis up`")
            }
            let file = ca.map(DataDirectory.resolve)
            guard let topic = Topics.Topic(arn: arn, url: url, authority: file) else { return }
            var topics = try Topics.load(region.directory.topics)
            topics.set(topic)
            try topics.save(region.directory.topics) { try PrivateFile.write($0, to: $1) }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lead a topic nowhere.")

        @Argument(help: "The topic's ARN, as `list` prints it.") var arn: String
        @OptionGroup var region: RegionOptions

        func run() throws {
            var topics = try Topics.load(region.directory.topics)
            guard topics.remove(arn) else {
                throw RegionError("there is no topic \(arn)", remedy: "see `borealis topic list`")
            }
            try topics.save(region.directory.topics) { try PrivateFile.write($0, to: $1) }
        }
    }
}
