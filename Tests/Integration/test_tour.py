# SPDX-License-Identifier: Apache-2.0
"""The tour: up, use, down, up again; what `status --json` promises; and one-line errors for what users get wrong."""

import contextlib
import json
import os
import pwd
import socket
import sqlite3
import subprocess

import psycopg
import pytest

from harness.region import BOREALIS, Failed, Region, free_port, is_alive


@pytest.fixture(scope="module")
def region(make_region):
    region = make_region()
    region.up()
    return region


def refuse(region, *arguments, says, environment=None, command="up"):
    """The command fails with one line that names the trouble and a remedy in brackets."""
    before = region.supervisor()
    result = region.command(command, *arguments, check=False, environment=environment)
    assert result.returncode != 0, result.stdout
    lines = result.stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("borealis: error: ")]
    assert len(errors) == 1 and lines[-1] == errors[0], result.stderr
    assert len(lines) == 1, result.stderr
    for text in [says] if isinstance(says, str) else says:
        assert text in errors[0], errors[0]
    assert "(" in errors[0] and errors[0].rstrip().endswith(")"), f"no remedy: {errors[0]}"
    assert region.supervisor() == before
    return errors[0]


def test_status_has_the_promised_shape(region):
    status = region.status()
    [cluster] = status["clusters"]
    assert cluster["id"] == "demo" and cluster["engine"] == "postgres" and cluster["status"] == "available"
    assert isinstance(cluster["vdl"], int) and cluster["vdl"] > 0
    writer = cluster["writer"]
    assert isinstance(writer["id"], str) and is_alive(writer["pid"])
    assert writer["url"].startswith("postgres") and f":{region.port}/" in writer["url"]
    assert cluster["readers"] == []
    assert {"id", "engine", "status", "vdl", "writer", "readers"} <= cluster.keys() and {"id", "pid", "url"} <= writer.keys()
    assert {"clusters", "nodes", "processes"} <= status.keys()
    nodes = status["nodes"]
    assert [n["id"] for n in nodes] == ["a1", "a2", "b1", "b2", "c1", "c2"]
    for node in nodes:
        assert node["az"] == node["id"][0] and node["state"] == "up"
        assert is_alive(node["pid"]) and isinstance(node["scl"], int)
    assert len(status["processes"]) >= 2
    for process in status["processes"]:
        assert isinstance(process["role"], str) and is_alive(process["pid"])


