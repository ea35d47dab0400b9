# SPDX-License-Identifier: Apache-2.0
"""Fixtures and options: `--short` (CI), `--long`, `--seed`."""

import os
import pathlib
import random
import tempfile

import pytest

from harness.region import BOREALIS, Region


def pytest_addoption(parser):
    parser.addoption("--short", action="store_true", help="what CI runs: without the tests marked `long`")
    parser.addoption("--long", action="store_true", help="more rounds of everything random")
    parser.addoption("--seed", type=int, help="of everything random; printed when not given")
    parser.addoption("--keep", action="store_true", help="keep the data directories")


def pytest_configure(config):
    seed = config.getoption("--seed")
    config.seed = seed if seed is not None else int.from_bytes(os.urandom(4), "little")


def _is_long(item):
    """`long` leaves a test out; `long("compact")` leaves it out for the parameter of that name only."""
    mark = item.get_closest_marker("long")
    if mark is None:
        return False
    return not mark.args or (hasattr(item, "callspec") and item.callspec.id in mark.args)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--short"):
        left_out = [item for item in items if _is_long(item)]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_report_header(config):
    return f"seed {config.seed} (repeat with --seed {config.seed}), program {BOREALIS}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.session.config.failed_nodes = getattr(item.session.config, "failed_nodes", set()) | {item.nodeid}


@pytest.fixture(scope="session")
def is_long(request):
    return request.config.getoption("--long")


@pytest.fixture
def seed(request):
    return request.config.seed


@pytest.fixture
def rng(request, seed):
    """Depends on the seed and the test's name, not on which tests ran before."""
    return random.Random(f"{seed} {request.node.name}")


def _base():
    base = os.environ.get("BOREALIS_TEST_DIR")
    if base is None:
        # Short, because of Unix sockets, and passable for the account that engines run under.
        return pathlib.Path(tempfile.mkdtemp(prefix="bt-", dir="/tmp"))
    path = pathlib.Path(base)
    path.mkdir(parents=True, exist_ok=True)
    return pathlib.Path(tempfile.mkdtemp(prefix="t-", dir=path))


@pytest.fixture(scope="module")
def make_region(request):
    """Makes regions that end with the module; a failed module's directories are kept."""
    made = []
    base = _base()
    base.chmod(0o711)

    def make(**options):
        region = Region(base / f"r{len(made) + 1}", **options)
        made.append(region)
        return region

    yield make
    failed = any(
        n.startswith(request.node.nodeid) for n in getattr(request.config, "failed_nodes", ()))
    keep = failed or request.config.getoption("--keep")
    for region in made:
        region.destroy(keep=keep)
    if keep:
        print(f"\nkept: {base}")
    else:
        import shutil
        shutil.rmtree(base, ignore_errors=True)
