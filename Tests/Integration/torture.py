# SPDX-License-Identifier: Apache-2.0
"""Torture for as long as it is told to. See `torture` beside this file."""

import argparse
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

from harness.bank import SETTINGS
from harness.chaos import Torture
from harness.region import Region


def main():
    parser = argparse.ArgumentParser(description="Random kills under load; no acknowledged commit may be lost or doubled.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, help="repeats the same sequence of kills (not their timing)")
    parser.add_argument("--layout", choices=["zones", "compact"], help="default: one after the other, half of the time each")
    parser.add_argument("--clients", type=int, default=5)
    parser.add_argument("--group-bytes", help="such as 8M, for many protection groups")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    layouts = [options.layout] if options.layout else ["compact", "zones"]
    print(f"torture: seed {seed}, {options.minutes:g} minutes, layout {' then '.join(layouts)}", flush=True)
    passed = failed = 0
    for layout in layouts:
        base = os.environ.get("BOREALIS_TEST_DIR", "/tmp")
        pathlib.Path(base).mkdir(parents=True, exist_ok=True)
        directory = pathlib.Path(tempfile.mkdtemp(prefix="torture-", dir=base))
        directory.chmod(0o711)
        arguments = SETTINGS + (["--group-bytes", options.group_bytes] if options.group_bytes else [])
        region = Region(directory / "r", layout=layout, arguments=arguments)
        torture = Torture(region, seed, log=lambda text, l=layout: print(f"{time.strftime('%T')} {l}: {text}", flush=True))
        good = False
        try:
            region.up()
            region.arguments = []
            torture.prepare(plain=options.clients)
            torture.run(deadline=time.monotonic() + options.minutes * 60 / len(layouts))
            torture.deep_check()
            good = True
        except BaseException as error:
            traceback.print_exc()
            print(f"torture: failed: {error}\ntorture: the data is kept in {directory}", file=sys.stderr)
            if isinstance(error, KeyboardInterrupt):
                raise
        finally:
            torture.end()
            region.destroy(keep=not good)
            if good:
                shutil.rmtree(directory, ignore_errors=True)
        passed += torture.rounds if good else max(0, torture.rounds - 1)
        failed += 0 if good else 1
    print(f"torture: seed {seed}: {passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
