// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Region

struct Fault: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Break something for real, or mend it.",
        subcommands: [
            KillZone.self, KillNode.self, StartNode.self, SlowDisk.self, Corrupt.self, Partition.self, CrashWriter.self,
            FreezeWriter.self, PartitionWriter.self, Heal.self,
        ])
}

/// What all faults share: the region, and how the answer is printed.
private protocol FaultCommand: ParsableCommand {
    var target: FaultTarget { get }
    var order: FaultOrder { get }
}

struct FaultWriter: ParsableArguments {
    @Option(help: ArgumentHelp("Whose writer. Default: the only cluster, or demo.", valueName: "id"))
    var cluster: String?
}

struct FaultTarget: ParsableArguments {
    @OptionGroup var region: RegionOptions
    @Flag(help: "Print JSON.") var json = false
}

extension FaultCommand {
    func run() throws {
        let note = try target.region.client.send(AdminRequest(.fault, fault: order), timeoutSeconds: 60).note ?? "done"
        if target.json { return try ["fault": order.text, "note": note].printJSON() }
        print(note)
    }
}

extension Fault {
    struct KillZone: FaultCommand {
        static let configuration = CommandConfiguration(
            commandName: "kill-az", abstract: "Lose an availability zone until it is healed.",
            discussion: "Its instances are lost with its storage nodes, but for one that is its cluster's only one.")
        @Argument(help: "a, b or c.") var zone: String
        @OptionGroup var target: FaultTarget
        var order: FaultOrder { FaultOrder(.killAZ, zone: zone) }
    }

    struct KillNode: FaultCommand {
        static let configuration = CommandConfiguration(abstract: "Lose a storage node until it is healed or started.")
        @Argument(help: "A node, such as b2.") var node: String
        @OptionGroup var target: FaultTarget
        var order: FaultOrder { FaultOrder(.killNode, node: node) }
    }

    struct StartNode: FaultCommand {
        static let configuration = CommandConfiguration(abstract: "Start a storage node that was killed.")
        @Argument(help: "A node, such as b2.") var node: String
        @OptionGroup var target: FaultTarget
        var order: FaultOrder { FaultOrder(.startNode, node: node) }
    }

    struct SlowDisk: FaultCommand {
        static let configuration = CommandConfiguration(abstract: "Make every flush of a zone take longer.")
        @Argument(help: "a, b or c.") var zone: String
        @Option(name: .customLong("ms"), help: "How much longer, milliseconds; 0 ends it.") var milliseconds: Int
        @OptionGroup var target: FaultTarget
        var order: FaultOrder { FaultOrder(.slowDisk, zone: zone, milliseconds: milliseconds) }
    }

    struct Corrupt: FaultCommand {
        static let configuration = CommandConfiguration(abstract: "Flip bits in blocks that a storage node keeps.")
        @Argument(help: "A node, such as a1.") var node: String
        @Option(help: "How many blocks.") var blocks = 1
        @OptionGroup var target: FaultTarget
        var order: FaultOrder { FaultOrder(.corrupt, node: node, blocks: blocks) }
    }

    struct Partition: FaultCommand {
        static let configuration = CommandConfiguration(abstract: "Cut a zone off the network until it is healed.")
        @Argument(help: "a, b or c.") var zone: String
        @OptionGroup var target: FaultTarget
        var order: FaultOrder { FaultOrder(.partition, zone: zone) }
    }

    struct CrashWriter: FaultCommand {
        static let configuration = CommandConfiguration(abstract: "SIGKILL the writer's engine: all of its processes.")
        @OptionGroup var writer: FaultWriter
        @OptionGroup var target: FaultTarget
        var order: FaultOrder { FaultOrder(.crashWriter, cluster: writer.cluster) }
    }

    struct FreezeWriter: FaultCommand {
        static let configuration = CommandConfiguration(
            abstract: "SIGSTOP the writer until it is healed: its engine, and with the layout zones its own process.")
        @OptionGroup var writer: FaultWriter
        @OptionGroup var target: FaultTarget
        var order: FaultOrder { FaultOrder(.freezeWriter, cluster: writer.cluster) }
    }

    struct PartitionWriter: FaultCommand {
        static let configuration = CommandConfiguration(
            abstract: "Cut the writer off all storage nodes until it is healed; its clients still reach it.")
        @OptionGroup var writer: FaultWriter
        @OptionGroup var target: FaultTarget
        var order: FaultOrder { FaultOrder(.partitionWriter, cluster: writer.cluster) }
    }

    struct Heal: FaultCommand {
        static let configuration = CommandConfiguration(abstract: "Undo every fault.")
        @OptionGroup var target: FaultTarget
        var order: FaultOrder { FaultOrder(.heal) }
    }
}
