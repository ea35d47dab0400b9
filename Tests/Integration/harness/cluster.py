# SPDX-License-Identifier: Apache-2.0
"""A region's one cluster: its instances, and waiting until all of them serve."""

import time


def instances(cluster):
    """The writer first."""
    return ([cluster["writer"]] if cluster["writer"] else []) + cluster["readers"]


def wait_all(region, count):
    """Every instance accepts connections, one of them as the writer."""
    def ready(status):
        cluster = status["clusters"][0]
        return (cluster["status"] == "available" and cluster["writer"] and len(instances(cluster)) == count
                and all(i["state"] == "available" for i in instances(cluster)))
    return region.wait(f"{count} instances are available", ready)["clusters"][0]


def wait_writer_other_than(region, old):
    """The failover is over, and somebody else is the writer."""
    def done(status):
        cluster = status["clusters"][0]
        return cluster["writer"] and cluster["writer"]["id"] != old and cluster["failover"]["isComplete"]
    return region.wait("another instance is the writer", done)["clusters"][0]


def fail_over(region, committer, act):
    """Commits go on, something happens to the writer, and another one takes its place.

    Returns the cluster as it was before, the seconds from the event to the first new commit, and those without commits.
    """
    before = wait_all(region, len(instances(region.cluster())))
    committer.wait(50)
    moment = time.monotonic()
    act(before)
    wait_writer_other_than(region, before["writer"]["id"])
    return (before, *committer.gap_after(moment))
