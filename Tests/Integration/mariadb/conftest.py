# SPDX-License-Identifier: Apache-2.0
"""Regions whose one cluster is a MariaDB."""

import shutil

import pytest

from maria_bank import MariaRegion


def pytest_collection_modifyitems(items):
    if shutil.which("mariadbd", path="/usr/sbin:/usr/bin:/usr/local/bin") is None:
        for item in items:
            if item.path.parent.name == "mariadb":
                item.add_marker(pytest.mark.skip(reason="mariadbd is not installed"))


@pytest.fixture(scope="module")
def make_maria(make_region):
    def make(**options):
        region = make_region(**options)
        # The same region in every way; only how one connects differs.
        region.__class__ = MariaRegion
        region.arguments[:0] = ["--engine", "mariadb"]
        return region

    return make
