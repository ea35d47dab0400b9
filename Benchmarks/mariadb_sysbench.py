#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sysbench against MariaDB, stock and on Borealis, interleaved: one table with ratios, and JSON.

Systems take turns in slices of seconds, so that those which are compared lie seconds apart; ratios are taken within a
round and their median is shown. `stock` is durable as Aurora's own comparison has it: binlog, sync_binlog=1,
innodb_flush_log_at_trx_commit=1, doublewrite on. `ceiling` is stock that syncs nothing, without a binlog.
"""

import argparse
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
KINDS = ["oltp_update_index", "oltp_write_only", "oltp_read_write", "oltp_update_non_index", "oltp_insert", "oltp_point_select"]
COMMON = {"innodb_buffer_pool_size": "512M", "innodb_log_file_size": "512M", "max_connections": "200"}
STOCK = {
    "stock": {"log_bin": "binlog", "server_id": "1", "sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1",
              "innodb_doublewrite": "1", "binlog_format": "ROW"},
    "ceiling": {"skip_log_bin": "1", "innodb_flush_log_at_trx_commit": "0", "innodb_doublewrite": "0",
                "innodb_flush_method": "nosync"},
}
REGIONS = {"compact": ("compact", "off"), "compact-binlog": ("compact", "on"), "zones": ("zones", "off"), "zones-binlog": ("zones", "on")}


class Stock:
    def __init__(self, name, directory, port):
        self.name, self.directory, self.port = name, directory, port
        self.password, self.process = "bench", None

    def start(self):
        self.directory.mkdir(parents=True)
        account = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(self.directory, account)
        sql = self.directory.parent / "accounts.sql"
        sql.write_text("FLUSH PRIVILEGES;\nCREATE OR REPLACE USER 'admin'@'%' IDENTIFIED BY 'bench';\n"
                       "GRANT ALL PRIVILEGES ON *.* TO 'admin'@'%';\n")
        data = f"--datadir={self.directory}/data"
        as_user = {"user": account, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", data, "--skip-name-resolve", "--skip-test-db", f"--extra-file={sql}"],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=200, cwd="/", **as_user)
        options = COMMON | STOCK[self.name] | {
            "port": self.port, "bind_address": "127.0.0.1", "skip_name_resolve": 1, "socket": f"{self.directory}/sock",
            "pid_file": f"{self.directory}/pid", "log_error": f"{self.directory}/error.log", "innodb_use_native_aio": 1}
        mariadbd = shutil.which("mariadbd", path="/usr/sbin:/usr/bin:/usr/local/bin")
        self.process = subprocess.Popen(
            [mariadbd, "--no-defaults", data, *(f"--{n.replace('_', '-')}={v}" for n, v in options.items())],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **as_user)
        wait_for(self)

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()


class Borealis:
    def __init__(self, name, directory, port, program):
        self.name, self.directory, self.port, self.program = name, directory, port, program
        self.layout, self.binlog = REGIONS[name]

    def command(self, *words):
        return subprocess.run(
            [self.program, *words, "--data", str(self.directory)], check=True, capture_output=True, text=True, timeout=300).stdout

    def start(self):
        settings = [f"{n}={v}" for n, v in COMMON.items()] + [f"log_bin={self.binlog}"]
        report = json.loads(self.command(
            "up", "--detach", "--json", "--engine", "mariadb", "--layout", self.layout, "--port", str(self.port),
            *(word for setting in settings for word in ("--set", setting))))
        self.password = urllib.parse.urlsplit(report["clusters"][0]["writer"]["url"]).password
        wait_for(self)

    def log_bytes(self):
        return json.loads(self.command("status", "--json"))["clusters"][0]["driver"]["logBytes"]

    def stop(self):
        subprocess.run([self.program, "down", "--data", str(self.directory)], capture_output=True, timeout=200)


def client(system, statement):
    return subprocess.run(
        ["mysql", "--no-defaults", "-h127.0.0.1", f"-P{system.port}", "-uadmin", f"-p{system.password}", "-BNe", statement],
        capture_output=True, text=True, timeout=60)


def wait_for(system):
    for _ in range(600):
        if client(system, "SELECT 1").returncode == 0:
            return
        time.sleep(0.1)
    raise SystemExit(f"bench: error: {system.name} does not start (look at {system.directory})")


def sysbench(system, options, kind, *words, threads=1):
    result = subprocess.run(
        ["sysbench", kind, "--db-driver=mysql", "--mysql-host=127.0.0.1", f"--mysql-port={system.port}", "--mysql-user=admin",
         f"--mysql-password={system.password}", "--mysql-db=bench", f"--tables={options.tables}", f"--table-size={options.rows}",
         f"--threads={threads}", *words], capture_output=True, text=True, timeout=600)
    if result.returncode != 0:
        raise SystemExit(f"bench: error: sysbench {kind} failed on {system.name}: {(result.stderr or result.stdout)[-300:]}")
    return result.stdout


def measure(system, options, kind, threads):
    before = system.log_bytes() if isinstance(system, Borealis) else 0
    text = sysbench(
        system, options, kind, f"--time={options.slice}", "--percentile=99", "--report-interval=0", "run", threads=threads)
    tps = float(re.search(r"transactions:\s+\d+\s+\(([\d.]+) per sec", text)[1])
    count = int(re.search(r"transactions:\s+(\d+)", text)[1])
    p99 = float(re.search(r"99th percentile:\s+([\d.]+)", text)[1])
    logged = (system.log_bytes() - before) / max(1, count) if isinstance(system, Borealis) else None
    return {"tps": tps, "p99ms": p99, "logBytes": logged}


def table(slices, options):
    lines = [f"{'load':<22} {'threads':>7}" + "".join(f" {name:>24}" for name in options.systems)]
    for kind in options.kinds:
        for threads in options.threads:
            cells = []
            for name in options.systems:
                own = [s for s in slices if (s["kind"], s["threads"], s["system"]) == (kind, threads, name)]
                base = {s["round"]: s["tps"] for s in slices if (s["kind"], s["threads"], s["system"]) == (kind, threads, "stock")}
                tps = statistics.median(s["tps"] for s in own)
                ratio = statistics.median(s["tps"] / base[s["round"]] for s in own)
                cells.append(f" {tps:>8.0f} {ratio:>5.2f}x {statistics.median(s['p99ms'] for s in own):>6.1f}ms")
            lines.append(f"{kind:<22} {threads:>7}" + "".join(f" {cell:>24}" for cell in cells))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")
    numbers = lambda text: [int(word) for word in text.split(",")]
    parser.add_argument("--systems", type=words, default=["stock", "ceiling", "compact", "compact-binlog", "zones"])
    parser.add_argument("--kinds", type=words, default=KINDS)
    parser.add_argument("--threads", type=numbers, default=[1, 4, 16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slice", type=int, default=5, help="seconds")
    parser.add_argument("--tables", type=int, default=4)
    parser.add_argument("--rows", type=int, default=50000)
    parser.add_argument("--port", type=int, default=17100)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/borealis-sysbench"))
    parser.add_argument("--borealis", default=os.environ.get("BOREALIS", str(ROOT / ".build/release/borealis")))
    parser.add_argument("--json", type=pathlib.Path, help="write the slices here")
    options = parser.parse_args()
    if "stock" not in options.systems:
        options.systems.insert(0, "stock")
    if options.work.exists():
        sys.exit(f"bench: error: {options.work} exists (remove it, or choose another --work)")
    options.work.mkdir(parents=True)
    options.work.chmod(0o755)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    systems = []
    slices = []
    try:
        for number, name in enumerate(options.systems):
            directory, port = options.work / name, options.port + number
            system = Stock(name, directory, port) if name in STOCK else Borealis(name, directory, port, options.borealis)
            systems.append(system)
            system.start()
            client(system, "CREATE DATABASE bench")
            sysbench(system, options, "oltp_read_write", "prepare")
            print(f"{name} is loaded", flush=True)
        for turn in range(options.rounds):
            for kind in options.kinds:
                for threads in options.threads:
                    shift = turn % len(systems)
                    for system in systems[shift:] + systems[:shift]:
                        found = measure(system, options, kind, threads)
                        slices.append({"round": turn, "kind": kind, "threads": threads, "system": system.name} | found)
                        logged = f", {found['logBytes']:.0f} B of log" if found["logBytes"] else ""
                        print(f"round {turn + 1} {kind} {threads} threads {system.name}: {found['tps']:.0f} TPS, "
                              f"p99 {found['p99ms']:.1f} ms{logged}", flush=True)
        print(table(slices, options))
        if options.json:
            options.json.write_text(json.dumps({"load": os.getloadavg()[0], "slices": slices}, indent=1) + "\n")
    finally:
        for system in systems:
            system.stop()
        shutil.rmtree(options.work, ignore_errors=True)


if __name__ == "__main__":
    main()
