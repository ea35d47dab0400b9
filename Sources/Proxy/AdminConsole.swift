// SPDX-License-Identifier: Apache-2.0

import NIOCore
import PostgresWire

/// The database `borealis`: SHOW PINS, CLIENTS, POOLS, STATS, TARGETS over the PostgreSQL protocol.
///
/// Simple queries only; an admin's psql is all it is for.
final class AdminConsole {
    static let parameters = [
        ("server_version", "15.0 (Borealis proxy)"), ("client_encoding", "UTF8"), ("server_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"), ("integer_datetimes", "on"), ("standard_conforming_strings", "on"),
    ]

    private var input = ByteBuffer()

    func receive(_ bytes: ByteBuffer) { input.writeImmutableBuffer(bytes) }

    /// Answers what has arrived; true when the connection should be closed.
    func answer(_ state: ProxyState.Part) -> (ByteBuffer?, Bool) {
        var out = ByteBuffer()
        while let header = try? input.postgresHeader(at: input.readerIndex), header.total <= input.readableBytes {
            let index = input.readerIndex
            defer { input.moveReaderIndex(forwardBy: header.total) }
            if header.kind == FrontendMessage.terminate { return (nil, true) }
            guard header.kind == FrontendMessage.query,
                let (text, _) = input.postgresString(at: index + 5, limit: index + header.total)
            else {
                ServerError.fatal("0A000", "the admin console takes simple queries only").write(to: &out)
                return (out, true)
            }
            run(text, state, &out)
        }
        return (out.readableBytes > 0 ? out : nil, input.readableBytes > 1 << 16)
    }

    private func run(_ text: String, _ state: ProxyState.Part, _ out: inout ByteBuffer) {
        let words = text.lowercased().split { !$0.isLetter }
        let subject = words.first == "show" ? words.dropFirst().first.map(String.init) : nil
        guard let (columns, rows) = AdminConsole.table(subject ?? "", state) else {
            ServerError(code: "42601", message: "the admin console knows SHOW PINS, CLIENTS, POOLS, STATS and TARGETS")
                .write(to: &out)
            out.writePostgresReady(.idle)
            return
        }
        out.writePostgresTextColumns(columns)
        for row in rows { out.writePostgresTextRow(row) }
        out.writePostgresCommandComplete("SHOW")
        out.writePostgresReady(.idle)
    }

    static let columns = [
        "pins": ["client", "user", "database", "listener", "reason", "statement", "backend_pid"],
        "clients": ["client", "user", "database", "listener", "state", "pins", "backend_pid"],
        "pools": ["role", "user", "database", "idle", "borrowed", "opening", "waiting", "limit", "target"],
        "stats": ["metric", "value"],
        "targets": ["group", "target", "role", "lag_seconds"],
    ]

    /// Columns and rows of one subject; nil when there is no such. Also what `GET /pins` and its like answer.
    static func table(_ subject: String, _ state: ProxyState.Part) -> ([String], [[String?]])? {
        guard let columns = columns[subject] else { return nil }
        return (columns, rows(subject, state))
    }

    private static func rows(_ subject: String, _ state: ProxyState.Part) -> [[String?]] {
        switch subject {
        case "pins":
            state.clients.filter { !$0.pins.isEmpty }.map {
                ["\($0.number)", $0.user, $0.database, $0.listener, $0.pins, $0.pinnedBy, "\($0.backendProcess)"]
            }
        case "clients":
            state.clients.map {
                ["\($0.number)", $0.user, $0.database, $0.listener, $0.state, $0.pins, "\($0.backendProcess)"]
            }
        case "pools": state.pools
        case "targets": state.targets
        default:
            (state.metrics.whole.totals() + state.metrics.whole.levels()).map { [$0.name, "\($0.value)"] }
        }
    }
}
