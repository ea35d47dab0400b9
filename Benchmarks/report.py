# SPDX-License-Identifier: Apache-2.0
"""The tables, as plain text and as Markdown."""

import mariadb_requirements
import requirements
from ratios import Slices, median


def _columns(head, body, left):
    widths = [max(len(str(row[column])) for row in [head] + body) for column in range(len(head))]
    return [
        "  ".join(str(cell).ljust(width) if n < left else str(cell).rjust(width) for n, (cell, width) in enumerate(zip(row, widths)))
        .rstrip() for row in [head] + body
    ]


class Table:
    """`left` columns are aligned left, the others right."""

    def __init__(self, title, head, body, left=1):
        self.title, self.head, self.body, self.left = title, head, body, left

    def text(self):
        lines = _columns(self.head, self.body, self.left)
        return "\n".join([self.title, lines[0], "-" * max(map(len, lines))] + lines[1:])

    def markdown(self):
        marks = [" --- " if n < self.left else " ---: " for n in range(len(self.head))]
        rows = ["|" + "|".join(f" {cell} " for cell in row) + "|" for row in [self.head] + self.body]
        return "\n".join([f"### {self.title}", "", rows[0], "|" + "|".join(marks) + "|"] + rows[1:])


def _with_spread(found, form):
    return f"{found.median:{form}} ({found.low:{form}}..{found.high:{form}})" if found else "-"


def _milliseconds(found):
    return f"{found.median * 1000:.2f}" if found else "-"


def _rates(title, slices, order):
    body = []
    for kind, clients in slices.steps():
        for system in slices.systems(kind, clients, order):
            ratio = slices.ratio(system, "stock", kind, clients)
            cells = [f"{kind} {clients}", system]
            cells.append(_with_spread(slices.measure(system, kind, clients, lambda s: s["tps"]), ".0f"))
            cells.append(_with_spread(ratio, ".2f"))
            for name in ("p50", "p95", "p99"):
                cells.append(_milliseconds(slices.measure(system, kind, clients, lambda s, name=name: s[name])))
            latency = slices.ratio(system, "stock", kind, clients, lambda s: s["p99"])
            cells.append(f"{latency.median:.2f}" if latency else "-")
            body.append(cells)
    head = ["load, clients", "system", "TPS (min..max)", "/ stock (min..max)", "p50 ms", "p95 ms", "p99 ms", "p99 / stock"]
    return Table(title, head, body, left=2)


def _costs(title, slices, order):
    body = []
    for kind, clients in slices.steps():
        for system in slices.systems(kind, clients, order):
            chosen = slices.of(system, kind, clients)
            roles = list(dict.fromkeys(role for s in chosen for role in s["cpuPerTransaction"]))
            cpu = {role: median(s["cpuPerTransaction"].get(role, 0) * 1e6 for s in chosen) for role in roles}
            # The three AZ processes do the same work: together they are easier to compare.
            storage = sum(value for role, value in cpu.items() if role.startswith("storage"))
            instance = sum(value for role, value in cpu.items() if role.startswith("instance"))
            counted = lambda name: median(s["perTransaction"].get(name) for s in chosen)  # noqa: E731
            switches = median(sum(n for role, n in s["switchesPerTransaction"].items() if role != "clients") for s in chosen)
            body.append([
                f"{kind} {clients}", system, f"{cpu.get('engine', 0):.0f}",
                f"{storage:.0f}" if storage else "-", f"{instance:.0f}" if instance else "-",
                f"{cpu['standbys']:.0f}" if "standbys" in cpu else "-", f"{cpu.get('clients', 0):.0f}",
                f"{median(s['cpuAfterPerTransaction'] * 1e6 for s in chosen):.0f}", f"{switches:.1f}",
                f"{counted('flushes'):.2f}", f"{counted('logBytes'):.0f}", f"{counted('shippedBytes'):.0f}",
                f"{counted('diskBytes') / 1024:.1f}", f"{counted('diskFlushes'):.2f}",
            ])
    head = ["load, clients", "system", "engine us", "storage us", "instance us", "standbys us", "clients us", "after us",
            "switches", "flushes", "log B", "shipped B", "disk KB", "disk flushes"]
    return Table(title, head, body, left=2)


def _crash(results):
    crashes = results.get("crash", {}).get("crashes", [])
    names = list(dict.fromkeys(one["system"] for one in crashes))
    body = []
    for name in names:
        times = [one["seconds"] for one in crashes if one["system"] == name]
        body.append([name, f"{median(times):.2f}", " ".join(f"{one:.2f}" for one in times)])
    return Table("SIGKILL of the engine under load to the next commit, s", ["system", "median", "each"], body)