def test_status_is_for_the_owner_only(region):
    """The URL has the password in it."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    result = subprocess.run(
        [BOREALIS, "status", "--json", "--data", str(region.directory)], capture_output=True, text=True, timeout=60,
        user="nobody", group="nogroup", extra_groups=[], env={"PATH": "/usr/bin:/bin", "HOME": "/"})
    assert result.returncode != 0 and "postgres://" not in result.stdout + result.stderr, result.stdout


def test_the_engine_inherits_no_listening_socket(region):
    """It would outlive the process that listens, and then nobody could take its port again."""
    listening = {}
    with open("/proc/net/tcp") as file:
        for line in list(file)[1:]:
            fields = line.split()
            if fields[3] == "0A":
                listening[fields[9]] = int(fields[1].rsplit(":", 1)[1], 16)
    engine = region.writer_pid()
    ports = set()
    for descriptor in os.listdir(f"/proc/{engine}/fd"):
        with contextlib.suppress(OSError):
            link = os.readlink(f"/proc/{engine}/fd/{descriptor}")
            if link.startswith("socket:["):
                ports.add(listening.get(link[8:-1]))
    assert ports - {None} == {region.port}


def test_data_survives_down_and_up(region):
    with region.connect() as connection:
        connection.execute("CREATE TABLE tour (id int PRIMARY KEY, text text)")
        connection.execute("INSERT INTO tour SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 5000) i")
        [sum_before] = connection.execute("SELECT sum(hashtext(text)) FROM tour").fetchone()
    pids = region.pids()
    region.down()
    assert not [pid for pid in pids if is_alive(pid)]
    assert not any(str(region.directory) in line for line in _command_lines())
    region.up()
    with region.connect() as connection:
        assert connection.execute("SELECT count(*), sum(hashtext(text)) FROM tour").fetchone() == (5000, sum_before)
        connection.execute("INSERT INTO tour VALUES (0, 'written after the second start')")


def _command_lines():
    lines = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as file:
                lines.append(file.read().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if "pytest" not in line]


def test_down_twice_is_no_error(region):
    region.down()
    assert "nothing is running" in region.down().stdout
    region.up()


def test_second_up_is_refused(region):
    refuse(region, "--detach", says=["already running", "borealis down"])
    refuse(region, says=["already running", "borealis down"])
    with region.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_help_everywhere():
    for command in ["", "up", "down", "status", "fault", "volume", "fault kill-az", "fault kill-node", "fault heal",
                    "fault slow-disk", "fault corrupt", "fault partition", "fault crash-writer", "volume dump",
                    "volume stat", "volume verify", "volume replace", "volume open", "volume detach-cache", "volume rotate-key",
                    "fault start-node"]:
        result = subprocess.run([BOREALIS, *command.split(), "--help"], capture_output=True, text=True, timeout=60)
        assert result.returncode == 0 and "USAGE:" in result.stdout, command


@pytest.mark.parametrize("arguments, says", [
    (["--nonsense"], "--nonsense"),
    (["--port", "70000"], "70000"),
    (["--port", "many"], "port"),
    (["--layout", "ring"], "layout"),
    (["--group-bytes", "1K"], "group-bytes"),
    (["--set", "fsync=off"], "fsync"),
    (["--set", "nonsense"], "nonsense"),
])
def test_wrong_flags(make_region, arguments, says):
    region = make_region()
    refuse(region, "--detach", *arguments, says=says)
    assert not (region.directory / "metadata.sqlite").exists()


@pytest.mark.parametrize("arguments", [
    ["kill-az", "d"], ["kill-node", "z9"], ["slow-disk", "c", "--ms", "-5"], ["corrupt", "a1", "--blocks", "0"],
    ["partition", "x"],
])
def test_wrong_faults(region, arguments):
    refuse(region, *arguments, command="fault", says="")
    assert region.status()["faults"] == []


@pytest.mark.parametrize("arguments, says", [
    (["replace", "z9"], ["z9", "borealis status"]),
    (["replace", "a1", "--undo"], ["no replacement of a1"]),
    (["replace"], ["node"]),
    (["stat", "--cluster", "nobody"], ["nobody"]),
    (["dump", "--from", "yesterday"], ["--from"]),
])
def test_wrong_volume_commands(region, arguments, says):
    refuse(region, *arguments, command="volume", says=says)
    assert [n["id"] for n in region.status()["nodes"]] == ["a1", "a2", "b1", "b2", "c1", "c2"]


def test_a_new_node_needs_an_empty_directory(region, tmp_path):
    path = tmp_path / "taken"
    path.mkdir(mode=0o755)
    (path / "letter.txt").write_text("dear reader")
    for wrong in [path, path / "letter.txt"]:
        refuse(region, "replace", "a1", "--directory", wrong, command="volume", says=[str(wrong), "--directory"])
    assert path.stat().st_mode & 0o777 == 0o755
    assert [n["id"] for n in region.status()["nodes"]] == ["a1", "a2", "b1", "b2", "c1", "c2"]


def test_nothing_runs_here(make_region):
    region = make_region()
    refuse(region, command="status", says=["nothing is running", "borealis up"])


def test_port_in_use(make_region):
    region = make_region()
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refuse(region, "--detach", "--port", taken.getsockname()[1], says=["in use", "--port"])


def test_missing_engine(make_region):
    region = make_region()
    refuse(region, "--detach", "--port", free_port(), "--pg-bin", "/nowhere", says="/nowhere")
    refuse(region, "--detach", "--port", free_port(), "--engine", "mariadb", "--mariadb-bin", "/nowhere", says="/nowhere")
    assert not (region.directory / "metadata.sqlite").exists()


def test_data_directory_is_a_file(make_region, tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    refuse(Region(path), "--detach", says=str(path))


def test_data_directory_holds_other_files(make_region):
    region = make_region()
    region.directory.mkdir()
    (region.directory / "letter.txt").write_text("dear reader")
    refuse(region, "--detach", "--port", region.port, says=["other files", "--data"])
    assert (region.directory / "letter.txt").read_text() == "dear reader"


def test_unreadable_data_directory(make_region):
    """Root reads everything, so somebody else tries."""
    region = make_region()
    region.directory.mkdir(mode=0o700)
    options = {}
    if os.geteuid() == 0:
        options = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    else:
        region.directory.chmod(0)
    try:
        result = subprocess.run(
            [BOREALIS, "up", "--detach", "--data", str(region.directory), "--port", str(region.port)], capture_output=True,
            text=True, timeout=60, env={"PATH": "/usr/bin:/bin", "HOME": "/", **{
                k: v for k, v in os.environ.items() if k == "BOREALIS_SHIM"}}, **options)
        assert result.returncode != 0
        [line] = result.stderr.strip().splitlines()
        assert line.startswith("borealis: error: ") and str(region.directory) in line, line
    finally:
        region.directory.chmod(0o700)


def test_no_room_for_a_new_region(make_region):
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    region = make_region()
    region.directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=711", "borealis-test", region.directory], check=True)
    try:
        (region.directory / "logs").mkdir()
        (region.directory / "logs" / "filler").write_bytes(b"x" * (40 << 10))
        refuse(region, "--detach", "--port", region.port, says=[str(region.directory)])
    finally:
        subprocess.run(["umount", "-l", region.directory], check=True)


def test_newer_metadata(make_region):
    """A region of a newer program whose layout of the directory is still the old one."""
    region = make_region()
    region.command("up", "--detach", "--no-demo")
    region.down()
    with contextlib.closing(sqlite3.connect(region.directory / "metadata.sqlite")) as database:
        database.execute("INSERT INTO grdb_migrations VALUES ('from the future')")
        database.commit()
    refuse(region, "--detach", says=["metadata.sqlite", "newer"])


def test_ordinary_user(make_region):
    """Everything works without root: engines run under the caller's account."""
    region = make_region()
    region.directory.mkdir()
    options = {}
    if os.geteuid() == 0:
        os.chown(region.directory, *(pwd.getpwnam("nobody")[2:4]))
        options = {"user": "nobody", "group": "nogroup", "extra_groups": []}

    def command(*arguments):
        return subprocess.run(
            [BOREALIS, *arguments, "--data", str(region.directory)], capture_output=True, text=True, timeout=300,
            stdin=subprocess.DEVNULL, env={
                "PATH": "/usr/bin:/bin", "HOME": "/", **{k: v for k, v in os.environ.items() if k == "BOREALIS_SHIM"}},
            **options)

    result = command("up", "--detach", "--port", str(region.port))
    try:
        assert result.returncode == 0, result.stderr
        with region.connect() as connection:
            connection.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) i")
        owner = os.stat(f"/proc/{region.writer_pid()}").st_uid
        assert owner == os.stat(region.directory).st_uid != 0
        answer = command("volume", "replace", "a1", "--json")
        assert answer.returncode == 0, answer.stderr
    finally:
        command("down")
    assert region.supervisor() is None


