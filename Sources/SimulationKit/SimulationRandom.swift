// SPDX-License-Identifier: Apache-2.0

/// A small seeded generator (SplitMix64: Steele, Lea, Flood, OOPSLA 2014). Equal seeds give equal runs on every machine.
package struct SimulationRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 0x1234_5678_9abc_def1 }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return Self.mixed(state)
    }

    /// SplitMix64's finalizer: also a cheap hash.
    package static func mixed(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// True in `n` of `m` cases.
    package mutating func chance(_ n: Int, in m: Int) -> Bool { Int(next() % UInt64(m)) < n }

    /// A number of the range; the bias of the remainder does not matter here.
    package mutating func pick(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    package mutating func pick<T>(_ items: [T]) -> T { items[pick(0...(items.count - 1))] }
}
