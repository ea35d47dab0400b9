// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// Sizes that decide when and how much is compacted; smaller in tests.
package struct CompactionLimits: Hashable, Sendable {
    /// A cut makes delta layers of about this many payload bytes.
    package var deltaBytes: UInt64 = 32 << 20
    /// An image file is closed at about this length.
    package var imageBytes: UInt64 = 128 << 20
    /// More deltas than this are put together.
    package var deltas = 8
    /// How many deltas one step puts together.
    package var mergeWidth = 5
    /// This many bytes of deltas, and half as many as there are of images, make a new round of images.
    package var roundBytes: UInt64 = 256 << 20

    package init() {}
}

/// What to compact next: a pure function of the layers, the horizon and the pins.
///
/// Images are made anew in *rounds*. A round has a target, the end of a delta at or below the horizon; each step brings a
/// run of neighbouring images up to it (those that deltas say nothing new about are just noted to reach it); when all have
/// arrived, the deltas up to the target are dropped. Between rounds, small deltas are put together so that a read has few
/// to look through. A round that was interrupted goes on by itself: it is seen from the images' `through`.
package struct CompactionPlan: Sendable {
    package enum Step: Hashable, Sendable {
        case none
        /// Make new images of these neighbouring ones (one may be `LayerDescriptor.nothing`), readable at `points`, the last
        /// of which is the target.
        case image(run: [LayerDescriptor], points: [LSN])
        /// Every image reaches the target: drop the deltas up to it.
        case retire(target: LSN, points: [LSN])
        /// Put these neighbouring deltas together.
        case merge([LayerDescriptor], points: [LSN])
    }

    package var step: Step
    /// Images that reach the round's target without being rewritten.
    package var advanced: [UInt32] = []
    package var target = LSN.zero

    /// - Parameters:
    ///   - layers: of the segment, any order
    ///   - horizon: every LSN from here on must stay readable
    ///   - pins: older LSNs that must stay readable too
    ///   - force: start a round even if the deltas are few
    ///   - isTouched: whether deltas hold anything for an image's keys in (after, through]
    package static func next(
        layers: [LayerDescriptor], horizon: LSN, pins: [LSN], limits: CompactionLimits, force: Bool = false,
        isTouched: (LayerDescriptor, _ after: LSN, _ through: LSN) throws -> Bool
    ) rethrows -> CompactionPlan {
        let deltas = layers.filter { $0.kind == .delta }.sorted { $0.end < $1.end }
        var images = layers.filter { $0.kind == .image }.sorted { $0.first < $1.first }
        if images.isEmpty { images = [.nothing] }
        guard let target = roundTarget(images, deltas, horizon, limits, force) else {
            return CompactionPlan(step: merge(deltas, horizon, pins, limits))
        }
        let points = readPoints(pins, below: target) + [target]
        var behind: [LayerDescriptor] = []
        var advanced: [UInt32] = []
        for image in images where image.through < target {
            if try image.number == 0 || isTouched(image, image.through, target) {
                behind.append(image)
            } else {
                advanced.append(image.number)
            }
        }
        guard let first = behind.first else {
            return CompactionPlan(step: .retire(target: target, points: points), advanced: advanced, target: target)
        }
        // Small neighbours are rewritten together, so that they become one file.
        var run = [first]
        var bytes = first.bytes
        for image in behind.dropFirst() {
            guard let last = run.last, image.first == last.last.successor, image.through == first.through,
                bytes + image.bytes <= limits.imageBytes
            else { break }
            run.append(image)
            bytes += image.bytes
        }
        return CompactionPlan(step: .image(run: run, points: points), advanced: advanced, target: target)
    }

    /// The target of the round that is under way or due; nil if none.
    private static func roundTarget(
        _ images: [LayerDescriptor], _ deltas: [LayerDescriptor], _ horizon: LSN, _ limits: CompactionLimits,
        _ force: Bool
    ) -> LSN? {
        let reached = images.map(\.through)
        if let high = reached.max(), let low = reached.min(), low < high { return high <= horizon ? high : nil }
        let done = reached.first ?? .zero
        // A crash between the last image and the dropping of deltas.
        if deltas.contains(where: { $0.end <= done }), done > .zero { return done }
        let ready = deltas.filter { $0.end <= horizon }
        guard let target = ready.last?.end else { return nil }
        let imageBytes = images.reduce(0) { $0 + $1.bytes }
        let deltaBytes = ready.reduce(0) { $0 + $1.bytes }
        let isDue =
            force || deltaBytes > max(limits.roundBytes, imageBytes / 2)
            || (ready.count > limits.deltas && deltaBytes >= imageBytes / 8)
        return isDue ? target : nil
    }

    /// The run of neighbouring deltas with the fewest bytes, if there are too many deltas. One that ends above the horizon
    /// and begins below is the last choice: as one layer, it could not be a round's target for longer.
    private static func merge(
        _ deltas: [LayerDescriptor], _ horizon: LSN, _ pins: [LSN], _ limits: CompactionLimits
    ) -> Step {
        guard deltas.count > limits.deltas, limits.mergeWidth > 1, deltas.count >= limits.mergeWidth else {
            return .none
        }
        var best: (straddles: Bool, bytes: UInt64, at: Int)?
        for at in 0...(deltas.count - limits.mergeWidth) {
            let run = deltas[at..<(at + limits.mergeWidth)]
            let straddles = run.contains { $0.end <= horizon } && run.contains { $0.end > horizon }
            let bytes = run.reduce(0) { $0 + $1.bytes }
            if let found = best {
                guard straddles == found.straddles ? bytes < found.bytes : found.straddles else { continue }
            }
            best = (straddles, bytes, at)
        }
        guard let best else { return .none }
        return .merge(
            Array(deltas[best.at..<(best.at + limits.mergeWidth)]), points: readPoints(pins, below: horizon) + [horizon]
        )
    }

    /// Pins below an LSN, ascending, each once.
    package static func readPoints(_ pins: [LSN], below limit: LSN) -> [LSN] {
        Set(pins).filter { $0 < limit }.sorted()
    }
}
