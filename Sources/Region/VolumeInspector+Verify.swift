// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import NamespaceCore
internal import StorageNode
internal import VolumeDriver
internal import VolumeModel

/// Reads every block from every copy, and compares.
extension VolumeInspector {
    /// What was read and found; also what `--json` prints.
    private struct Result: Encodable {
        var vdl: UInt64
        var blocks = 0
        /// Blocks compared from each copy, and parts of the log read from each node's journal.
        var copies: [String: Int] = [:]
        var logParts: [String: Int] = [:]
        var disagreements = 0
        var unreadable = 0
        var damagedLayers = 0
        var damagedLogParts = 0
        /// Copies that could not be read: their nodes are down, or not caught up.
        var unread: [String]
        /// Nothing is wrong with the copies that were read.
        var isSound = true

        mutating func conclude() {
            isSound = disagreements == 0 && unreadable == 0 && damagedLayers == 0 && damagedLogParts == 0
        }
    }

    /// Where the work goes: the moment that is verified, the copies that can be, and who listens.
    private struct Verification {
        let first: View
        let view: View
        let emit: (String) -> Bool
        let progress: (String) -> Bool
        var result: Result
        /// Copies found damaged, which are being replaced.
        var damaged: Set<NodeID> = []
        var told = Date()

        /// Tells at most once a second; false when nobody listens any more.
        mutating func tell(_ text: @autoclosure () -> String) -> Bool {
            guard Date().timeIntervalSince(told) >= 1 else { return true }
            told = Date()
            return progress(text())
        }
    }

    private static let blocksACall = 512
    /// A copy that is behind is caught up by gossip within seconds; it is waited for.
    private static let catchUpSeconds = 30.0

    /// - Throws: at the end, if any copy is damaged, differs or could not be read
    func verify(_ first: View, json: Bool, emit: (String) -> Bool, progress: (String) -> Bool) throws {
        try withoutActuallyEscaping(emit) { emit in
            try withoutActuallyEscaping(progress) { progress in
                guard let (view, unread) = try caughtUp(first, progress) else { return }
                var work = Verification(
                    first: first, view: view, emit: emit, progress: progress,
                    result: Result(vdl: first.vdl.value, unread: unread.map(\.description)))
                guard scrub(&work), try compare(&work) else { return }
                work.result.conclude()
                _ = emit(json ? try Self.line(work.result) : Self.summary(work.result, first.vdl))
                try Self.judge(work.result)
            }
        }
    }

    /// Waits until every copy has what the volume had at `first`: the survey of that moment, and the members that are not
    /// there. Nil when nobody listens any more.
    private func caughtUp(_ first: View, _ progress: (String) -> Bool) throws -> (View, unread: [NodeID])? {
        let deadline = Date().addingTimeInterval(Self.catchUpSeconds)
        var view = first
        while true {
            let unread = Set(
                first.groups.flatMap { group in
                    let there = view.members(of: group).filter { $0.scl >= first.complete(group) }.map(\.node)
                    return Set(view.wanted(group)).subtracting(there)
                }
            ).sorted()
            // Nobody waits for a node that is down.
            let isHopeless = unread.allSatisfy { node in !view.nodes.contains { $0.node == node && $0.state == "up" } }
            if isHopeless || Date() > deadline { return (view, unread) }
            let names = unread.map(\.description).joined(separator: ", ")
            guard progress("waiting until \(names) has caught up") else { return nil }
            Thread.sleep(forTimeInterval: 1)
            view = try View(first.reader)
        }
    }

