"""The wheel, installed with pip into an environment of its own, serves requests: without Rust, Node.js, a C compiler or an Envoy on the PATH."""

import json
import platform
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from registry import DIST
from servers import Server, end

GATEWAY = """
listen: 127.0.0.1:0
providers:
  main: {introspection_endpoint: "http://127.0.0.1:@port@/introspect", client_id: gateway, client_secret_file: secret}
apis:
  orders: {prefix: /orders, upstream: "http://127.0.0.1:@port@", scopes: [orders]}
"""


class Installed(unittest.TestCase):
    def setUp(self):
        wheels = list(DIST.glob(f"tollgate_envoy-*_{platform.machine()}.whl"))
        if platform.system() != "Linux" or not wheels:
            self.skipTest(f"the release has no wheel for {platform.system()} on {platform.machine()}")
        directory = tempfile.TemporaryDirectory(prefix="tollgate-wheel-")
        self.addCleanup(directory.cleanup)
        self.at = Path(directory.name)
        environment = self.at / "environment"
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip = [environment / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"{wheels[0]}[envoy]"], check=True)
        self.command = environment / "bin/tollgate"

    def test_a_short_file_is_served(self):
        server = Server()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        (self.at / "secret").write_text("hush-secret\n")
        (self.at / "gateway.yaml").write_text(GATEWAY.replace("@port@", str(server.port)))
        run = self.start("run", "gateway.yaml", "--json")
        line = run.stdout.readline()
        self.assertTrue(line, (self.at / "log").read_text())
        ready = json.loads(line)
        self.assertEqual(ready["event"], "ready")
        for token, want in [(None, 401), ("good", 200), ("bad", 401)]:
            self.assertEqual(status(f"{ready['url']}/orders", token), want, token)
        self.assertEqual(server.requests, ["/orders"])
        run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(30), 0)

    def start(self, *arguments):
        # No compiler, no Envoy, no Python: nothing is on the PATH.
        environment = {"PATH": str(self.at / "nothing"), "HOME": str(self.at)}
        command = [self.command, *arguments]
        with (self.at / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=self.at, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(end, process)
        return process


def status(url, token):
    """The status of a response."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


if __name__ == "__main__":
    unittest.main()
