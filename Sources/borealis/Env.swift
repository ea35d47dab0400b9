// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import ControlPlane
internal import Foundation
internal import Region

struct Env: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the environment that AWS's clients need to reach the region.",
        discussion: "eval \"$(borealis env)\" && aws --endpoint-url $AWS_ENDPOINT_URL rds describe-db-clusters")

    @OptionGroup var region: RegionOptions
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let directory = region.directory
        guard let keys = try AccessKeys.load(directory.accessKeys) else {
            throw RegionError("\(directory.path) has no access keys yet", remedy: "start the region with `borealis up`")
        }
        if json {
            return try Dictionary(uniqueKeysWithValues: keys.environment.map { ($0.name, $0.value) }).printJSON()
        }
        for (name, value) in keys.environment { print("export \(name)=\(value)") }
        print(
            "# AWS CLI version 1 ignores the endpoint for RDS in us-east-1: call it with --endpoint-url $AWS_ENDPOINT_URL"
        )
    }

    /// The keys, once the API listens; nil if it does not within some seconds.
    static func awaitKeys(_ directory: DataDirectory) -> AccessKeys? {
        let end = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < end {
            if FileLock.holder(directory.controlLock) != nil,
                let keys = try? AccessKeys.load(directory.accessKeys), ControlRole.isListening(keys)
            {
                return keys
            }
            Thread.sleep(forTimeInterval: 0.05)
        }
        return nil
    }
}
