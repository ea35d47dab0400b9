// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LayerCore
internal import LayerStore
internal import Logging
internal import SegmentCore
internal import Synchronization
internal import VolumeModel

/// Faults on purpose: what `borealis fault` does to a storage process.
extension StorageHost {
    package func inject(_ fault: StorageFault) throws {
        switch fault {
        case .killNode(let node):
            guard nodes.contains(node) else { throw CallFailure("\(node) is not here") }
            state.withLock { state in
                state.down.insert(node)
                forget(node, in: &state)
            }
        case .startNode(let node): try startNode(node)
        case .slowDisk(let milliseconds): device.withLock { $0.delayMilliseconds = milliseconds }
        case .corrupt(let node, let blocks): try corrupt(node, blocks: blocks)
        case .partition(let on): state.withLock { $0.isolated = on ? Set($0.nodes) : [] }
        case .isolate(let nodes): state.withLock { $0.isolated.formUnion(nodes) }
        case .heal:
            device.withLock { $0.delayMilliseconds = 0 }
            let down = state.withLock { state in
                state.isolated = []
                return state.down
            }
            let results = down.sorted().map { node in Result { try startNode(node) } }
            for result in results { try result.get() }
        }
    }

    /// A node that was stopped reads its part of the journal again, as after a crash.
    private func startNode(_ node: NodeID) throws { try rejoin(node) { $0.down.remove(node) != nil } }

    /// Flips a bit in as many places of the node's layers, or of its journal entries if it has no layers.
    private func corrupt(_ node: NodeID, blocks: Int) throws {
        let ids = state.withLock { state in state.segments.keys.filter { $0.node == node }.sorted() }
        guard !ids.isEmpty else { throw CallFailure("\(node) has nothing to corrupt") }
        for id in ids { cutLayers(GroupKey(volume: id.volume, group: id.group)) }
        var files: [(path: String, bytes: Int)] = []
        for id in ids {
            let directory = segmentDirectory(id, nodeDirectory(node))
            for name in try listDirectory(directory) where !name.hasPrefix("manifest") {
                var info = stat()
                let path = "\(directory)/\(name)"
                if stat(path, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_size > 4096 {
                    files.append((path, Int(info.st_size)))
                }
            }
        }
        guard !files.isEmpty else { throw CallFailure("\(node) has no layers to corrupt yet") }
        for _ in 0..<blocks {
            guard let file = files.randomElement() else { break }
            let fd = open(file.path, O_RDWR | O_CLOEXEC)
            guard fd >= 0 else { throw StorageFailure("open", path: file.path, errno: errno) }
            defer { close(fd) }
            let offset = off_t(Int.random(in: 256..<file.bytes - 64))
            var byte: UInt8 = 0
            guard pread(fd, &byte, 1, offset) == 1 else { continue }
            byte ^= 0x10
            pwrite(fd, &byte, 1, offset)
        }
        logger.warning("corrupted on request", metadata: ["node": "\(node)", "blocks": "\(blocks)"])
    }
}
