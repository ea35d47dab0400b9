// SPDX-License-Identifier: Apache-2.0

import java.sql.*;
import java.util.*;
import java.util.concurrent.*;

/**
 * What applications do with JDBC by default, at one URL; prints "done", or ends with what went wrong.
 *
 * Arguments: the URL, the type of a key that counts up, and a call that takes half a minute.
 */
class JdbcHabits {
    static String url;

    static void check(boolean good, String what) {
        if (!good) throw new AssertionError(what);
    }

    static long number(Connection c, String text, Object... values) throws SQLException {
        try (PreparedStatement s = c.prepareStatement(text)) {
            for (int i = 0; i < values.length; i++) s.setObject(i + 1, values[i]);
            try (ResultSet r = s.executeQuery()) {
                check(r.next(), text);
                return r.getLong(1);
            }
        }
    }

    static void run(Connection c, String text) throws SQLException {
        try (Statement s = c.createStatement()) {
            s.execute(text);
        }
    }

    public static void main(String[] arguments) throws Exception {
        url = arguments[0];
        try (Connection c = DriverManager.getConnection(url)) {
            run(c, "DROP TABLE IF EXISTS jdbc_t");
            run(c, "CREATE TABLE jdbc_t (id " + arguments[1] + ", v varchar(40))");
            // From the fifth time on the server prepares it.
            try (PreparedStatement s = c.prepareStatement("SELECT ? + 1")) {
                for (int i = 0; i < 12; i++) {
                    s.setInt(1, i);
                    try (ResultSet r = s.executeQuery()) {
                        check(r.next() && r.getInt(1) == i + 1, "prepared, time " + i);
                    }
                }
            }
            transactions(c);
            batches(c);
            isolation(c);
            cursor(c);
            errors(c, arguments[2]);
            check(c.isValid(5), "valid");
            try (ResultSet tables = c.getMetaData().getTables(null, null, "jdbc_t", null)) {
                check(tables.next(), "metadata");
            }
        }
        many();
        try (Connection c = DriverManager.getConnection(url)) {
            run(c, "DROP TABLE jdbc_t");
        }
        System.out.println("done");
    }

    static void transactions(Connection c) throws SQLException {
        c.setAutoCommit(false);
        try (PreparedStatement s =
                c.prepareStatement("INSERT INTO jdbc_t (v) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
            s.setString(1, "kept");
            check(s.executeUpdate() == 1, "inserted");
            try (ResultSet keys = s.getGeneratedKeys()) {
                check(keys.next() && keys.getLong(1) == 1, "the key");
            }
            Savepoint savepoint = c.setSavepoint("here");
            s.setString(1, "undone");
            s.executeUpdate();
            c.rollback(savepoint);
        }
        c.commit();
        c.setAutoCommit(true);
        check(number(c, "SELECT count(*) FROM jdbc_t") == 1, "one row");
    }

    static void batches(Connection c) throws SQLException {
        try (PreparedStatement s = c.prepareStatement("INSERT INTO jdbc_t (v) VALUES (?)")) {
            for (int i = 0; i < 200; i++) {
                s.setString(1, "row " + i);
                s.addBatch();
            }
            check(s.executeBatch().length == 200, "the batch");
        }
        check(number(c, "SELECT count(*) FROM jdbc_t WHERE v LIKE ?", "row%") == 200, "200 rows");
    }

    static void isolation(Connection c) throws SQLException {
        int before = c.getTransactionIsolation();
        c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        c.setReadOnly(true);
        c.setAutoCommit(false);
        check(number(c, "SELECT count(*) FROM jdbc_t") == 201, "201 rows");
        check(c.getTransactionIsolation() == Connection.TRANSACTION_SERIALIZABLE, "serializable");
        c.commit();
        c.setAutoCommit(true);
        c.setReadOnly(false);
        c.setTransactionIsolation(before);
    }

    static void cursor(Connection c) throws SQLException {
        c.setAutoCommit(false);
        try (Statement s = c.createStatement()) {
            s.setFetchSize(20);
            try (ResultSet r = s.executeQuery("SELECT id FROM jdbc_t")) {
                int rows = 0;
                while (r.next()) rows++;
                check(rows == 201, "fetched in parts");
            }
        }
        c.commit();
        c.setAutoCommit(true);
    }

    static void errors(Connection c, String sleep) throws SQLException {
        try {
            run(c, "SELECT nothing FROM nowhere");
            check(false, "an error");
        } catch (SQLException error) {
            check(error.getSQLState().startsWith("42"), error.getSQLState());
        }
        try (Statement s = c.createStatement()) {
            s.setQueryTimeout(1);
            long began = System.nanoTime();
            try {
                s.execute(sleep);
            } catch (SQLException expected) {
                // The driver has cancelled it.
            }
            check(System.nanoTime() - began < 15_000_000_000L, "the time limit");
        }
        check(number(c, "SELECT 5") == 5, "goes on");
    }

    static void many() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(8);
        List<Future<?>> all = new ArrayList<>();
        for (int t = 0; t < 8; t++) {
            int own = t;
            all.add(threads.submit(() -> {
                try (Connection c = DriverManager.getConnection(url)) {
                    for (int i = 0; i < 20; i++) check(number(c, "SELECT ? * 10", own) == own * 10, "its own answer");
                }
                return null;
            }));
        }
        for (Future<?> each : all) each.get();
        threads.shutdown();
    }
}
