// SPDX-License-Identifier: Apache-2.0

/// A queue over one array: appended at the back, dropped from the front, indexed from the front.
///
/// Dropping moves a head index; the dead prefix is cut off once it is as long as what lives, so every operation but
/// `insert` and `removeAll(where:)` is O(1) amortised.
package struct Window<Element> {
    private var items: [Element] = []
    private var head = 0

    package init() {}

    package var isEmpty: Bool { count == 0 }
    package var count: Int { items.count - head }
    package var first: Element? { head < items.count ? items[head] : nil }
    package var last: Element? { head < items.count ? items[items.count - 1] : nil }

    package subscript(index: Int) -> Element {
        get { items[head + index] }
        set { items[head + index] = newValue }
    }

    package mutating func append(_ element: Element) { items.append(element) }

    package mutating func dropFirst(_ n: Int) {
        head += n
        if head > 32, head * 2 >= items.count {
            items.removeFirst(head)
            head = 0
        }
    }

    /// Cuts the queue to its first `n` elements and returns the others, in order.
    package mutating func cut(after n: Int) -> [Element] {
        let tail = Array(items[(head + n)...])
        items.removeLast(tail.count)
        return tail
    }

    /// The elements from `index` on, without a copy.
    package func suffix(from index: Int) -> ArraySlice<Element> { items[(head + index)...] }

    /// The first index whose element fails `below`; O(log n). The elements must be partitioned by `below`.
    package func partition(_ below: (Element) -> Bool) -> Int {
        var low = head
        var high = items.count
        while low < high {
            let middle = (low + high) / 2
            if below(items[middle]) { low = middle + 1 } else { high = middle }
        }
        return low - head
    }
}

extension Window: Sendable where Element: Sendable {}
