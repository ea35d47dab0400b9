// SPDX-License-Identifier: Apache-2.0

internal import LayerCore
internal import VolumeModel

/// A layer that counts, and its file.
struct LiveLayer: Sendable {
    var layer: LayerDescriptor
    var file: LayerFile
}

/// The layers of a segment at one moment. A value: whoever reads keeps the one it began with.
struct LayerSet: Sendable {
    /// Ascending by end; consecutive.
    var deltas: [LiveLayer] = []
    /// Ascending by first key; empty, or tiling the key space.
    var images: [LiveLayer] = []
    /// Namespace snapshots, ascending by LSN.
    var namespaces: [LiveLayer] = []
    var layeredLSN: LSN
    var previousEnd: LSN
    var retiredLSN: LSN
    var timelineBase: TimelinePoint?

    init(_ manifest: Manifest, open: (LayerDescriptor) -> LayerFile) {
        layeredLSN = manifest.layeredLSN
        previousEnd = manifest.previousEnd
        retiredLSN = manifest.retiredLSN
        timelineBase = manifest.timelineBase
        for layer in manifest.layers { add(LiveLayer(layer: layer, file: open(layer))) }
        sort()
    }

    mutating func add(_ live: LiveLayer) {
        switch live.layer.kind {
        case .delta: deltas.append(live)
        case .image: images.append(live)
        case .namespace: namespaces.append(live)
        }
    }

    mutating func sort() {
        deltas.sort { $0.layer.end < $1.layer.end }
        images.sort { $0.layer.first < $1.layer.first }
        namespaces.sort { $0.layer.end < $1.layer.end }
    }

    mutating func remove(_ numbers: Set<UInt32>) {
        deltas.removeAll { numbers.contains($0.layer.number) }
        images.removeAll { numbers.contains($0.layer.number) }
        namespaces.removeAll { numbers.contains($0.layer.number) }
    }

    /// Images about which the deltas up to an LSN say nothing new.
    mutating func note(advanced numbers: Set<UInt32>, through target: LSN) {
        for index in images.indices where numbers.contains(images[index].layer.number) {
            images[index].layer.through = target
        }
    }

    var all: [LiveLayer] { deltas + images + namespaces }

    /// The images that are responsible for a range of keys, in order; empty if there are no images at all.
    func images(in range: ClosedRange<BlockKey>) -> ArraySlice<LiveLayer> {
        var low = 0
        var high = images.count
        while low < high {
            let middle = (low + high) / 2
            if images[middle].layer.last < range.lowerBound { low = middle + 1 } else { high = middle }
        }
        let end = images[low...].firstIndex { $0.layer.first > range.upperBound } ?? images.count
        return images[low..<end]
    }

    func manifest(numbersBelow: UInt32) -> Manifest {
        var manifest = Manifest()
        manifest.numbersBelow = numbersBelow
        manifest.layeredLSN = layeredLSN
        manifest.previousEnd = previousEnd
        manifest.retiredLSN = retiredLSN
        manifest.timelineBase = timelineBase
        manifest.layers = all.map(\.layer)
        return manifest
    }
}
