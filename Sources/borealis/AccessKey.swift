// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import ControlPlane
internal import Keyring
internal import Region

/// The access keys of the AWS API: each user may have one of their own, and lose it alone.
struct AccessKey: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "access-key", abstract: "List, create and delete access keys of the AWS API.",
        discussion: "A change holds from the next request on. The first key, which `borealis env` prints, stays.",
        subcommands: [List.self, Create.self, Delete.self], defaultSubcommand: List.self)

    private struct Printed: Encodable {
        var user: String
        var accessKeyId: String
        var secretAccessKey: String?
    }

    private static func load(_ directory: DataDirectory) throws -> AccessKeys {
        guard let keys = try AccessKeys.load(directory.accessKeys) else {
            throw RegionError("\(directory.path) has no access keys yet", remedy: "start the region with `borealis up`")
        }
        return keys
    }

    private static func save(_ keys: AccessKeys, _ directory: DataDirectory) throws {
        try keys.save(directory.accessKeys) { try PrivateFile.write($0, to: $1) }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the keys, without their secrets.")

        @OptionGroup var region: RegionOptions
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let keys = try AccessKey.load(region.directory)
            let all =
                [Printed(user: "root", accessKeyId: keys.accessKeyId)]
                + (keys.users ?? []).map { Printed(user: $0.name, accessKeyId: $0.accessKeyId) }
            if json { return try all.printJSON() }
            Terminal.table(["USER", "KEY"], all.map { [$0.user, $0.accessKeyId] })
        }
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a key for a user, and print it.")

        @OptionGroup var region: RegionOptions
        @Argument(help: "Who is to have it: letters, digits and +=,.@_-.") var user: String
        @Flag(help: "Print JSON.") var json = false

        func validate() throws {
            guard user.wholeMatch(of: /[A-Za-z0-9+=,.@_-]{1,64}/) != nil else {
                throw ValidationError("a user has 1 to 64 letters, digits and +=,.@_-")
            }
        }

        func run() throws {
            var keys = try AccessKey.load(region.directory)
            let made = keys.add(user: user)
            try AccessKey.save(keys, region.directory)
            if json {
                return try Printed(
                    user: made.name, accessKeyId: made.accessKeyId, secretAccessKey: made.secretAccessKey
                ).printJSON()
            }
            print("export AWS_ACCESS_KEY_ID=\(made.accessKeyId)\nexport AWS_SECRET_ACCESS_KEY=\(made.secretAccessKey)")
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take a key away.")

        @OptionGroup var region: RegionOptions
        @Argument(help: "The key's id, as `list` prints it.") var key: String

        func run() throws {
            var keys = try AccessKey.load(region.directory)
            guard keys.remove(key) else {
                throw RegionError(
                    key == keys.accessKeyId ? "\(key) is the first key, which stays" : "there is no key \(key)",
                    remedy: "see `borealis access-key list`")
            }
            try AccessKey.save(keys, region.directory)
        }
    }
}
