// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import Region

struct Down: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Shut the region down cleanly. Everything is kept.")

    @OptionGroup var region: RegionOptions
    @Option(help: ArgumentHelp("How long to wait for it, seconds.", valueName: "seconds")) var timeout = 180

    func run() throws {
        let directory = region.directory
        guard let pid = FileLock.holder(directory.lock) else {
            return print("nothing is running in \(directory.path)")
        }
        do {
            _ = try region.client.send(AdminRequest(.stop))
        } catch {
            throw RegionError("process \(pid) has the region but does not answer", remedy: "end it with `kill \(pid)`")
        }
        let end = ContinuousClock.now + .seconds(timeout)
        while FileLock.holder(directory.lock) != nil {
            guard ContinuousClock.now < end else {
                throw RegionError(
                    "process \(pid) is still shutting down", remedy: "wait, or end it with `kill -9 \(pid)`")
            }
            Thread.sleep(forTimeInterval: 0.05)
        }
        print("stopped")
    }
}
