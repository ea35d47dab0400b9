# SPDX-License-Identifier: Apache-2.0
"""Medians over rounds, and ratios that are taken pair by pair within a round before their median is.

The machine has phases of minutes in which a flush takes thirty times as long. Both halves of a pair lie in the same phase.
"""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float
    count: int


def spread(values):
    values = [value for value in values if value is not None]
    return Spread(statistics.median(values), min(values), max(values), len(values)) if values else None


def median(values):
    found = spread(values)
    return found.median if found else None


class Slices:
    """Slices of one part, for asking."""

    def __init__(self, slices):
        self.slices = slices

    def of(self, system, kind, clients):
        return [s for s in self.slices if (s["system"], s["kind"], s["clients"]) == (system, kind, clients)]

    def steps(self):
        """(kind, clients) in the order they were run."""
        return list(dict.fromkeys((s["kind"], s["clients"]) for s in self.slices))

    def systems(self, kind, clients, order):
        present = {s["system"] for s in self.slices if (s["kind"], s["clients"]) == (kind, clients)}
        return [name for name in order if name in present]

    def measure(self, system, kind, clients, get):
        return spread(get(s) for s in self.of(system, kind, clients))

    def ratio(self, system, base, kind, clients, get=lambda s: s["tps"]):
        theirs = {s["round"]: get(s) for s in self.of(base, kind, clients)}
        return spread(
            get(s) / theirs[s["round"]] for s in self.of(system, kind, clients) if theirs.get(s["round"]))
