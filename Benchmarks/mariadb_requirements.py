# SPDX-License-Identifier: Apache-2.0
"""What is asked of MariaDB on Borealis, beside what was measured."""

from ratios import Slices, median, spread
from requirements import limit_row, ratio_row

# load, clients, without the binlog: (must, aim), with it: (must, aim)
WRITES = [
    ("oltp_update_index", 1, (1.3, 2.5), (1.0, 1.5)), ("oltp_update_index", 16, (1.3, 2.5), (1.0, 1.5)),
    ("oltp_write_only", 16, (1.2, 1.6), (0.95, 1.3)),
]
READS = "oltp_point_select"


def rows(results):
    slices = Slices(results.get("main", {}).get("slices", []))
    found = []
    for kind, clients, *limits in WRITES:
        for system, (must, aim) in zip(("compact", "compact-binlog"), limits):
            what = f"{kind}, {clients} client{'s'[: clients > 1]}, {system} / stock"
            found.append(ratio_row(what, slices, system, "stock", kind, clients, must, aim))
    for clients in [clients for kind, clients in slices.steps() if kind == READS] or [1]:
        what = f"{READS}, {clients} client{'s'[: clients > 1]}, compact / stock"
        found.append(ratio_row(what, slices, "compact", "stock", READS, clients, 0.97, 1.0))
    return found + _crash_rows(results.get("crash", {}).get("crashes", []))


def _crash_rows(crashes):
    stock = median(one["seconds"] for one in crashes if one["system"] == "stock")
    found = []
    for system in [name for name in dict.fromkeys(one["system"] for one in crashes) if name != "stock"] or ["compact"]:
        seconds = spread(one["seconds"] for one in crashes if one["system"] == system)
        note = f" (max {seconds.high:.2f}; stock {stock:.2f})" if seconds and stock is not None else ""
        found.append(limit_row(
            f"SIGKILL of the engine under load to the next commit, {system}", seconds and seconds.median, 5, 2, "s", note=note))
    return found
