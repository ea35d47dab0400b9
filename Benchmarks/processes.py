# SPDX-License-Identifier: Apache-2.0
"""What processes used so far, read from /proc: processor time, context switches, memory; and the disk.

Counters are sampled twice and subtracted. CPU is the sum over a process's threads of `schedstat` (nanoseconds);
`stat` would round each of 64 backends to 10 ms ticks. A process that ends between two samples is not in the difference,
so windows are placed where the set of processes is stable: after all clients connected, before any leaves.
"""

import os
import re
import time
from dataclasses import dataclass, field


@dataclass
class Usage:
    cpu: float = 0.0  # seconds
    switches: int = 0


@dataclass
class Sample:
    wall: float
    usage: dict = field(default_factory=dict)  # role -> {pid: Usage}


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:  # the process went away
        return b""


def parents():
    """pid -> parent pid of every process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            text = _read(f"/proc/{name}/stat")
            if text:
                found[int(name)] = int(text[text.rindex(b")") + 2 :].split()[1])
    return found


def descendants(roots, table=None):
    """The pids of the roots that exist and of everything below them."""
    table = table if table is not None else parents()
    below = {}
    for pid, parent in table.items():
        below.setdefault(parent, []).append(pid)
    found, queue = [], [pid for pid in roots if pid in table]
    while queue:
        pid = queue.pop()
        if pid not in found:
            found.append(pid)
            queue += below.get(pid, [])
    return found


def clients(postmaster):
    """The processes of a PostgreSQL server that serve a client: by their titles, `postgres: user database host(port) ...`.

    Counting all of its processes would not do: autovacuum's come and go.
    """
    titles = (_read(f"/proc/{pid}/cmdline") for pid in descendants([postmaster]))
    return sum(1 for title in titles if re.match(rb"postgres: \S+ \S+ (\[local\]|\S+\(\d+\))", title))


def is_alive(pid):
    """False for zombies too: what they held is released."""
    text = _read(f"/proc/{pid}/stat")
    return bool(text) and text[text.rindex(b")") + 2 :].split()[0] not in (b"Z", b"X")


def usage(pid):
    total = Usage()
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return total
    for thread in threads:
        run = _read(f"/proc/{pid}/task/{thread}/schedstat").split()
        if run:
            total.cpu += int(run[0]) / 1e9
        for line in _read(f"/proc/{pid}/task/{thread}/status").splitlines():
            if b"ctxt_switches" in line:
                total.switches += int(line.split()[1])
    return total


def sample(roles):
    """One sample of `roles`, a map from role to pids."""
    before = time.time()
    taken = {role: {pid: usage(pid) for pid in pids} for role, pids in roles.items()}
    return Sample((before + time.time()) / 2, taken)


def difference(first, second):
    """role -> Usage between two samples."""
    result = {}
    for role, pids in second.usage.items():
        total = Usage()
        for pid, now in pids.items():
            then = first.usage.get(role, {}).get(pid, Usage())
            total.cpu += max(0.0, now.cpu - then.cpu)
            total.switches += max(0, now.switches - then.switches)
        result[role] = total
    return result


def resident(pid):
    """Resident bytes: all of it, and the part that is neither file pages nor shared memory."""
    values = {}
    for line in _read(f"/proc/{pid}/status").splitlines():
        name, _, rest = line.partition(b":")
        if name in (b"VmRSS", b"RssAnon"):
            values[name] = int(rest.split()[0]) * 1024
    return values.get(b"VmRSS", 0), values.get(b"RssAnon", 0)


def device(path):
    """What the disk under `path` did since boot, for the whole machine: bytes written and flushes; zeros where it is no disk.

    Of the device and not of processes: /proc/PID/io counts whole folios for each small write.
    """
    number = os.stat(path).st_dev
    fields = _read(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/stat").split()
    if len(fields) < 17:
        return {"diskBytes": 0, "diskFlushes": 0}
    return {"diskBytes": int(fields[6]) * 512, "diskFlushes": int(fields[15])}


def settle(roles, seconds_max, threshold=0.04, step=0.25):
    """Waits until the processes hardly run any more; returns the CPU seconds they used meanwhile, and whether they did settle."""
    used, deadline = 0.0, time.monotonic() + seconds_max
    last = sample(roles())
    while True:
        time.sleep(step)
        now = sample(roles())
        spent = sum(one.cpu for one in difference(last, now).values())
        used += spent
        if spent / max(now.wall - last.wall, 1e-6) < threshold:
            return used, True
        if time.monotonic() > deadline:
            return used, False
        last = now
