// SPDX-License-Identifier: Apache-2.0

import NIOCore
import ProxyCore

/// Why a client gets no backend connection.
enum BorrowFailure<Failure> {
    case tooManyWaiting
    case timedOut
    /// The endpoint is for readers, of which there are none.
    case noReader
    /// The server refuses the login, and waiting would not help.
    case login(Failure)
}

/// Who hears about a connection while no client uses it.
protocol BackendOwner<Backend>: AnyObject {
    associatedtype Backend: PooledBackend
    func backendOpened(_ connection: Backend)
    func backendFailed(_ connection: Backend, _ error: Backend.Failure)
    /// The proxy's own statements are done and the connection is idle.
    func backendQuiet(_ connection: Backend)
    func backendClosed(_ connection: Backend)
}

/// A connection to a server, as its pool and the topology monitor see it: one implementation an engine.
protocol PooledBackend: AnyObject {
    associatedtype Settings: Equatable
    associatedtype Client: BackendBorrower where Client.Backend == Self
    associatedtype Failure
    /// What clients of one pool share.
    associatedtype Common: AnyObject & Initialisable

    init(
        id: Int, target: ProxyConfiguration.Address, group: GroupContext, owner: any BackendOwner<Self>, key: PoolKey)

    var owner: any BackendOwner<Self> { get }
    var id: Int { get }
    var target: ProxyConfiguration.Address { get }
    var openedAt: Int64 { get }
    var isOpen: Bool { get }
    var usesTLS: Bool { get }
    var settings: Settings { get }
    var isInTransaction: Bool { get }
    /// Known from login to be no writer.
    var isReadOnly: Bool { get }
    /// The server announced that it would hang up.
    var saidGoodbye: Bool { get }
    var client: Client? { get set }
    /// Cancel requests on their way to the server; until they are through, the connection may serve nobody else.
    var cancelsUnderWay: Int { get set }
    var releaseDeferred: Bool { get set }
    /// The error of the proxy's own statements that ended last, in words.
    var ownError: String? { get }

    func open(on loop: any EventLoop)
    func close()
    /// Runs a statement of the proxy's own; the owner hears `backendQuiet`.
    func run(_ statement: String)
    func reset(rollBack: Bool, discard: Bool)
    /// A connection has been made: what clients are told of the server is known now.
    func teach(_ common: Common)

    /// Errors of login that waiting does not mend: wrong password, no such database or role, not permitted.
    static func isLasting(_ failure: Failure) -> Bool
    static func forgetWelcomes(_ common: Common)

    /// What the monitor asks a target, and what the answer means; nil when it cannot be read.
    static var topologyQuestion: String { get }
    var topologyAnswer: TopologyAnswer? { get }
    static func words(_ failure: Failure) -> String
}

protocol Initialisable {
    init()
}

struct TopologyAnswer {
    var isWriter: Bool
    var lagSeconds: Double
    /// Of two that claim to be the writer, the one with the larger number is.
    var generation: Int
}

/// A client connection, as the pool sees it.
protocol BackendBorrower: AnyObject {
    associatedtype Backend: PooledBackend
    var id: Int { get }
    /// Where it is counted.
    var endpoint: EndpointCounts { get }
    var isPinned: Bool { get }
    var isInTransaction: Bool { get }
    /// The reader it had last.
    var reader: ProxyConfiguration.Address? { get set }
    func borrowed(_ connection: Backend)
    /// It had to wait for the connection it is about to get.
    func noteLent(_ now: Int64)
    func borrowFailed(_ failure: BorrowFailure<Backend.Failure>)
    func lingeredLongEnough(_ now: Int64) -> Bool
    /// Give the connection back, if it is still not needed.
    func stopLingering()
}

/// A client connection of either engine, as the loop and the console see it.
protocol ProxyClient: AnyObject {
    var group: GroupContext { get }
    var listenerName: String { get }
    var summary: ClientSummary { get }
    var isPinned: Bool { get }
    var isInTransaction: Bool { get }
    var cancelSecret: [UInt8] { get }
    func checkTimeouts(_ now: Int64)
    func cancelRequested()
    func close()
}
