# SPDX-License-Identifier: Apache-2.0
"""A deleted cluster's space comes back on every storage node, also on those that were down when it was deleted."""

import pytest

from conftest import running
from harness.region import until
from test_clusters import ask
from test_region_crashes import volumes


@pytest.fixture(scope="module")
def zones():
    with running("--no-demo", layout="zones", group_bytes="8M") as api:
        yield api


def nodes_with(region, volume):
    return {path.parent.name for path in region.directory.glob(f"storage/*/*/{volume}")}


def volume_of(region, name):
    return next(cluster["volume"] for cluster in region.status()["clusters"] if cluster["id"] == name)


def test_space_comes_back_also_where_a_zone_was_down(zones):
    region = zones.region
    other = zones.create(DatabaseName="shop")
    name = zones.create(DatabaseName="shop")
    for cluster in (other, name):
        ask(zones, cluster, "CREATE TABLE t AS SELECT generate_series(1, 100000) n")
    volume, kept = volume_of(region, name), volume_of(region, other)
    assert nodes_with(region, volume) == nodes_with(region, kept) == {"a1", "a2", "b1", "b2", "c1", "c2"}
    region.fault("kill-az", "c")
    zones.delete(name)
    until("zones a and b are free of it", lambda: nodes_with(region, volume) == {"c1", "c2"})
    # Somebody still has it, so it is not forgotten, not even by the next supervisor.
    assert volume in volumes(region)[1]
    region.crash()
    region.up()
    until("zone c is free of it", lambda: nodes_with(region, volume) == set())
    until("it is forgotten", lambda: volumes(region)[1] == [kept])
    # The nodes' journals have entries of it still.
    region.down()
    region.up()
    region.wait_nodes()
    assert nodes_with(region, volume) == set() and nodes_with(region, kept) == {"a1", "a2", "b1", "b2", "c1", "c2"}
    assert {segment["volume"] for node in region.status()["nodes"] for segment in node["detail"]["segments"]} == {kept}
    zones.wait("db_instance_available", DBInstanceIdentifier=f"{other}-1")
    assert ask(zones, other, "SELECT count(*) FROM t") == 100000
    zones.delete(other)
    until("nothing is left", lambda: volumes(region) == ([], []))
