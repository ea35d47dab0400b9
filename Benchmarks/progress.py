# SPDX-License-Identifier: Apache-2.0
"""Progress on stderr, and the error that means "this run is broken, do not believe its figures"."""

import sys
import time

_started = time.monotonic()


class BrokenRun(Exception):
    """Something went wrong that makes the figures worthless: the exit code is 1."""


def say(text):
    minutes, seconds = divmod(int(time.monotonic() - _started), 60)
    print(f"bench {minutes:02d}:{seconds:02d} {text}", file=sys.stderr, flush=True)


def elapsed():
    return time.monotonic() - _started
