# SPDX-License-Identifier: Apache-2.0
"""Kills under load, in both layouts: no acknowledged commit is lost, none is doubled, every table checks, and the
binlog, where there is one, says the same as InnoDB."""

import contextlib
import random

import pytest

from harness.region import kill
from maria_bank import Bank, check_tables, create


def strike(region, name, rng):
    match name:
        case "writer":
            region.fault("crash-writer")
        case "engine":
            kill(region.writer_pid())
        case "driver":
            kill(region.process(region.driver_role))
        case "zone":
            region.fault("kill-az", rng.choice("abc"))
        case "cache":
            region.command("volume", "detach-cache")
        case "zone and driver":
            region.fault("kill-az", rng.choice("abc"))
            kill(region.process(region.driver_role))
        case "everything":
            region.crash(rng)
            region.up()


SHORT = ["writer", "driver", "zone and driver", "cache", "everything"]


@pytest.mark.parametrize("layout, settings", [("compact", []), ("zones", ["--set", "log_bin=on"])])
def test_torture(make_maria, layout, settings, seed, rng, is_long):
    region = make_maria(layout=layout, arguments=["--group-bytes", "64M"])
    region.up(*settings)
    region.arguments = region.arguments[:2]
    with region.connect() as connection:
        create(connection)
    bank = Bank(region, seed, prepares_count="log_bin=on" not in settings)
    try:
        bank.start()
        rounds = SHORT + (["engine", "zone"] + SHORT) * 4 if is_long else list(SHORT)
        rng.shuffle(rounds)
        for name in rounds:
            bank.wait_for_commits(60)
            strike(region, name, rng)
            with contextlib.suppress(Exception):
                region.heal()
            bank.wait_for_commits(30)
            bank.pause()
            bank.check()
            print(f"{layout}: {name}: {bank.commits} commits")
            bank.resume()
        bank.pause()
        region.wait_available()
        check_tables(region.url)
    finally:
        bank.stop()
