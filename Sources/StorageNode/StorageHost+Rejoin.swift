// SPDX-License-Identifier: Apache-2.0

internal import SegmentCore
internal import Synchronization
internal import VolumeModel

/// A node that was out, by a fault or by its disk, reads its part of the journal again, as after a crash.
extension StorageHost {
    /// - Parameter release: ends the state that keeps the node out; false if it was not in it
    /// - Throws: if the journal cannot be read; the node is out then, and tried again
    func rejoin(_ node: NodeID, releasing release: (inout State) -> Bool) throws {
        try rejoining.withLock { _ in
            let wasOut = state.withLock { state in
                // Somebody else may keep it out as well.
                guard release(&state), !state.isOut(node) else { return false }
                state.starting.insert(node)
                return true
            }
            guard wasOut else { return }
            closeLayers(of: node)
            sweep([node])
            let read = Result { () throws(StorageFailure) in try readJournal(of: node) }
            if case .failure(let failure) = read { state.withLock { takeOut(node, failure, in: &$0) } }
            checkLayers()
            state.withLock { state in _ = state.starting.remove(node) }
            settle()
            try read.get()
        }
    }

    private func readJournal(of node: NodeID) throws(StorageFailure) {
        // Nothing is recycled meanwhile.
        try recycling.withLock { carried throws(StorageFailure) in
            carried[node] = nil
            var report = Journal.ReplayReport()
            func read(_ file: Journal.LiveFile) throws(StorageFailure) {
                _ = try Journal.scan(file, into: &report) { if $0.segment.node == node { replay($0) } }
            }
            // Whatever is not appended to any more is read while others commit.
            let complete = try device.withLock { device throws(StorageFailure) in
                try device.journal.liveFiles.dropLast()
            }
            for file in complete { try read(file) }
            try device.withLock { device throws(StorageFailure) in
                let last = complete.last?.sequence ?? 0
                for file in try device.journal.liveFiles where file.sequence > last { try read(file) }
                note(lost: report.lost.filter { $0.segment.node == node })
                state.withLock { state in
                    for id in state.segments.keys.sorted() where id.node == node { catchUpWithLayers(id, in: &state) }
                }
                repeatCheckpoint(of: node, &device)
            }
        }
    }
}
