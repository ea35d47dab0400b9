// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import ControlPlane
internal import Engines
internal import Foundation
internal import Glibc
internal import Region

struct Instance: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Add readers to a cluster, or remove instances.",
        subcommands: [Add.self, Remove.self, InstanceRole.self], defaultSubcommand: InstanceRole.self)
}

/// Which cluster a command is about, and how it answers.
struct ClusterTarget: ParsableArguments {
    @OptionGroup var region: RegionOptions
    @Option(help: ArgumentHelp("The cluster. Default: the only one, or demo.", valueName: "id")) var cluster: String?
    @Option(help: ArgumentHelp("How long to wait for it, seconds; 0 does not wait.", valueName: "seconds"))
    var timeout = 120
    @Flag(help: "Print JSON.") var json = false

    func send(_ order: ClusterOrder, timeoutSeconds: Int = 60) throws -> AdminReply {
        var request = AdminRequest(.cluster)
        request.cluster = order
        return try region.client.send(request, timeoutSeconds: timeoutSeconds)
    }

    /// The cluster that is meant, as the status has it now.
    func find() throws -> StatusReport.Cluster {
        guard let report = try region.client.send(AdminRequest(.status)).region else {
            throw RegionError("the answer has no status", remedy: "restart the region with this borealis")
        }
        let known = report.clusters
        if let cluster {
            guard let found = known.first(where: { $0.id == cluster }) else {
                throw RegionError("no cluster \(cluster) runs here", remedy: "see `borealis status`")
            }
            return found
        }
        guard let found = known.count == 1 ? known.first : known.first(where: { $0.id == RegionDefaults.cluster })
        else {
            throw RegionError("it is not clear which cluster is meant", remedy: "name one with --cluster")
        }
        return found
    }

    /// Asks for the status until something is found in it.
    /// - Returns: nil if there was no waiting to be done
    func wait<Found>(
        for what: String, in cluster: String, _ look: (StatusReport.Cluster) -> Found?
    ) throws -> Found? {
        let end = ContinuousClock.now + .seconds(timeout)
        while ContinuousClock.now < end {
            let found = try region.client.send(AdminRequest(.status)).region?.clusters.first { $0.id == cluster }
            if let found, let result = look(found) { return result }
            usleep(50_000)
        }
        guard timeout == 0 else {
            throw RegionError("\(what) is not available after \(timeout) s", remedy: "see `borealis status`")
        }
        return nil
    }
}

