// SPDX-License-Identifier: Apache-2.0

import LayerCore
import Testing
import VolumeModel

@Suite struct CompactionPlanTests {
    private func delta(_ number: UInt32, _ end: UInt64, _ bytes: UInt64) -> LayerDescriptor {
        LayerDescriptor(number: number, kind: .delta, start: LSN(end - 10), end: LSN(end), bytes: bytes)
    }

    private func image(
        _ number: UInt32, _ end: UInt64, through: UInt64? = nil, _ keys: ClosedRange<UInt64>, bytes: UInt64 = 1 << 20
    ) -> LayerDescriptor {
        LayerDescriptor(
            number: number, kind: .image, start: LSN(end), end: LSN(end), through: through.map(LSN.init),
            first: BlockKey(file: FileID(keys.lowerBound), block: 0),
            last: BlockKey(file: FileID(keys.upperBound), block: .max), bytes: bytes)
    }

    private func plan(
        _ layers: [LayerDescriptor], horizon: UInt64 = 1000, pins: [UInt64] = [], force: Bool = false,
        touched: Set<UInt32> = [1, 2, 3]
    ) -> CompactionPlan {
        CompactionPlan.next(
            layers: layers, horizon: LSN(horizon), pins: pins.map(LSN.init), limits: CompactionLimits(), force: force
        ) { image, _, _ in touched.contains(image.number) }
    }

    @Test func `few deltas are left alone`() {
        #expect(plan([]).step == .none)
        #expect(plan([delta(10, 10, 1000)]).step == .none)
        #expect(plan((1...8).map { delta(10 + $0, UInt64($0) * 10, 1000) } + [image(1, 0, 0...(.max))]).step == .none)
    }

    @Test func `many bytes of deltas make a round, up to the last delta at or below the horizon`() {
        let layers = (1...9).map { delta(10 + $0, UInt64($0) * 10, 32 << 20) }
        #expect(plan(layers).step == .image(run: [.nothing], points: [LSN(90)]))
        #expect(plan(Array(layers.dropLast()), horizon: 85).step == .none)
        #expect(
            plan(layers, horizon: 85, pins: [85, 20, 20, 81, 7], force: true).step
                == .image(run: [.nothing], points: [LSN(7), LSN(20), LSN(80)]))
    }

    @Test func `small deltas under large images are put together, the smallest neighbours first`() {
        var layers = (1...9).map { delta(10 + $0, UInt64($0) * 10, 5000) } + [image(1, 0, 0...(.max), bytes: 1 << 30)]
        layers[0].bytes = 100_000
        #expect(plan(layers, pins: [15]).step == .merge(Array(layers[1...5]), points: [LSN(15), LSN(1000)]))
    }

    @Test func `deltas on the two sides of the horizon are not put together if others can be`() {
        var layers = (1...9).map { delta(10 + $0, UInt64($0) * 10, 5000) } + [image(1, 0, 0...(.max), bytes: 1 << 30)]
        for index in 0..<4 { layers[index].bytes = 9000 }
        #expect(plan(layers, horizon: 60).step == .merge(Array(layers[1...5]), points: [LSN(60)]))
        #expect(plan(layers, horizon: 45).step == .merge(Array(layers[4...8]), points: [LSN(45)]))
        #expect(plan(layers, horizon: 55).step == .merge(Array(layers[0...4]), points: [LSN(55)]))
    }

    @Test func `a round goes on with the images that are behind and passes over those without news`() {
        let layers =
            [image(1, 20, 0...9), image(2, 0, 10...19), image(3, 0, 20...29), image(4, 0, 30...(.max))]
            + [delta(10, 20, 1000)]
        let step = plan(layers)
        #expect(step.step == .image(run: [layers[1], layers[2]], points: [LSN(20)]))
        #expect(step.advanced == [4])
        #expect(plan(layers, horizon: 19).step == .none)
    }

    @Test func `when all images have arrived the deltas go`() {
        let layers = [
            image(1, 20, 0...9), image(4, 0, through: 20, 10...(.max)), delta(10, 20, 1000), delta(11, 30, 1),
        ]
        #expect(plan(layers, pins: [3, 25]).step == .retire(target: LSN(20), points: [LSN(3), LSN(20)]))
    }
}
