"""A registry on this machine: crane's. Standard library only."""

import os
import subprocess
import time
from pathlib import Path

from servers import end, free_port, listens

ROOT = Path(__file__).resolve().parents[2]
DIST = Path(os.environ.get("DIST", ROOT / "dist"))
CRANE = str(ROOT / "target/tools/crane")
PATIENCE = 60  # seconds


class Registry:
    """Serves until the test ends."""

    def __init__(self, test):
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        command = [CRANE, "registry", "serve", "--address", self.address]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        test.addCleanup(end, process)
        deadline = time.monotonic() + PATIENCE
        while not listens(port):
            if time.monotonic() > deadline or process.poll() is not None:
                test.fail("the registry does not start")
            time.sleep(0.1)

    def push(self, kind):
        """Pushes the release's image `kind` (compat, docker or artifact). Returns its name with its digest, as crane says it."""
        return crane("push", str(DIST / "oci" / kind), f"{self.address}/tollgate:{kind}").strip()


def crane(*arguments):
    """What crane prints."""
    done = subprocess.run([CRANE, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"crane {arguments[0]}: {done.stderr}")
    return done.stdout
