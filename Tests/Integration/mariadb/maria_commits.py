# SPDX-License-Identifier: Apache-2.0
"""The committer of `harness.commits` for MariaDB."""

from harness.commits import PATIENCE, Committer
from maria_wire import Connection, Lost, ServerError

SCHEMA = [
    "CREATE DATABASE IF NOT EXISTS commits",
    "CREATE TABLE IF NOT EXISTS commits.heard (id BIGINT AUTO_INCREMENT PRIMARY KEY, n BIGINT NOT NULL) ENGINE=InnoDB"]


class MariaCommitter(Committer):
    FAILURES = (Lost, ServerError)

    @staticmethod
    def connect(url):
        return Connection(url, timeout=PATIENCE + 1)

    @staticmethod
    def is_writer(connection):
        return connection.value("SELECT @@read_only") == "0"

    @staticmethod
    def insert(connection, number):
        connection.execute(f"INSERT INTO commits.heard (n) VALUES ({number})")

    @staticmethod
    def numbers(connection):
        return [int(n) for (n,) in connection.execute("SELECT n FROM commits.heard ORDER BY n")]
