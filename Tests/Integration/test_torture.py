# SPDX-License-Identifier: Apache-2.0
"""Torture, in the form that CI runs: each kind of kill that the issue names once, in random order, in both layouts.

`torture` beside this file goes on for as long as it is told to.
"""

import pytest

from harness.bank import SETTINGS
from harness.chaos import Torture


@pytest.mark.parametrize("layout", ["compact", "zones"])
def test_torture(make_region, layout, seed, is_long):
    region = make_region(layout=layout)
    region.up(*SETTINGS)
    torture = Torture(region, seed)
    try:
        torture.prepare()
        kills = list(Torture.ALL if is_long else Torture.NAMED)
        torture.rng.shuffle(kills)
        for kill in kills:
            torture.round([kill])
        torture.deep_check()
    finally:
        torture.end()
