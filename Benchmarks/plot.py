#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws a result: bars of ratios to stock with their spread, and latencies. `plot.py RESULT.json OUT.png` uses matplotlib.

matplotlib lives in a virtual environment, `.build-venv` in the checkout's root, which is made when it is missing. Without
network or pip the picture is an SVG that `svg.py` writes by hand from the same panels.
"""

import json
import subprocess
import sys
from pathlib import Path

from ratios import Slices

ENGINES = {"postgres": "PostgreSQL", "mariadb": "MariaDB"}
VENV = Path(__file__).resolve().parent.parent / ".build-venv"
COLOURS = {
    "stock": "#7f7f7f", "sync-write": "#c49c94", "sync-on": "#8c564b", "semi-sync": "#8c564b", "ceiling": "#bcbd22",
    "ceiling-binlog": "#dbdb8d", "compact": "#1f77b4", "compact-binlog": "#aec7e8", "zones": "#2ca02c", "zones-binlog": "#98df8a",
}
TITLES = {"tpcb": "TPC-B", "select": "select-only"}
# Whose latencies are drawn.
LATENCIES = ("tpcb", "oltp_update_index", "oltp_write_only")


def panels(results):
    """Each a dict of title, unit, groups (labels) and bars: system -> [(value, low, high) or None for each group]."""
    order = results["systems"]
    found = []
    main = Slices(results.get("main", {}).get("slices", []))
    larger = Slices(results.get("larger", {}).get("slices", []))
    kinds = list(dict.fromkeys(kind for kind, _ in main.steps() + larger.steps()))
    for kind in kinds:
        steps = [step for step in main.steps() if step[0] == kind]
        steps += [("larger",) + step for step in larger.steps() if step[0] == kind]
        found.append(_panel(f"{TITLES.get(kind, kind)}, TPS against stock", "x stock", steps, main, larger, order, None, skip="stock"))
    for kind in [kind for kind in kinds if kind in LATENCIES]:
        steps = [step for step in main.steps() if step[0] == kind]
        for name in ("p50", "p99"):
            get = lambda s, name=name: s[name] * 1000  # noqa: E731
            found.append(_panel(f"{TITLES.get(kind, kind)}, latency {name}", "ms", steps, main, larger, order, get))
    return [panel for panel in found if panel["groups"] and panel["bars"]]


def _panel(title, unit, steps, main, larger, order, get, skip=None):
    bars = {}
    for name in order:
        values = []
        for step in steps:
            slices, (kind, clients) = (larger, step[1:]) if step[0] == "larger" else (main, step)
            spread = slices.measure(name, kind, clients, get) if get else slices.ratio(name, "stock", kind, clients)
            values.append((spread.median, spread.low, spread.high) if spread else None)
        if name != skip and any(values):
            bars[name] = values
    groups = [f"{step[-1]}, data 4x" if step[0] == "larger" else f"{step[-1]}" for step in steps]
    return {"title": title, "unit": unit, "groups": groups, "bars": bars, "line": 1.0 if get is None else None}


def heading(results):
    return f"Borealis and stock {ENGINES[results['engine']]}, {results['date']}, {results['machine']['cores']} cores, commit {results['machine']['commit']}"


def draw(results, target):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    chosen = panels(results)
    figure, axes = pyplot.subplots((len(chosen) + 1) // 2, 2, figsize=(13, 4.2 * ((len(chosen) + 1) // 2)), squeeze=False)
    for axis in axes.flat[len(chosen):]:
        axis.axis("off")
    for axis, panel in zip(axes.flat, chosen):
        width = 0.8 / len(panel["bars"])
        for number, (name, values) in enumerate(panel["bars"].items()):
            present = [(at, v) for at, v in enumerate(values) if v]
            axis.bar(
                [at + (number - (len(panel["bars"]) - 1) / 2) * width for at, _ in present], [v[0] for _, v in present], width,
                yerr=[[v[0] - v[1] for _, v in present], [v[2] - v[0] for _, v in present]], capsize=2, label=name,
                color=COLOURS.get(name), error_kw={"linewidth": 0.8})
        if panel["line"]:
            axis.axhline(panel["line"], color="black", linewidth=0.8)
        axis.set_title(panel["title"])
        axis.set_ylabel(panel["unit"])
        axis.set_xticks(range(len(panel["groups"])), panel["groups"])
        axis.set_xlabel("clients")
        axis.legend(fontsize=8)
    figure.suptitle(heading(results))
    # The title takes half an inch, however many rows there are.
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.5 / figure.get_figheight()))
    figure.savefig(target, dpi=110)


def _python():
    """The environment's Python with matplotlib in it, made if need be; None if that cannot be had."""
    python = VENV / "bin/python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True, capture_output=True, timeout=120)
        if subprocess.run([python, "-c", "import matplotlib"], capture_output=True).returncode != 0:
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "matplotlib"]
            subprocess.run(pip, check=True, capture_output=True, timeout=300)
    except (OSError, subprocess.SubprocessError):
        return None
    return python


def make(results, result_file, by_hand=False):
    """Draws beside `result_file`; returns the picture's path."""
    target = Path(result_file).with_suffix(".png")
    python = None if by_hand else _python()
    if python:
        done = subprocess.run([python, __file__, result_file, target], capture_output=True, text=True)
        if done.returncode == 0:
            return target
    import svg

    target = target.with_suffix(".svg")
    target.write_text(svg.draw(heading(results), panels(results), COLOURS))
    return target


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        draw(json.load(file), sys.argv[2])
