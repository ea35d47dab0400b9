// SPDX-License-Identifier: Apache-2.0

internal import LayerCore
internal import VolumeModel

/// Stores that hold the same layers, each under numbers of its own: the nodes of one host, as a rule.
///
/// What is merged is read, merged and compressed once; each store seals and writes it, and lists it in its own manifest. A
/// store stands by itself all the while: one that fails has made nothing, and the others go on without it.
struct LayerTwins {
    private struct Member {
        let store: LayerStore
        /// Number of a layer of the first store, and of the same one here.
        let numbers: [UInt32: UInt32]
    }

    private let members: [Member]

    /// - Parameters:
    ///   - set: the first store's
    ///   - others: those whose layers differ are left out
    init(_ first: LayerStore, _ set: LayerSet, _ others: [LayerStore]) {
        let own = Dictionary(uniqueKeysWithValues: set.all.map { ($0.layer.number, $0.layer.number) })
        members =
            [Member(store: first, numbers: own)]
            + others.compactMap { store in
                store.current.numbers(asIn: set).map { Member(store: store, numbers: $0) }
            }
    }

    func newWriter() throws -> TwinWriter { TwinWriter(writers: try members.map { try $0.store.newWriter() }) }

    /// Ends a layer: one for each store.
    func live(_ writer: TwinWriter, _ layer: LayerDescriptor) throws -> [LiveLayer] {
        var made: [LiveLayer] = []
        do {
            for (member, own) in zip(members, writer.writers) { made.append(try member.store.live(own, layer)) }
        } catch {
            for (member, live) in zip(members, made) { member.store.discard([live]) }
            throw error
        }
        return made
    }

    /// Lists what was made in every store. The first store's failure is thrown, another's only keeps that one back.
    ///
    /// - Parameters:
    ///   - made: for each layer, one a store
    ///   - change: told the new layers, and how the store numbers what the first one calls by a number
    func commit(
        _ made: [[LiveLayer]], _ change: (inout LayerSet, [LiveLayer], ([UInt32]) -> Set<UInt32>) throws -> Void
    ) throws {
        for (place, member) in members.enumerated() {
            let own = made.map { $0[place] }
            do {
                if !own.isEmpty { try member.store.syncDirectory() }
                try member.store.commit { set in
                    try change(&set, own) { numbers in Set(numbers.compactMap { member.numbers[$0] }) }
                }
            } catch {
                guard place > 0 else {
                    discard(made)
                    throw error
                }
                member.store.discard(own)
            }
        }
    }

    func discard(_ made: [[LiveLayer]]) {
        for (place, member) in members.enumerated() { member.store.discard(made.map { $0[place] }) }
    }
}

/// The same layer on its way into several stores.
struct TwinWriter {
    fileprivate let writers: [LayerWriter]

    /// Bytes of one file so far: they are all of the same length.
    var bytes: UInt64 { writers.first?.bytes ?? 0 }

    func append(_ chunk: PlainChunk) throws {
        let stored = StoredChunk(chunk)
        for writer in writers { try writer.append(stored) }
    }
}

extension LayerSet {
    /// For the number of each layer of another set, the number of the same layer here; nil unless all are the same.
    fileprivate func numbers(asIn other: LayerSet) -> [UInt32: UInt32]? {
        let (ours, theirs) = (all, other.all)
        guard ours.count == theirs.count, layeredLSN == other.layeredLSN, retiredLSN == other.retiredLSN else {
            return nil
        }
        var numbers: [UInt32: UInt32] = [:]
        for (our, their) in zip(ours, theirs) {
            var renumbered = our.layer
            renumbered.number = their.layer.number
            guard renumbered == their.layer, our.file.damage == nil else { return nil }
            numbers[their.layer.number] = our.layer.number
        }
        return numbers
    }
}
