# SPDX-License-Identifier: Apache-2.0
"""What stock servers of both engines have in common: the account they run under, and how a process is ended."""

import os
import subprocess

START_SECONDS_MAX = 120


def as_account(account):
    """Arguments of Popen that make a server run under `account`, when we are root."""
    return {"user": account, "group": account, "extra_groups": []} if os.getuid() == 0 else {}


class ServerProcess:
    """One server in a process of its own; None while it does not run."""

    process = None

    def end(self, signal):
        """Asks it to shut down cleanly, and kills it when it does not."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal)
            try:
                self.process.wait(120)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
