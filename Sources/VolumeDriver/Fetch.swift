// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Glibc
internal import Logging
internal import NIOCore
internal import NamespaceCore
internal import QuorumCore
internal import StorageNode
internal import StorageWire
internal import Synchronization
internal import VolumeModel

/// Serving blocks that the local cache lacks.
///
/// A block that is absent has not been written since it was laid out or evicted, but its file may have been cut and grown
/// again: so everything that was in the ring when the request was seen has to be durable before the block is read, as of
/// the VDL.
extension VolumeDriver {
    func serveFetches() {
        guard let ring = core.withLock({ $0.ring }), ring.fetchesAsked else { return }
        let (asked, hints) = ring.takeFetches()
        take(hints)
        guard !asked.isEmpty else { return }
        while pumpOnce() {}
        let end = core.withLock { $0.writer?.end ?? .zero }
        for fetch in asked { fetchers.submit(.asked) { [self] in serve(fetch, ring, after: end) } }
    }

    private func serve(_ fetch: Ring.Fetch, _ ring: Ring, after end: LSN) {
        do {
            try awaitDurable(end)
            let buffer = UnsafeMutableRawBufferPointer(rebasing: ring.fetchBuffer(fetch.slot)[..<fetch.length])
            try read(fetch.file, offset: fetch.offset, into: buffer)
            core.withLock { core in
                core.counters.fetches += 1
                core.counters.fetchedBytes += UInt64(fetch.length)
                core.prefetch.touched(fetch.file, at: fetch.offset)
            }
            ring.finishFetch(fetch.slot)
            keeperBell.signal()
        } catch {
            logger.error(
                "fetch blocks", metadata: ["file": "\(fetch.file)", "offset": "\(fetch.offset)", "error": "\(error)"])
            ring.finishFetch(fetch.slot, error: EIO)
        }
    }

    private func awaitDurable(_ end: LSN) throws(DriverError) {
        while true {
            let seen = changes.value
            let (isDurable, failure) = core.withLock { core in
                (core.inFlight.isEmpty || core.vdl >= end, core.failure)
            }
            if isDurable { return }
            if let failure { throw DriverError(failure) }
            changes.wait(seen: seen, milliseconds: 1000)
        }
    }

    /// How long to ask again when no node answers, nanoseconds.
    static let patience: Int64 = 30_000_000_000

    /// Fills the buffer with a file's content as of the VDL, from a multiple of the block size on.
    func read(
        _ file: FileID, offset: UInt64, into buffer: UnsafeMutableRawBufferPointer,
        patience: Int64 = VolumeDriver.patience
    ) throws {
        let block = UInt64(BX_BLOCK)
        memset(buffer.baseAddress!, 0, buffer.count)
        var at = offset
        let end = offset + UInt64(buffer.count)
        while at < end {
            let chunk = at / configuration.chunkBytes
            let until = min(end, (chunk + 1) * configuration.chunkBytes)
            let (group, lsn, complete, nodes) = core.withLock { core in place(of: file, chunk: chunk, &core) }
            let count = UInt32((until - at + block - 1) / block)
            let body = try ask(
                { node in
                    .blocks(
                        volume: self.configuration.volume, group: group, node: node, file: file, first: at / block,
                        count: count, at: lsn, complete: complete)
                }, nodes: nodes, patience: patience)
            try copy(body, count: Int(count), into: buffer, at: Int(at - offset))
            at = until
        }
    }

    private func place(
        of file: FileID, chunk: UInt64, _ core: inout Core
    ) -> (group: GroupID, lsn: LSN, complete: LSN, nodes: [NodeID]) {
        let mapped =
            core.builder?.namespace.group(of: file, chunk: chunk) ?? core.namespace?.group(of: file, chunk: chunk)
        let group = mapped ?? .namespace
        let complete = core.writer?.pgcl(of: group) ?? .zero
        return (
            group, core.vdl, max(complete, core.required[group] ?? .zero),
            core.writer?.membership(of: group)?.nodes ?? transport.nodes
        )
    }

    /// The first answer that a node gives.
    private func ask(_ call: (NodeID) -> ServiceCall, nodes: [NodeID], patience: Int64) throws -> ByteBuffer {
        let deadline = bx_monotonic_ns() + patience
        var failures: [String] = []
        repeat {
            failures = []
            for node in core.withLock({ $0.preference.order(nodes, now: bx_monotonic_ns()) }) {
                do {
                    let answer = try transport.call(call(node), node: node)
                    core.withLock { $0.preference.answered(node) }
                    return answer
                } catch {
                    core.withLock { $0.preference.failed(node, now: bx_monotonic_ns()) }
                    failures.append("\(node): \(error)")
                }
            }
            // No node can answer now; one may be catching up.
            let seen = changes.value
            if bx_monotonic_ns() < deadline { changes.wait(seen: seen, milliseconds: 100) }
        } while bx_monotonic_ns() < deadline
        throw DriverError("no node has the blocks: \(failures.joined(separator: "; "))")
    }

    private func copy(
        _ answer: ByteBuffer, count: Int, into buffer: UnsafeMutableRawBufferPointer, at start: Int
    ) throws(DriverError) {
        var answer = answer
        for index in 0..<count {
            guard let checksum: UInt32 = answer.readInteger(endianness: .little) else {
                throw DriverError("a storage node's answer is too short")
            }
            guard checksum != 0 else { continue }
            guard let block = answer.readSlice(length: Int(BX_BLOCK)), max(1, block.checksum) == checksum else {
                throw DriverError("a block arrived damaged")
            }
            let at = start + index * Int(BX_BLOCK)
            block.withUnsafeReadableBytes { bytes in
                let length = min(bytes.count, buffer.count - at)
                if length > 0 { memcpy(buffer.baseAddress! + at, bytes.baseAddress!, length) }
            }
        }
    }
}
