// SPDX-License-Identifier: Apache-2.0

internal import NamespaceCore
internal import StorageNode
internal import VolumeDriver
internal import VolumeModel

/// Reads every block from every copy, and compares.
extension VolumeInspector {
    private struct Result: Encodable {
        var vdl: UInt64
        var blocks: Int
        var copies: [String: Int]
        var disagreements: Int
        var unreadable: Int
        var silent: [String]
        var isSound: Bool
    }

    private static let blocksACall = 512

    /// - Throws: at the end, if any copy is damaged or differs
    func verify(_ view: View, json: Bool, emit: (String) -> Bool, progress: (String) -> Bool) throws {
        let vdl = view.vdl
        let namespace = try view.reader.namespace(
            at: vdl, from: view.members(of: .namespace).map(\.node), complete: view.complete(.namespace))
        var result = Result(
            vdl: vdl.value, blocks: 0, copies: [:], disagreements: 0, unreadable: 0,
            silent: view.silent.map(\.description), isSound: true)
        let files = namespace.fileIDs
        for (index, file) in files.enumerated() {
            if index % 50 == 0 {
                guard progress("\(index) of \(files.count) files, \(result.blocks) blocks") else { return }
            }
            for run in namespace.runs(of: file, chunkBytes: chunkBytes) {
                var at = run.first
                let end = run.first + UInt64(run.count)
                while at < end {
                    let count = min(Self.blocksACall, Int(end - at))
                    compare(view, run.group, file, at, count, vdl, namespace, &result, emit)
                    at += UInt64(count)
                }
            }
        }
        result.isSound = result.disagreements == 0 && result.unreadable == 0
        let copies = result.copies.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        _ = emit(
            json
                ? try Self.line(result)
                : "\(result.blocks) blocks at \(vdl); read from \(copies)"
                    + (result.silent.isEmpty ? "" : "; no answer from \(result.silent.joined(separator: ", "))"))
        guard result.isSound else {
            throw RegionError(
                "\(result.disagreements) blocks differ between copies, \(result.unreadable) reads failed",
                remedy: "damaged copies are being repaired from peers: run verify again")
        }
    }

    private func compare(
        _ view: View, _ group: GroupID, _ file: FileID, _ first: UInt64, _ count: Int, _ vdl: LSN,
        _ namespace: Namespace, _ result: inout Result, _ emit: (String) -> Bool
    ) {
        var seen: [(node: NodeID, digests: [UInt32])] = []
        result.blocks += count
        for (node, scl) in view.members(of: group) {
            // A copy that is behind is caught up by gossip; it is not wrong.
            guard scl >= view.complete(group) else { continue }
            do {
                let digests = try view.reader.digests(
                    group: group, node: node, file: file, first: first, count: count, at: vdl,
                    complete: view.complete(group))
                seen.append((node, digests))
                result.copies[node.description, default: 0] += count
            } catch {
                result.unreadable += 1
                _ = emit("\(node): \(name(file, namespace)), block \(first) and on: \(error)")
            }
        }
        guard let reference = seen.first else { return }
        for other in seen.dropFirst() where other.digests != reference.digests {
            for (offset, pair) in zip(reference.digests, other.digests).enumerated() where pair.0 != pair.1 {
                result.disagreements += 1
                _ = emit(
                    "\(name(file, namespace)), block \(first + UInt64(offset)): \(reference.node) and \(other.node) differ"
                )
            }
        }
    }

    private func name(_ file: FileID, _ namespace: Namespace) -> String { namespace.paths(of: file).first ?? "\(file)" }
}
