// SPDX-License-Identifier: Apache-2.0

internal import VolumeModel

extension SegmentMachine {
    /// Records that stand for all that the journal says of this segment but its parts: a journal that starts with them
    /// needs no older record than the parts above the floor.
    package var checkpoint: [Durable] {
        var records: [Durable] = []
        if tenure.revision > 0 { records.append(.tenure(tenure)) }
        if promised > tenure.epoch { records.append(.epoch(promised, claimant: claimant)) }
        if floor.lsn > .zero { records.append(.floor(floor)) }
        return records
    }
}
