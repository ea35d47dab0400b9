# SPDX-License-Identifier: Apache-2.0
"""What the clusters of both engines have in common: a directory, servers, and a proxy over them."""
import os, pathlib, signal, socket, subprocess, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOREALIS = os.environ.get("BOREALIS", str(ROOT / ".build/release/borealis"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition, seconds, pause=0.05):
    """What `condition` gives once it gives something true, or gave last."""
    deadline = time.time() + seconds
    while True:
        found = condition()
        if found or time.time() > deadline:
            return found
        time.sleep(pause)


class Proxied:
    """Servers in `self.servers` and a proxy over all of them; the engine's kind says what users there are.

    `lost` is what a driver raises when it cannot connect.
    """

    lost = OSError

    def prepare(self, directory, tls=False):
        self.directory = directory
        os.chmod(directory, 0o777)
        self.port, self.reader_port, self.split_port, self.metrics_port = (free_port() for _ in range(4))
        self.certificate, self.proxy, self.servers = "", None, []
        if tls:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days",
                            "2", "-keyout", directory / "key.pem", "-out", directory / "cert.pem"], check=True,
                           stderr=subprocess.DEVNULL)
            self.certificate = f", tls: {{certificate: {directory}/cert.pem, key: {directory}/key.pem}}"

    def configure(self, engine, admin, users, pool, more=""):
        """Writes the proxy's file: `users` and `more` are lines of YAML, `pool` what stands within its braces."""
        targets = "".join(f"      - {{host: 127.0.0.1, port: {s.port}}}\n" for s in self.servers)
        self.config = self.directory / "proxy.yaml"
        self.config.write_text(f"""
name: test
threads: {os.environ.get("BOREALIS_PROXY_THREADS", "1")}
metrics: {{host: 127.0.0.1, port: {self.metrics_port}}}
admin_users: [{admin}]
groups:
  - engine: {engine}
    targets:
{targets}
    listeners:
      - {{name: rw, port: {self.port}{self.certificate}}}
      - {{name: ro, port: {self.reader_port}, role: READ_ONLY}}
      - {{name: split, port: {self.split_port}, read_write_split: true}}
    users:
{users}
{more}
    pool: {{{pool}}}
""")

    def spawn(self, config, log):
        with open(self.directory / log, "a") as out:
            return subprocess.Popen([BOREALIS, "proxy", "--config", str(config)], stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=subprocess.STDOUT)

    def start_proxy(self, patience=20, **kw):
        """Returns when a client gets in, or raises what it got after `patience` seconds with an open port."""
        self.proxy = self.spawn(self.config, "proxy.log")
        limit = time.time() + 20
        deadline = time.time() + patience
        while True:
            try:
                return self.connect(**kw).close()
            except self.lost as error:
                if time.time() > (limit if self.refused(error) else deadline):
                    raise
                time.sleep(0.1)

    def refused(self, error):
        """Whether `error` means that nobody listens yet."""
        return False

    def restart_proxy(self, patience=20, **kw):
        self.stop_proxy()
        self.start_proxy(patience, **kw)

    def reload_proxy(self, text):
        """Has the running proxy read `text` as its file."""
        self.config.write_text(text)
        self.proxy.send_signal(signal.SIGHUP)

    def stop_proxy(self):
        if self.proxy:
            self.proxy.terminate()
            self.proxy.wait(10)

    def metrics(self):
        """Values by name and labels, as `('Targets', '{ProxyName="test"}')`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            lines = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {tuple(series.replace("{", " {", 1).split(" ", 1)): float(value) for series, value in lines}

    def metric(self, name, **labels):
        """The value of the set that has exactly these labels beside the proxy's name; 0 when there is none."""
        labels = ",".join(f'{key}="{value}"' for key, value in dict(ProxyName="test", **labels).items())
        return self.metrics().get((name, "{" + labels + "}"), 0)

    def no_pins(self):
        """A pin ends when the audit after the client's answer is done: a moment later, on another loop."""
        return until(lambda: not self.pins(), 3)

    def close(self):
        self.stop_proxy()
        for server in self.servers:
            try:
                server.kill()
            except subprocess.SubprocessError:
                pass
