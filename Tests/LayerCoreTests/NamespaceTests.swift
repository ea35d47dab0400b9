// SPDX-License-Identifier: Apache-2.0

import LogWire
import NIOCore
import NamespaceCore
import Testing
import VolumeModel

/// Names as a file system sees them, the slow way: whole paths in a dictionary.
private struct NaiveNames {
    enum Entry: Equatable {
        case directory(UInt32)
        case file(UInt64)
        case symlink(String)
    }
    var entries: [String: Entry] = ["": .directory(0o700)]
    var modes: [UInt64: UInt32] = [:]

    func parent(_ path: String) -> String { String(path.split(separator: "/").dropLast().joined(separator: "/")) }
    func isDirectory(_ path: String) -> Bool { if case .directory = entries[path] { true } else { false } }
    func canAdd(_ path: String) -> Bool { isDirectory(parent(path)) && entries[path] == nil }
    func links(_ id: UInt64) -> Int { entries.values.count { $0 == .file(id) } }
    func below(_ path: String) -> [String] { entries.keys.filter { $0.hasPrefix(path + "/") } }

    mutating func rename(_ from: String, _ to: String) -> (Bool, UInt64?) {
        guard let node = entries[from], isDirectory(parent(to)) else { return (false, nil) }
        if from == to { return (true, nil) }
        let old = entries[to]
        if case .directory = node {
            if to.hasPrefix(from + "/") { return (false, nil) }
            if old != nil, !isDirectory(to) || !below(to).isEmpty { return (false, nil) }
            for path in below(from) { entries[to + path.dropFirst(from.count)] = entries.removeValue(forKey: path) }
        } else {
            if isDirectory(to) { return (false, nil) }
            if case .file = node, old == node { return (true, nil) }
        }
        entries[to] = entries.removeValue(forKey: from)
        if case .file(let id) = old, links(id) == 0 { return (true, id) }
        return (true, nil)
    }
}

@Suite struct NamespaceTests {
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func `operations do what the file system calls do`(seed: UInt64) throws {
        print("seed \(seed)")
        var random = Random(seed)
        var naive = NaiveNames()
        var names = Namespace()
        var nextID: UInt64 = 0
        func path() -> String {
            (0...random.below(3)).map { _ in ["a", "b", "c", "d"][random.below(4)] }.joined(separator: "/")
        }
        for step in 0..<4000 {
            let one = path()
            let two = path()
            func attempt(_ body: () throws -> FileID?) -> (Bool, UInt64?) {
                do { return (true, try body()?.value) } catch { return (false, nil) }
            }
            let got: (Bool, UInt64?)
            var expected: (Bool, UInt64?) = (false, nil)
            switch random.below(9) {
            case 0, 1:
                nextID += 1
                if naive.canAdd(one) {
                    naive.entries[one] = .file(nextID)
                    naive.modes[nextID] = 0o600
                    expected.0 = true
                }
                got = attempt {
                    try names.create(one, id: FileID(nextID), mode: 0o600)
                    return nil
                }
            case 2:
                if naive.canAdd(one) {
                    naive.entries[one] = .directory(7)
                    expected.0 = true
                }
                got = attempt {
                    try names.makeDirectory(one, mode: 7)
                    return nil
                }
            case 3:
                if let entry = naive.entries[one], !naive.isDirectory(one) {
                    naive.entries[one] = nil
                    expected.0 = true
                    if case .file(let id) = entry, naive.links(id) == 0 { expected.1 = id }
                }
                got = attempt { try names.unlink(one) }
            case 4, 5:
                expected = naive.rename(one, two)
                got = attempt { try names.rename(from: one, to: two) }
            case 6:
                if naive.isDirectory(one), naive.below(one).isEmpty {
                    naive.entries[one] = nil
                    expected.0 = true
                }
                got = attempt {
                    try names.removeDirectory(one)
                    return nil
                }
            case 7:
                if let entry = naive.entries[one], !naive.isDirectory(one), naive.canAdd(two) {
                    naive.entries[two] = entry
                    expected.0 = true
                }
                got = attempt {
                    try names.link(existing: one, new: two)
                    return nil
                }
            default:
                if naive.canAdd(one) {
                    naive.entries[one] = .symlink(two)
                    expected.0 = true
                }
                got = attempt {
                    try names.symlink(target: two, path: one)
                    return nil
                }
            }
            #expect(got == expected, "seed \(seed) step \(step) \(one) \(two)")
            if step % 100 == 0 {
                let listed = Dictionary(uniqueKeysWithValues: names.items.map { ($0.path, $0.entry) })
                #expect(listed.count == naive.entries.count - 1)
                for (path, entry) in naive.entries where path != "" {
                    switch entry {
                    case .directory(let mode): #expect(listed[path] == .directory(mode: mode))
                    case .file(let id):
                        #expect(listed[path] == .file(FileID(id)))
                        #expect(names.fileID(at: path) == FileID(id))
                        #expect(names.file(FileID(id))?.links == UInt32(naive.links(id)))
                    case .symlink(let target): #expect(listed[path] == .symlink(target: target))
                    }
                }
                #expect(try Namespace(decoding: names.encoded) == names)
                #expect(try Namespace(decoding: names.encoded).encoded == names.encoded)
            }
        }
        #expect(names.maximumFileID == FileID(nextID))
    }