def _attach(results):
    attaches = results.get("attach", {}).get("attaches", [])
    body = []
    for size in sorted({one["dataBytes"] for one in attaches}):
        chosen = [one for one in attaches if one["dataBytes"] == size]
        body.append([
            f"{size / 1e9:.2f} GB", f"{median(one['seconds'] for one in chosen):.2f}",
            f"{median(one['secondsFromOrder'] for one in chosen):.2f}", f"{median(one['fetchedBytes'] for one in chosen) / 1e6:.1f}",
        ])
    head = ["data", "engine gone to query, s", "order to query, s", "fetched MB"]
    return Table("Attach with a cold cache to the first query", head, body)


def _memory(results):
    slices = [s for part in ("main", "larger") for s in results.get(part, {}).get("slices", [])]
    roles = {}
    for s in slices:
        for role, resident in s["residentBytes"].items():
            if role.startswith(("storage", "instance", "supervisor")):
                anonymous = s["residentAnonymousBytes"].get(role, 0)
                roles.setdefault((s["system"], role), []).append((resident, anonymous))
    body = []
    for (system, role), values in sorted(roles.items()):
        body.append([system, role, f"{max(v[0] for v in values) / 1e6:.0f}", f"{max(v[1] for v in values) / 1e6:.0f}",
                     f"{median(v[0] for v in values) / 1e6:.0f}"])
    return Table("Resident memory under load, MB", ["system", "process", "greatest", "anonymous", "median"], body, left=2)


REQUIREMENTS = {"postgres": requirements.rows, "mariadb": mariadb_requirements.rows}


def _required(results):
    body = [[row.what, row.must, row.aim, row.measured, row.verdict] for row in REQUIREMENTS[results["engine"]](results)]
    return Table("Required", ["what", "must", "aim", "measured", "reached"], body, left=1)


def tables(results):
    order = results["systems"]
    main = Slices(results.get("main", {}).get("slices", []))
    larger = Slices(results.get("larger", {}).get("slices", []))
    found = [
        _rates("Rates and latencies", main, order), _costs("Cost a transaction", main, order),
        _rates("Data 4x shared_buffers, checkpoints every 30 s", larger, order),
        _costs("Cost a transaction, data 4x shared_buffers", larger, order),
        _crash(results), _attach(results), _memory(results), _required(results),
    ]
    return [table for table in found if table.body]


NOTES = """\
Medians over {rounds} rounds; a ratio is taken within each round, then the median of the ratios. "after us" is CPU spent once the load
had ended, until the system was quiet. Log bytes are for one copy; "flushes" are the engine's waits for its log;
"disk" is what the device did meanwhile, for the whole machine, written back to the end.
"""
ENGINE_NOTES = {
    "postgres": """\
Part one: no checkpoint inside a slice, full pages {full_pages}, autovacuum off for all; pgbench, {threads} threads, on the same {cores} cores.""",
    "mariadb": """\
Data within the buffer pool, redo log of 1 GB for all; sysbench on the same {cores} cores, a thread a client.""",
}


def _size(options):
    return f"scale {options['scale']}" if "scale" in options else f"2 x {options['tables']} tables of {options['rows']} rows"


def _heading(results):
    o, machine = results["options"], results["machine"]
    return (f"Borealis bench, {results['engine']}, {results['date']}: {machine['cpu']}, {machine['cores']} cores, commit {machine['commit']}, "
            f"{_size(o)}, slices of {o['slice']} s, load average {machine['loadAtStart']:.1f} at the start, "
            f"{results['seconds']:.0f} s in all")


def _notes(results):
    o = results["options"]
    text = (NOTES + ENGINE_NOTES[results["engine"]]).format(**o, cores=results["machine"]["cores"])
    digests = "; ".join(
        f"{name} " + ", ".join(f"{what} {value}" for what, value in found.items()) for name, found in results["digests"].items())
    return text + f"\nDigests (all agree with what clients were told): {digests}"


def text(results):
    return "\n\n".join([_heading(results)] + [table.text() for table in tables(results)] + [_notes(results)])


def markdown(results):
    return "\n\n".join(
        [f"## {_heading(results)}"] + [table.markdown() for table in tables(results)] + [_notes(results)]) + "\n"
