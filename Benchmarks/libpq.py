# SPDX-License-Identifier: Apache-2.0
"""The few calls of libpq that we need, by ctypes: PostgreSQL's client library is always there where pgbench is.

Blocking, but ctypes lets other threads run meanwhile. One thread uses one connection.
"""

import ctypes
import ctypes.util

from systems import QueryError

_BAD, _TUPLES, _COMMAND = 1, 2, 1
_NoticeProcessor = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
_silent = _NoticeProcessor(lambda _, message: None)  # libpq would print notices to stderr
_lib = None


def _library():
    global _lib
    if _lib is None:
        _lib = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
        for name, result, arguments in (
            ("PQconnectdb", ctypes.c_void_p, [ctypes.c_char_p]),
            ("PQstatus", ctypes.c_int, [ctypes.c_void_p]),
            ("PQerrorMessage", ctypes.c_char_p, [ctypes.c_void_p]),
            ("PQexec", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
            ("PQresultStatus", ctypes.c_int, [ctypes.c_void_p]),
            ("PQntuples", ctypes.c_int, [ctypes.c_void_p]),
            ("PQnfields", ctypes.c_int, [ctypes.c_void_p]),
            ("PQgetvalue", ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]),
            ("PQclear", None, [ctypes.c_void_p]),
            ("PQsetNoticeProcessor", ctypes.c_void_p, [ctypes.c_void_p, _NoticeProcessor, ctypes.c_void_p]),
            ("PQfinish", None, [ctypes.c_void_p]),
        ):
            function = getattr(_lib, name)
            function.restype, function.argtypes = result, arguments
    return _lib


class Connection:
    """`endpoint` maps libpq keywords to values."""

    def __init__(self, endpoint, **more):
        quoted = {key: str(value).replace("\\", "\\\\").replace("'", "\\'") for key, value in {**endpoint, **more}.items()}
        text = " ".join(f"{key}='{value}'" for key, value in quoted.items())
        self._connection = _library().PQconnectdb(text.encode())
        _lib.PQsetNoticeProcessor(self._connection, _silent, None)
        if _lib.PQstatus(self._connection) != 0:
            message = self._message()
            self.close()
            raise QueryError(message)

    def _message(self):
        return _lib.PQerrorMessage(self._connection).decode(errors="replace").strip()

    def rows(self, sql):
        """The rows as lists of strings; several statements in one text are one transaction."""
        result = _lib.PQexec(self._connection, sql.encode())
        try:
            if _lib.PQresultStatus(result) not in (_COMMAND, _TUPLES):
                raise QueryError(self._message())
            columns = range(_lib.PQnfields(result))
            return [
                [_lib.PQgetvalue(result, row, column).decode() for column in columns]
                for row in range(_lib.PQntuples(result))
            ]
        finally:
            _lib.PQclear(result)

    def value(self, sql):
        return self.rows(sql)[0][0]

    def close(self):
        if self._connection:
            _lib.PQfinish(self._connection)
            self._connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
