// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import Glibc
internal import Region

struct Volume: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look into volumes, and look after them.",
        subcommands: [Dump.self, Stat.self, Verify.self, DetachCache.self, Open.self, Replace.self, RotateKey.self])
}

/// What the commands about a volume share.
struct VolumeTarget: ParsableArguments {
    @OptionGroup var region: RegionOptions
    @Option(
        help: ArgumentHelp("The cluster whose volume it is. Default: the only one, or demo.", valueName: "id"))
    var cluster: String?
    @Flag(help: "Print JSON.") var json = false

    /// Sends the order and prints what comes back, line by line.
    func perform(_ order: VolumeOrder) throws {
        var order = order
        order.json = json
        let reply = try region.client.send(AdminRequest(.volume, volume: order), timeoutSeconds: 3600) { part in
            if let line = part.line { print(line) }
            if let progress = part.progress { Terminal.note(progress) }
        }
        if let note = reply.note { json ? try ["note": note].printJSON() : print(note) }
    }
}

extension Volume {
    struct Dump: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the log's records, one a line.",
            discussion: """
                The newest part of the log, that is: what the nodes have merged into layers is kept by block and no longer \
                by record.
                """)
        @OptionGroup var target: VolumeTarget
        @Option(help: ArgumentHelp("Start after this LSN, such as 0/16B3740.", valueName: "lsn")) var from: LSNArgument?
        @Option(help: ArgumentHelp("End at this LSN.", valueName: "lsn")) var to: LSNArgument?
        @Option(help: ArgumentHelp("Print at most so many records.", valueName: "count")) var limit: Int?

        func run() throws {
            var order = VolumeOrder(.dump, cluster: target.cluster)
            order.fromLSN = from?.value
            order.toLSN = to?.value
            order.limit = limit
            try target.perform(order)
        }
    }

    struct Stat: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print bytes, protection groups, layers and copies.")
        @OptionGroup var target: VolumeTarget
        func run() throws { try target.perform(VolumeOrder(.stat, cluster: target.cluster)) }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read every block from every copy, check it, and check that the copies agree.",
            discussion: """
                Reads from the nodes' disks, layers and journals, not from their memory. Ends with an error if a copy is damaged \
                (it is repaired from a peer), differs from another, or could not be read. The volume stays in use meanwhile.
                """)
        @OptionGroup var target: VolumeTarget
        func run() throws { try target.perform(VolumeOrder(.verify, cluster: target.cluster)) }
    }

    struct DetachCache: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop the engine, throw its local cache away and attach the volume again.")
        @OptionGroup var target: VolumeTarget
        func run() throws { try target.perform(VolumeOrder(.detachCache, cluster: target.cluster)) }
    }

    struct Replace: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put a fresh storage node in the place of one whose disk is lost, in every volume.",
            discussion: """
                The new node is made in the same zone, under a name of its own, and is filled from its peers while writing \
                goes on. The old one is fenced for good and its files are removed. ^C leaves it going on in the background.
                """)

        @Argument(help: "The node to replace, such as b2.") var node: String
        @OptionGroup var region: RegionOptions
        @Option(
            help: ArgumentHelp(
                "Where the new node keeps its segments: an empty directory, on another disk perhaps. Default: beside the others.",
                valueName: "dir"))
        var directory: String?
        @Flag(help: "Call a replacement of the node off that is under way.") var undo = false
        @Flag(help: "Print JSON.") var json = false

        func validate() throws {
            if undo, directory != nil { throw ValidationError("--undo goes without --directory") }
        }

        func run() throws {
            var order = NodeOrder(node: node)
            order.directory = directory.map(DataDirectory.resolve)
            order.undo = undo
            let reply = try region.client.send(AdminRequest(.replaceNode, node: order), timeoutSeconds: 3600) { part in
                if let progress = part.progress, !json { Terminal.note(progress) }
            }
            guard let new = reply.node, let note = reply.note else {
                throw RegionError("the answer has no node", remedy: "restart the region with this borealis")
            }
            json ? try ["replaced": node, "node": new, "note": note].printJSON() : print(note)
        }
    }

    struct RotateKey: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a new version of the master key and wrap every data key again. No data is rewritten.")
        @OptionGroup var region: RegionOptions
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let note = try region.client.send(AdminRequest(.rotateKeys)).note ?? "done"
            json ? try ["note": note].printJSON() : print(note)
        }
    }

    struct Open: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Run the engine on a copy-on-write mount of the volume at an LSN, in the foreground.",
            discussion: "What it writes stays local and is thrown away at the end. ^C ends it.")
        @OptionGroup var target: VolumeTarget
        @Option(help: ArgumentHelp("The LSN. Default: the newest durable one.", valueName: "lsn")) var at: LSNArgument?
        @Option(help: ArgumentHelp("Where it listens on 127.0.0.1. Default: any free port.", valueName: "port"))
        var port: Int?
        @Option(help: ArgumentHelp("Where the local files go. Default: within the data directory.", valueName: "dir"))
        var directory: String?

        func run() throws {
            var order = VolumeOrder(nil, cluster: target.cluster)
            order.at = at?.value
            order.port = port
            let path = directory.map(DataDirectory.resolve)
            order.directory =
                path ?? target.region.directory.instance("mount-\(ProcessInfo.processInfo.processIdentifier)")
            guard let configuration = try target.region.client.send(AdminRequest(.mount, volume: order)).path else {
                throw RegionError("the answer has no configuration", remedy: "restart the region with this borealis")
            }
            let json = target.json
            try Mount.run(configuration, removing: path == nil ? order.directory : nil) { url in
                json
                    ? try? ["url": url].printJSON()
                    : print("a copy accepts connections:\n  \(ClientLine.text(for: url))")
                fflush(nil)
            }
        }
    }
}
