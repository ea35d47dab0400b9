// SPDX-License-Identifier: Apache-2.0

internal import CBorealis
internal import Logging
internal import StorageNode
internal import StorageWire
internal import Synchronization
internal import VolumeModel

/// A mount's lease on the LSN that it reads at: the storage nodes keep the versions it needs as long as it lives.
struct MountPin {
    let holder = UInt64.random(in: .min ... .max)
    let lsn: LSN
    /// When it was renewed last, monotonic nanoseconds.
    var renewed: Int64
}

extension VolumeDriver {
    private static let renewNanoseconds = Int64(StorageHost.pinLeaseSeconds) * 1_000_000_000 / 3

    /// Takes the lease before anything is read at the LSN.
    /// - Throws: if fewer nodes than a read quorum keep that LSN readable
    func takePin(at lsn: LSN) throws {
        let pin = MountPin(lsn: lsn, renewed: bx_monotonic_ns())
        let failures = send(pin, seconds: StorageHost.pinLeaseSeconds, to: transport.nodes)
        guard transport.nodes.count - failures.count >= Membership.readQuorum else {
            throw DriverError("LSN \(lsn) cannot be kept readable: \(failures.joined(separator: "; "))")
        }
        core.withLock { $0.pin = pin }
    }

    /// Renews the lease in time. Does not block.
    func renewPin() {
        let now = bx_monotonic_ns()
        let due = core.withLock { core -> MountPin? in
            guard let pin = core.pin, now - pin.renewed > Self.renewNanoseconds else { return nil }
            core.pin?.renewed = now
            return pin
        }
        guard let due else { return }
        fetchers.submit(.asked) { [self] in
            let failures = send(due, seconds: StorageHost.pinLeaseSeconds, to: transport.nodes)
            if !failures.isEmpty { logger.debug("renew the pin", metadata: ["failures": "\(failures)"]) }
        }
    }

    func releasePin() {
        let (pin, reachable) = core.withLock { core in
            defer { core.pin = nil }
            return (core.pin, core.reachable)
        }
        if let pin { _ = send(pin, seconds: 0, to: reachable.sorted()) }
    }

    /// - Returns: what the nodes that did not take it said
    private func send(_ pin: MountPin, seconds: UInt32, to nodes: [NodeID]) -> [String] {
        nodes.compactMap { node in
            let call = ServiceCall.pin(
                volume: configuration.volume, node: node, holder: pin.holder, at: pin.lsn, seconds: seconds)
            do { _ = try transport.call(call, node: node) } catch { return "\(node): \(error)" }
            return nil
        }
    }
}
