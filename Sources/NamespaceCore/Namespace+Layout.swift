// SPDX-License-Identifier: Apache-2.0

package import VolumeModel

/// Walking the tree.
extension Namespace {
    package struct Item: Hashable, Sendable {
        package var path: String
        package var entry: Entry

        package init(path: String, entry: Entry) {
            self.path = path
            self.entry = entry
        }
    }

    /// Every name but the root, each directory before what it holds, siblings in the order of their UTF-8 bytes.
    /// O(n log n).
    package var items: [Item] {
        var result: [Item] = []
        result.reserveCapacity(files.count + directories.count)
        forEachItem { result.append($0) }
        return result
    }

    /// As `items`, without collecting them.
    package func forEachItem(_ body: (Item) throws -> Void) rethrows {
        try walk { path, _, _, node in try body(Item(path: path, entry: describe(node))) }
    }

    /// All names of a file, in the order of `items`. O(n): for tools and tests.
    package func paths(of id: FileID) -> [String] {
        items.compactMap { $0.entry == .file(id) ? $0.path : nil }
    }

    /// The same order as `items`; iterative, since a hostile snapshot may nest without bound.
    func walk(_ body: (_ path: String, _ parent: DirectoryID, _ name: String, _ node: Node) throws -> Void) rethrows {
        var stack: [(path: String, parent: DirectoryID, name: String, node: Node)] = []
        func push(_ directory: DirectoryID, _ prefix: String) {
            guard let children = directories[directory]?.children else { return }
            for (name, node) in children.sorted(by: { Self.before($1.key, $0.key) }) {
                stack.append((prefix + name, directory, name, node))
            }
        }
        push(Self.root, "")
        while let (path, parent, name, node) = stack.popLast() {
            try body(path, parent, name, node)
            if case .directory(let id) = node { push(id, path + "/") }
        }
    }

    /// The order of UTF-8 bytes: `String`'s own order depends on Unicode's normal forms.
    private static func before(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }
}

extension Namespace: Equatable {
    /// Same names, files and root mode; how the directories are numbered does not matter. O(n log n).
    package static func == (a: Namespace, b: Namespace) -> Bool {
        a.files == b.files && a.entry(at: "") == b.entry(at: "") && a.maximumFileID == b.maximumFileID
            && a.items == b.items
    }
}
