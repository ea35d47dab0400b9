# SPDX-License-Identifier: Apache-2.0
"""The few calls of MariaDB's client library that we need, by ctypes: it is always there where the client is.

Blocking, but ctypes lets other threads run meanwhile. One thread uses one connection.
"""

import ctypes
import ctypes.util

from systems import QueryError

_CONNECT_TIMEOUT, _READ_TIMEOUT = 0, 11  # enum mysql_option
_lib = None


def _library():
    global _lib
    if _lib is None:
        _lib = ctypes.CDLL(ctypes.util.find_library("mariadb") or "libmariadb.so.3")
        text, pointer, number = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_uint
        for name, result, arguments in (
            ("mysql_init", pointer, [pointer]),
            ("mysql_options", ctypes.c_int, [pointer, ctypes.c_int, pointer]),
            ("mysql_real_connect", pointer, [pointer, text, text, text, text, number, text, ctypes.c_ulong]),
            ("mysql_real_query", ctypes.c_int, [pointer, text, ctypes.c_ulong]),
            ("mysql_store_result", pointer, [pointer]),
            ("mysql_field_count", number, [pointer]),
            ("mysql_num_fields", number, [pointer]),
            ("mysql_fetch_row", ctypes.POINTER(text), [pointer]),
            ("mysql_free_result", None, [pointer]),
            ("mysql_error", text, [pointer]),
            ("mysql_close", None, [pointer]),
        ):
            function = getattr(_lib, name)
            function.restype, function.argtypes = result, arguments
    return _lib


class Connection:
    """`endpoint` has host, port, user and password; statements commit by themselves."""

    def __init__(self, endpoint, connect_timeout=10, read_timeout=120):
        library = _library()
        self._connection = library.mysql_init(None)
        for option, seconds in ((_CONNECT_TIMEOUT, connect_timeout), (_READ_TIMEOUT, read_timeout)):
            library.mysql_options(self._connection, option, ctypes.byref(ctypes.c_uint(seconds)))
        user, password = endpoint["user"].encode(), endpoint["password"].encode()
        connected = library.mysql_real_connect(
            self._connection, endpoint["host"].encode(), user, password, None, int(endpoint["port"]), None, 0)
        if not connected:
            message = self._message()
            self.close()
            raise QueryError(message)

    def _message(self):
        return _lib.mysql_error(self._connection).decode(errors="replace").strip()

    def rows(self, sql):
        """The rows as lists of strings, None for NULL."""
        text = sql.encode()
        if _lib.mysql_real_query(self._connection, text, len(text)) != 0:
            raise QueryError(self._message())
        result = _lib.mysql_store_result(self._connection)
        if not result:
            if _lib.mysql_field_count(self._connection):
                raise QueryError(self._message())
            return []
        try:
            columns, found = range(_lib.mysql_num_fields(result)), []
            while row := _lib.mysql_fetch_row(result):
                found.append([None if row[column] is None else row[column].decode(errors="replace") for column in columns])
            return found
        finally:
            _lib.mysql_free_result(result)

    def value(self, sql):
        return self.rows(sql)[0][0]

    def close(self):
        if self._connection:
            _lib.mysql_close(self._connection)
            self._connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