def test_newer_format(region):
    region.down()
    file = region.directory / "format"
    file.write_text("99\n")
    refuse(region, "--detach", says=["format 99", "newer"])
    file.write_text("1\n")
    region.up()
    with region.connect() as connection:
        assert connection.execute("SELECT count(*) FROM tour").fetchone() == (5001,)


def test_layout_is_remembered_and_fixed(region):
    region.down()
    refuse(region, "--detach", "--layout", "zones", says=["compact", "--layout"])
    region.up()
    assert region.status()["layout"] == "compact"


def test_no_demo(make_region):
    region = make_region()
    region.command("up", "--detach", "--no-demo")
    status = region.status()
    assert status["clusters"] == []
    region.wait_nodes()
    region.down()


def test_foreground(make_region):
    """Without --detach it runs until SIGINT, prints the connection line once it can be used, and leaves nothing behind."""
    region = make_region()
    process = subprocess.Popen(
        [BOREALIS, "up", "--json", "--data", str(region.directory), "--port", str(region.port)], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True)
    try:
        from harness.region import _read_json
        status = json.loads(_read_json(process, 200) or "{}")
        with psycopg.connect(status["clusters"][0]["writer"]["url"], connect_timeout=10) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        process.send_signal(2)
        assert process.wait(150) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        process.stdout.close()
    assert not any(str(region.directory) in line for line in _command_lines())