extension Instance {
    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add an instance to a cluster: its writer if it has none, else a reader.",
            discussion:
                "A reader shares the cluster's volume, so that adding one costs the same whatever the volume's size.")

        @Argument(help: "Its name. Default: the cluster's and the next number.") var id: String?
        @OptionGroup var target: ClusterTarget
        @Option(help: ArgumentHelp("a, b or c. Default: the one with the fewest of the cluster.", valueName: "zone"))
        var az: String?
        @Option(help: ArgumentHelp("Promotion tier: 0 becomes the writer first, 15 last.", valueName: "number"))
        var tier = 1
        @Option(
            name: .customLong("class"),
            help: ArgumentHelp(
                "DB instance class, such as db.r6g.large: memory settings, and who is promoted first within a tier. Default: the cluster's own settings.",
                valueName: "name"))
        var instanceClass: String?
        @Option(
            name: .customLong("set"),
            help: ArgumentHelp("A setting of its engine. Repeatable. Remembered.", valueName: "name=value"))
        var settings: [String] = []

        func validate() throws {
            guard (0...15).contains(tier) else { throw ValidationError("--tier \(tier) is not between 0 and 15") }
            if let instanceClass, InstanceClass.named(instanceClass) == nil {
                throw ValidationError(
                    "there is no class \(instanceClass): `aws rds describe-orderable-db-instance-options` lists them")
            }
        }

        func run() throws {
            let cluster = try target.find()
            let name = id ?? Self.freeName(cluster)
            guard cluster.instances?.contains(name) != true else {
                throw RegionError("\(cluster.id) has an instance \(name) already", remedy: "choose another name")
            }
            var order = ClusterOrder(.ensureInstance, cluster: cluster.id, instance: name)
            order.zone = az
            order.tier = tier
            let named = try Dictionary(
                settings.map { text in
                    let (name, value) = try cluster.parseSetting(text)
                    return (name, value)
                }, uniquingKeysWith: { $1 })
            let ofClass = instanceClass.flatMap(InstanceClass.named)
            order.instanceClass = instanceClass
            order.memoryBytes = ofClass?.memoryBytes
            order.settings = (EngineKind(rawValue: cluster.engine).flatMap { ofClass?.settings(for: $0) } ?? [:])
                .merging(named) { $1 }
            if cluster.engine == "mariadb", cluster.instances?.count == 1, !target.json {
                Terminal.note("the writer restarts for a second or two if its binlog is off: readers need it")
            }
            let began = ContinuousClock.now
            _ = try target.send(order)
            let found = try target.wait(for: name, in: cluster.id) { cluster in
                (cluster.readers + [cluster.writer].compactMap { $0 }).first {
                    $0.id == name && $0.state == "available"
                }
            }
            let milliseconds = Int(began.duration(to: .now) / .milliseconds(1))
            if target.json {
                return try Report(id: name, url: found?.url, milliseconds: found == nil ? nil : milliseconds)
                    .printJSON()
            }
            guard let found else { return print("\(name) is being made") }
            print("\(name) accepts connections after \(milliseconds) ms:\n  \(ClientLine.text(for: found.url))")
        }

        private struct Report: Encodable {
            var id: String
            var url: String?
            var milliseconds: Int?
        }

        private static func freeName(_ cluster: StatusReport.Cluster) -> String {
            let taken = Set(cluster.instances ?? [])
            var number = 1
            while taken.contains("\(cluster.id)-\(number)") { number += 1 }
            return "\(cluster.id)-\(number)"
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove an instance. A writer gives its part to a reader first.")

        @Argument(help: "Its name.") var id: String
        @OptionGroup var target: ClusterTarget

        func run() throws {
            guard let report = try target.region.client.send(AdminRequest(.status)).region,
                let cluster = report.clusters.first(where: { $0.instances?.contains(id) == true })
            else { throw RegionError("there is no instance \(id)", remedy: "see `borealis status`") }
            guard cluster.instances?.count ?? 0 > 1 else {
                throw RegionError(
                    "\(id) is the only instance of \(cluster.id)",
                    remedy: "add another one first, or use `borealis down`")
            }
            // The order is carried out step by step; it is given until the last one is done.
            let end = ContinuousClock.now + .seconds(max(target.timeout, 1))
            repeat {
                _ = try target.send(ClusterOrder(.removeInstance, instance: id))
                let now = try target.region.client.send(AdminRequest(.status)).region?.clusters
                if now?.contains(where: { $0.instances?.contains(id) == true }) != true {
                    return target.json ? try ["removed": id].printJSON() : print("\(id) is removed")
                }
                usleep(100_000)
            } while ContinuousClock.now < end
            throw RegionError("\(id) is still stopping", remedy: "run the command again")
        }
    }
}

struct Failover: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a reader the writer of its cluster.",
        discussion: """
            The old writer writes out what it has, shuts down, and comes back as a reader. No acknowledged commit is lost. \
            When a writer fails, this happens by itself.
            """)

    @Argument(help: "The cluster. Default: the only one, or demo.") var cluster: String?
    @OptionGroup var region: RegionOptions
    @Option(
        help: ArgumentHelp(
            "The reader. Default: by promotion tier, then the larger class, another zone, the lowest name.",
            valueName: "id"))
    var target: String?
    @Option(help: ArgumentHelp("How long to wait for it, seconds; 0 does not wait.", valueName: "seconds"))
    var timeout = 120
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        var common = ClusterTarget()
        common.region = region
        common.cluster = cluster
        common.timeout = timeout
        let found = try common.find()
        var order = ClusterOrder(.failover, cluster: found.id, instance: target)
        order.reason = "it was asked for"
        let began = ContinuousClock.now
        guard let new = try common.send(order).instance else {
            throw RegionError("the answer has no writer", remedy: "restart the region with this borealis")
        }
        let writer = try common.wait(for: new, in: found.id) { cluster in
            cluster.writer?.id == new && cluster.status == "available" ? cluster.writer : nil
        }
        let milliseconds = Int(began.duration(to: .now) / .milliseconds(1))
        if json {
            return try Report(
                cluster: found.id, from: found.writer?.id, to: new, milliseconds: writer == nil ? nil : milliseconds
            ).printJSON()
        }
        guard let writer else { return print("\(new) becomes the writer of \(found.id)") }
        print("\(new) is the writer of \(found.id) after \(milliseconds) ms:\n  \(ClientLine.text(for: writer.url))")
    }

    private struct Report: Encodable {
        var cluster: String
        var from: String?
        var to: String
        var milliseconds: Int?
    }
}
