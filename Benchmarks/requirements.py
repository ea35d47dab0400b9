# SPDX-License-Identifier: Apache-2.0
"""The figures that are asked for, beside what was measured. They are reported, never a reason to fail a run."""

from dataclasses import dataclass

from ratios import Slices, median, spread

AZ_ROLES = ("storage-a", "storage-b", "storage-c")


@dataclass(frozen=True)
class Row:
    what: str
    must: str
    aim: str
    measured: str
    verdict: str  # aim, must, SHORT, or a dash where nothing was measured


def verdict(value, must, aim, above):
    if value is None:
        return "-"
    better = (lambda limit: value >= limit) if above else (lambda limit: value <= limit)
    return "aim" if better(aim) else "must" if better(must) else "SHORT"


def ratio_row(what, slices, system, base, kind, clients, must, aim):
    found = slices.ratio(system, base, kind, clients)
    text = f"{found.median:.2f}x ({found.low:.2f}..{found.high:.2f})" if found else "not measured"
    return Row(what, f"{must:g}x", f"{aim:g}x", text, verdict(found and found.median, must, aim, True))


def limit_row(what, value, must, aim, unit, scale=1.0, note=""):
    text = f"{value / scale:.2f} {unit}{note}" if value is not None else "not measured"
    return Row(what, f"{must / scale:g} {unit}", f"{aim / scale:g} {unit}", text, verdict(value, must, aim, False))


def rows(results):
    """What is asked of PostgreSQL on Borealis."""
    main = Slices(results.get("main", {}).get("slices", []))
    larger = Slices(results.get("larger", {}).get("slices", []))
    found = []
    for clients in (1, 16):
        for system, must, aim in (("compact", 0.95, {1: 1.15, 16: 1.2}[clients]), ("zones", 0.75, 1.0)):
            what = f"TPC-B, {clients} client{'s'[: clients > 1]}, {system} / stock"
            found.append(ratio_row(what, main, system, "stock", "tpcb", clients, must, aim))
    for kind, clients in larger.steps() or [("tpcb", 16)]:
        for system in ("compact", "zones"):
            what = f"TPC-B, {clients} clients, data 4x shared_buffers, {system} / stock"
            found.append(ratio_row(what, larger, system, "stock", kind, clients, 1.2, 2.0))
    for base in ("sync-write", "sync-on"):
        what = f"TPC-B, 16 clients, zones / two standbys ({base})"
        found.append(ratio_row(what, main, "zones", base, "tpcb", 16, 1.4, 2.0))
    counts = [clients for kind, clients in main.steps() if kind == "select"] or [1, 4, 16, 64]
    for clients in counts:
        for system in ("compact", "zones"):
            what = f"select-only, {clients} client{'s'[: clients > 1]}, {system} / stock"
            found.append(ratio_row(what, main, system, "stock", "select", clients, 0.97, 1.0))
    found += _log_rows(results, larger) + _crash_rows(results) + _attach_rows(results) + _memory_rows(results)
    return found


def _log_rows(results, larger):
    found = []
    for system in ("compact", "zones"):
        share = results.get("main", {}).get("withCheckpoint", {}).get(system, {})
        what = f"shipped bytes a TPC-B transaction and copy, {system}"
        found.append(limit_row(f"{what}, checkpoint included", share.get("shippedBytes"), 1024, 614.4, "KB", 1024))
        value = median(
            s["perTransaction"]["shippedBytes"] for s in larger.slices if s["system"] == system and s["kind"] == "tpcb")
        found.append(limit_row(f"{what}, data 4x, 30 s checkpoints", value, 1024, 614.4, "KB", 1024))
    return found


def _crash_rows(results):
    crashes = results.get("crash", {}).get("crashes", [])
    found = []
    for system in ("compact", "zones"):
        seconds = spread(one["seconds"] for one in crashes if one["system"] == system)
        stock = median(one["seconds"] for one in crashes if one["system"] == "stock")
        note = f" (max {seconds.high:.2f}; stock {stock:.2f})" if seconds and stock is not None else ""
        value = seconds and seconds.median
        found.append(limit_row(f"SIGKILL of the engine to the next commit, {system}", value, 3, 1, "s", note=note))
    return found


def _attach_rows(results):
    attaches = results.get("attach", {}).get("attaches", [])
    sizes = sorted({one["dataBytes"] for one in attaches})
    found = []
    for size in sizes or [0]:
        value = median(one["seconds"] for one in attaches if one["dataBytes"] == size)
        what = f"attach to first query, cold, {size / 1e9:.2f} GB (asked: 10 GB)" if size else "attach to first query, cold"
        found.append(limit_row(what, value, 3, 1, "s"))
    return found


def _memory_rows(results):
    slices = [s for part in ("main", "larger") for s in results.get(part, {}).get("slices", []) if s["system"] == "zones"]
    peaks = [max(s["residentBytes"].get(role, 0) for role in AZ_ROLES) for s in slices]
    value = max(peaks) if peaks else None
    return [limit_row("resident memory of one AZ process under load, greatest", value, 400e6, 200e6, "MB", 1e6)]
