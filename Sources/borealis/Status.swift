// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import Region
internal import VolumeModel

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show clusters, storage nodes and processes.",
        discussion: "The shape of --json is what scripts rely on: fields are added, never changed.")

    @OptionGroup var region: RegionOptions
    @Flag(help: "Print JSON.") var json = false
    @Flag(help: "Print metrics in Prometheus' text format.") var metrics = false

    func run() throws {
        guard let report = try region.client.send(AdminRequest(.status)).region else {
            throw RegionError("the answer has no status", remedy: "restart the region with this borealis")
        }
        if json { return try report.printJSON() }
        if metrics { return print(report.metrics, terminator: "") }
        show(report)
    }

    private func show(_ report: StatusReport) {
        print("\(report.directory), layout \(report.layout), up \(Terminal.duration(report.uptimeSeconds))")
        for fault in report.faults { print(Terminal.paint("fault in force: \(fault)", .yellow)) }
        print()
        Terminal.table(
            ["CLUSTER", "ENGINE", "STATUS", "VDL", "EPOCH", "WRITER", "PID", "RESTARTS"],
            report.clusters.map { cluster in
                [
                    cluster.id, cluster.engine, cluster.status, Self.lsn(cluster.vdl), Self.text(cluster.epoch),
                    cluster.writer?.id ?? "-", Self.text(cluster.writer?.pid), Self.text(cluster.writer?.restarts),
                ]
            })
        for cluster in report.clusters {
            if let reason = cluster.reason { print(Terminal.paint("  \(cluster.id): \(reason)", .yellow)) }
        }
        for (_, lines) in report.clientLines { for line in lines { print("  \(line)") } }
        if report.clusters.contains(where: { !$0.readers.isEmpty }) { showInstances(report) }
        print()
        Terminal.table(
            ["NODE", "AZ", "STATE", "SCL", "PID", ""],
            report.nodes.map { [$0.id, $0.az, $0.state, Self.lsn($0.scl), Self.text($0.pid), $0.reason ?? ""] })
        print()
        Terminal.table(
            ["PROCESS", "STATE", "PID", "RESTARTS", "MEMORY", ""],
            report.processes.map { process in
                let memory = process.residentBytes.map { "\($0 >> 20) MB" } ?? "-"
                return [
                    process.role, process.state, Self.text(process.pid), "\(process.restarts)", memory,
                    process.reason ?? "",
                ]
            })
    }

    private func showInstances(_ report: StatusReport) {
        print()
        var rows: [[String]] = []
        for cluster in report.clusters {
            if let writer = cluster.writer { rows.append(Self.row(writer, cluster.id, "writer")) }
            for reader in cluster.readers { rows.append(Self.row(reader, cluster.id, "reader")) }
        }
        Terminal.table(
            ["INSTANCE", "CLUSTER", "ROLE", "STATE", "AZ", "TIER", "LAG", "ADDRESS", "PID", ""], rows)
        for cluster in report.clusters {
            guard let failover = cluster.failover else { continue }
            let end = failover.isComplete ? failover.milliseconds.map { ", took \($0) ms" } ?? "" : ", under way"
            print("  \(cluster.id): last failover \(failover.from) to \(failover.to)\(end): \(failover.reason)")
        }
    }

    private static func row(_ instance: StatusReport.Instance, _ cluster: String, _ role: String) -> [String] {
        let lag = instance.lagMs.map { "\($0) ms" } ?? "-"
        return [
            instance.id, cluster, role, instance.state ?? "-", instance.az ?? "-", text(instance.tier), lag,
            instance.host ?? "-", text(instance.pid), instance.reason ?? "",
        ]
    }

    private static func lsn(_ value: UInt64?) -> String { value.map { "\(LSN($0))" } ?? "-" }
    private static func text(_ value: (some BinaryInteger)?) -> String { value.map { "\($0)" } ?? "-" }
}
