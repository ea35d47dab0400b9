# SPDX-License-Identifier: Apache-2.0
"""A MariaDB client in a page: login with mysql_native_password, or MySQL's caching_sha2_password, text queries, no TLS.

Format: mariadb.com/kb/en/clientserver-protocol. It exists so that a test knows exactly which bytes were answered: what
was acknowledged, what was refused, and what was sent and never heard of again.
"""

import hashlib
import socket
import struct
import urllib.parse

CAPABILITIES = 0x1 | 0x8 | 0x200 | 0x8000 | 0x80000  # long password, with database, 4.1, secure connection, plugin


class ServerError(Exception):
    """The server said no: the statement had no effect, or was rolled back."""

    def __init__(self, packet):
        self.code = struct.unpack_from("<H", packet, 1)[0]
        self.text = packet[9:].decode(errors="replace") if packet[3:4] == b"#" else packet[3:].decode(errors="replace")
        super().__init__(f"{self.code}: {self.text}")


class Lost(Exception):
    """The connection ended, or the answer did not come in time."""


class Connection:
    """`name` is what the server's process list has under HOST: the address of this end."""

    def __init__(self, url, database="", timeout=30):
        parts = urllib.parse.urlsplit(url)
        self.buffer = b""
        try:
            self.socket = socket.create_connection((parts.hostname, parts.port), timeout=timeout)
            self.name = "%s:%d" % self.socket.getsockname()[:2]
            greeting = self._packet()
            if greeting[0] == 0xFF:
                raise ServerError(greeting)
            end = greeting.index(0)
            challenge = greeting[end + 5:end + 13] + greeting[end + 32:end + 44]
            once = hashlib.sha1(parts.password.encode()).digest()
            other = hashlib.sha1(challenge + hashlib.sha1(once).digest()).digest()
            proof = bytes(a ^ b for a, b in zip(once, other))
            self._send(
                struct.pack("<IIB23x", CAPABILITIES, 1 << 24, 45) + parts.username.encode() + b"\0" + bytes([20]) + proof
                + database.encode() + b"\0mysql_native_password\0", 1)
            answer = self._packet()
            if answer[0] == 0xFE:
                answer = self._switch(answer, parts.password.encode())
            if answer[0] == 0xFF:
                raise ServerError(answer)
        except (OSError, IndexError, ValueError) as error:
            self.close()
            raise Lost(str(error)) from error

    def _switch(self, request, password):
        """MySQL's own plugin: a proof, and where the server does not know the password yet, that under the server's RSA key.

        dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
        """
        name, _, challenge = request[1:].partition(b"\0")
        if name != b"caching_sha2_password":
            raise ValueError(f"the server wants {name}")
        challenge = challenge.rstrip(b"\0")
        once = hashlib.sha256(password).digest()
        other = hashlib.sha256(hashlib.sha256(once).digest() + challenge).digest()
        self._send(bytes(a ^ b for a, b in zip(once, other)), 3)
        answer = self._packet()
        if answer == b"\x01\x04":
            from cryptography.hazmat.primitives import hashes, serialization
            from cryptography.hazmat.primitives.asymmetric import padding

            self._send(b"\x02", 5)
            key = serialization.load_pem_public_key(self._packet()[1:])
            text = password + b"\0"
            text = bytes(byte ^ challenge[at % len(challenge)] for at, byte in enumerate(text))
            self._send(key.encrypt(text, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)), 7)
        elif answer != b"\x01\x03":
            return answer
        return self._packet()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if getattr(self, "socket", None):
            self.socket.close()

    def fileno(self):
        return self.socket.fileno()

    def execute(self, statement):
        """Rows as tuples of str and None; an empty list for what has none."""
        try:
            self._send(b"\x03" + statement.encode(), 0)
            first = self._packet()
            if first[0] == 0xFF:
                raise ServerError(first)
            if first[0] == 0x00:
                return []
            columns, _ = _integer(first, 0)
            for _ in range(columns + 1):
                self._packet()
            rows = []
            while True:
                packet = self._packet()
                if packet[0] == 0xFE and len(packet) < 9:
                    return rows
                if packet[0] == 0xFF:
                    raise ServerError(packet)
                rows.append(_row(packet))
        except OSError as error:
            self.close()
            raise Lost(str(error)) from error

    def value(self, statement):
        [[value]] = self.execute(statement)
        return value

    def _send(self, payload, sequence):
        self.socket.sendall(struct.pack("<I", len(payload))[:3] + bytes([sequence]) + payload)

    def _packet(self):
        header = self._exactly(4)
        return self._exactly(header[0] | header[1] << 8 | header[2] << 16)

    def _exactly(self, count):
        while len(self.buffer) < count:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise ConnectionError("the server closed the connection")
            self.buffer += chunk
        found, self.buffer = self.buffer[:count], self.buffer[count:]
        return found


def _integer(packet, at):
    """A length-encoded integer and where it ends; None is NULL."""
    first = packet[at]
    if first < 0xFB:
        return first, at + 1
    if first == 0xFB:
        return None, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(packet[at + 1:at + 1 + size], "little"), at + 1 + size


def _row(packet):
    at, row = 0, []
    while at < len(packet):
        length, at = _integer(packet, at)
        if length is None:
            row.append(None)
        else:
            row.append(packet[at:at + length].decode(errors="replace"))
            at += length
    return tuple(row)
