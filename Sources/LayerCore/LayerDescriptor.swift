// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// Raw values are on disk.
package enum LayerKind: UInt8, Sendable {
    /// What the records of an LSN range did.
    case delta = 1
    /// The blocks of a key range, whole.
    case image = 2
    /// The namespace at an LSN; group 0 only.
    case namespace = 3
}

/// What is known of a layer without opening its chunks.
///
/// The images of a segment tile the key space: where one ends the next begins, from `BlockKey.lowest` to `.highest`.
/// An image answers
/// - every LSN from `end` on, together with the deltas above `through`, and
/// - the LSNs in `points`, alone.
package struct LayerDescriptor: Hashable, Sendable {
    /// Unique in the segment, never reused.
    package var number: UInt32
    package var kind: LayerKind
    /// Delta: holds the records in (`start`, `end`]. Image, namespace: equal to `end`.
    package var start: LSN
    /// Image: the LSN it was made at.
    package var end: LSN
    /// Image: deltas up to here have nothing more to say about its key range; `end` or later. Otherwise equal to `end`.
    package var through: LSN
    /// Image: the keys it is responsible for, both ends included. Delta: first and last key of its entries.
    package var first: BlockKey
    package var last: BlockKey
    /// Image: older LSNs, ascending, at which it can be read.
    package var points: [LSN]
    /// Length of the file.
    package var bytes: UInt64

    package init(
        number: UInt32, kind: LayerKind, start: LSN, end: LSN, through: LSN? = nil, first: BlockKey = .lowest,
        last: BlockKey = .highest, points: [LSN] = [], bytes: UInt64 = 0
    ) {
        self.number = number
        self.kind = kind
        self.start = start
        self.end = end
        self.through = through ?? end
        self.first = first
        self.last = last
        self.points = points
        self.bytes = bytes
    }

    /// The image of everything before the first record: no file behind it.
    package static let nothing = LayerDescriptor(number: 0, kind: .image, start: .zero, end: .zero)

    /// Image: whether it can be read at an LSN, with or without deltas.
    package func answers(_ lsn: LSN) -> Bool { lsn >= end || points.contains(lsn) }
}