    /// Every byte of every copy, as it is on disk: layers, and what only the journal has.
    /// - Returns: false when nobody listens any more
    private func scrub(_ work: inout Verification) -> Bool {
        var goesOn = true
        for (node, segment) in work.view.segments where goesOn {
            let group = GroupID(segment.group)
            do {
                let damaged = try work.view.reader.scrub(group: group, node: node) { bytes in
                    goesOn = work.tell("reading the disk of \(node): \(Self.size(bytes)) of \(group)")
                    return goesOn
                }
                guard damaged > 0 else { continue }
                work.result.damagedLayers += damaged
                work.damaged.insert(node)
                _ = work.emit("\(node): \(damaged) damaged layers of \(group)")
            } catch { fail(&work, node, "its layers of \(group)", error) }
        }
        for node in Set(work.view.segments.map(\.node)).sorted() where goesOn {
            goesOn = work.tell("reading the journal of \(node)")
            do {
                let (sound, missing) = try work.view.reader.audit(node: node)
                work.result.logParts[node.description] = sound
                work.result.damagedLogParts += missing
                if missing > 0 { _ = work.emit("\(node): \(missing) damaged parts of the log in its journal") }
            } catch { fail(&work, node, "its journal", error) }
        }
        return goesOn
    }

    private func fail(_ work: inout Verification, _ node: NodeID, _ what: String, _ error: any Error) {
        work.result.unreadable += 1
        _ = work.emit("\(node): \(what): \(error)")
    }

    /// Whether the copies say the same of every block.
    /// - Returns: false when nobody listens any more
    private func compare(_ work: inout Verification) throws -> Bool {
        let namespace = try work.view.reader.namespace(
            at: work.first.vdl, from: work.view.members(of: .namespace).map(\.node),
            complete: work.first.complete(.namespace))
        let files = namespace.fileIDs
        for (index, file) in files.enumerated() {
            for run in namespace.runs(of: file, chunkBytes: chunkBytes) {
                var at = run.first
                let end = run.first + UInt64(run.count)
                while at < end {
                    let blocks = work.result.blocks
                    guard work.tell("comparing: \(index) of \(files.count) files, \(blocks) blocks") else {
                        return false
                    }
                    let count = min(Self.blocksACall, Int(end - at))
                    compare(&work, run.group, file, at, count, namespace)
                    at += UInt64(count)
                }
            }
        }
        return true
    }

    private func compare(
        _ work: inout Verification, _ group: GroupID, _ file: FileID, _ block: UInt64, _ count: Int,
        _ namespace: Namespace
    ) {
        var seen: [(node: NodeID, digests: [UInt32])] = []
        let complete = work.first.complete(group)
        work.result.blocks += count
        for (node, scl) in work.view.members(of: group) where scl >= complete && !work.damaged.contains(node) {
            do {
                let digests = try work.view.reader.digests(
                    group: group, node: node, file: file, first: block, count: count, at: work.first.vdl,
                    complete: complete)
                seen.append((node, digests))
                work.result.copies[node.description, default: 0] += count
            } catch { fail(&work, node, "\(name(file, namespace)), block \(block) and on", error) }
        }
        guard let reference = seen.first else { return }
        for other in seen.dropFirst() where other.digests != reference.digests {
            for (offset, pair) in zip(reference.digests, other.digests).enumerated() where pair.0 != pair.1 {
                work.result.disagreements += 1
                let place = "\(name(file, namespace)), block \(block + UInt64(offset))"
                _ = work.emit("\(place): \(reference.node) and \(other.node) differ")
            }
        }
    }

    private static func summary(_ result: Result, _ vdl: LSN) -> String {
        func list(_ counts: [String: Int]) -> String {
            counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        }
        return "\(result.blocks) blocks at \(vdl); read from \(list(result.copies)); "
            + "parts of the log in journals: \(list(result.logParts))"
    }

    private static func judge(_ result: Result) throws {
        guard result.isSound else {
            throw RegionError(
                "\(result.damagedLayers) damaged layers, \(result.damagedLogParts) damaged parts of the log, "
                    + "\(result.disagreements) blocks that differ between copies, \(result.unreadable) failed reads",
                remedy: "damaged copies are being repaired from peers: run verify again")
        }
        guard result.unread.isEmpty else {
            throw RegionError(
                "not every copy could be read: \(result.unread.joined(separator: ", ")) is down or behind",
                remedy: "see `borealis status`, and run verify again when all nodes are up")
        }
    }

    private func name(_ file: FileID, _ namespace: Namespace) -> String { namespace.paths(of: file).first ?? "\(file)" }
}