    private var sample: Namespace {
        get throws {
            var names = Namespace()
            try names.makeDirectory("base", mode: 0o700)
            try names.create("base/1", id: FileID(5), mode: 0o600)
            try names.setSize(FileID(5), 8192)
            try names.mapChunk(FileID(5), 1, GroupID(3))
            try names.mapChunk(FileID(5), 0, GroupID(2))
            try names.link(existing: "base/1", new: "PG")
            try names.symlink(target: "/x", path: "z")
            return names
        }
    }

    @Test func `a snapshot's bytes are these`() throws {
        let hex = try sample.encoded.readableBytesView.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
        #expect(
            hex.joined()
                == "42584e414d45533101000000c00100000500000000000000010000000400000005000000000000000020000000000000"
                + "800100000200000000000000000000000200000001000000000000000300000002000000000200504705000000000000"
                + "000100000000040062617365c001000002010000000100310500000000000000030000000001007a02002f78"
        )
    }

    @Test func `malformed snapshots are refused`() throws {
        let good = try sample.encoded
        for length in 0..<good.readableBytes {
            #expect(throws: NamespaceError.self) { try Namespace(decoding: good.getSlice(at: 0, length: length)!) }
        }
        var random = Random(4)
        for _ in 0..<3000 {
            var bad = good
            for _ in 0...random.below(3) {
                bad.setInteger(UInt8(truncatingIfNeeded: random.next()), at: random.below(bad.readableBytes))
            }
            if let names = try? Namespace(decoding: bad) { _ = names.items }
        }
    }

    @Test func `chunks, sizes and lookups`() throws {
        var names = try sample
        #expect(names.group(of: FileID(5), chunk: 0) == GroupID(2))
        #expect(names.group(of: FileID(5), chunk: 1) == GroupID(3))
        #expect(names.group(of: FileID(5), chunk: 2) == nil)
        #expect(names.size(of: FileID(5)) == 8192)
        #expect(names.paths(of: FileID(5)) == ["PG", "base/1"])
        #expect(throws: NamespaceError.noFile(FileID(6))) { try names.setSize(FileID(6), 1) }
        #expect(throws: NamespaceError.invalid("")) { try names.unlink("") }
        #expect(throws: NamespaceError.exists("base/1")) { try names.create("base/1", id: FileID(9), mode: 0) }
        try names.create("base/1", id: FileID(5), mode: 0)
        try names.changeMode("base", mode: 0o750)
        #expect(names.entry(at: "base") == .directory(mode: 0o750))
        #expect(throws: NamespaceError.notDirectory("PG/x/y")) { try names.makeDirectory("PG/x/y", mode: 0) }
        #expect(try names.unlink("PG") == nil)
        #expect(try names.unlink("base/1") == FileID(5))
        #expect(names.file(FileID(5)) == nil)
    }

    @Test func `a large namespace is quick`() throws {
        var names = Namespace()
        for directory in 0..<100 { try names.makeDirectory("d\(directory)", mode: 0o700) }
        for file in 1...20_000 {
            let id = FileID(UInt64(file))
            try names.create("d\(file % 100)/\(file)", id: id, mode: 0o600)
            try names.mapChunk(id, 0, GroupID(UInt32(file % 7)))
        }
        let bytes = names.encoded
        let clock = ContinuousClock()
        var copy = Namespace()
        let time = try clock.measure { copy = try Namespace(decoding: bytes) }
        print("decode of 20,000 files: \(time), \(bytes.readableBytes) bytes")
        #expect(copy == names)
    }
}
