"""envoy/docker-compose.yaml with a Docker Engine: the containers become healthy, and the demo's requests get the demo's responses.

Uses the engine that there is. Otherwise, as root and with `dockerd`, one that ends with the test. Where its registry cannot be reached,
tests/tools/stand-ins.sh builds images under the same names.
"""

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/demo"))

from support import quiet, run, stack  # noqa: E402

COMPOSE = [os.environ.get("DOCKER_COMPOSE", str(ROOT / "target/tools/docker-compose")), "-f", "envoy/docker-compose.yaml"]
# As docker-compose.yaml publishes them.
PORTS = {"guarded": 10000, "unguarded": 10001, "anypoint": 10002, "authorization-server": 9000}
IMAGES = ["node:22.20.0-alpine3.22", "envoyproxy/envoy:v1.40.0"]


class Containers(stack.Stack):
    """The demo's stack, in containers."""

    def __init__(self):
        self.ports = PORTS

    def stop(self, name):
        compose("stop", "--timeout", "2", name)

    def start_authorization_server(self):
        compose("start", "authorization-server")

    def wait_until_ready(self, seconds=60):
        self.wait_for("authorization-server", "/.well-known/openid-configuration", seconds)
        # A container that is started again is found again when Envoy next asks for its name (5 s).
        self.wait_for("guarded", "/employees", seconds, 401, {"authorization": "Bearer some-token"})

    def wait_for(self, name, path, seconds=60, status=200, headers=None):
        deadline = time.monotonic() + seconds
        while not self.responds(name, path, status, headers):
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} did not respond within {seconds} seconds")
            time.sleep(0.2)

    def responds(self, name, path, status, headers):
        try:
            return stack.call("GET", self.url(name, path), headers or {}).status == status
        except (OSError, http.client.HTTPException):
            return False


class ComposeUp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        engine(cls)
        missing = [image for image in IMAGES if docker("image", "inspect", image).returncode != 0]
        if any(docker("pull", "--quiet", image).returncode != 0 for image in missing):
            if os.geteuid() != 0 or not shutil.which("debootstrap"):
                raise unittest.SkipTest("the images cannot be pulled, and stand-ins need root and debootstrap")
            subprocess.run([ROOT / "tests/tools/stand-ins.sh", stack.find_envoy()], check=True)
        context = ROOT / stack.COMMANDS["authorization-server"][1]
        built = docker("build", "--quiet", "--network", "host", "--tag", "tollgate-demo-authorization-server", str(context))
        if built.returncode != 0:
            raise AssertionError(f"the authorization server's image cannot be built: {built.stderr}")
        cls.addClassCleanup(compose, "down", "--timeout", "2")
        compose("up", "--detach", "--no-build", "--wait", "--wait-timeout", "120")
        # Envoy has no health check: its port is published before it listens.
        Containers().wait_for("unguarded", "/health")

    def test_the_demos_requests(self):
        with quiet():
            story = run.tell(Containers())
        self.assertEqual(story.faults, [])
        self.assertGreater(story.lines, 10)


def engine(test):
    """An engine: the one that there is, or one that ends with the test."""
    if not shutil.which("docker"):
        raise unittest.SkipTest("there is no docker")
    if docker("info").returncode == 0:
        return
    if os.geteuid() != 0 or not shutil.which("dockerd"):
        raise unittest.SkipTest("there is no Docker Engine, and none can be started here: it needs root and dockerd")
    # The socket's path has to be short.
    directory = Path(tempfile.mkdtemp(prefix="tollgate-engine-"))
    socket = f"unix://{directory}/docker.sock"
    data = ROOT / "target/engine"
    command = ["dockerd", "--data-root", data, "--exec-root", directory / "exec", "--pidfile", directory / "pid", "-H", socket]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    test.addClassCleanup(shutil.rmtree, directory, ignore_errors=True)
    test.addClassCleanup(stack.end, process)
    os.environ["DOCKER_HOST"] = socket
    deadline = time.monotonic() + 60
    while docker("info").returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            said = (directory / "log").read_text()
            raise unittest.SkipTest(f"no Docker Engine can be started here:{stack.last_lines(said)}")
        time.sleep(0.5)


def docker(*words):
    return subprocess.run(["docker", *words], capture_output=True, text=True)


def compose(*words):
    done = subprocess.run([*COMPOSE, *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        logs = subprocess.run([*COMPOSE, "logs", "--tail", "20"], cwd=ROOT, capture_output=True, text=True).stdout
        raise AssertionError(f"docker compose {' '.join(words)}: {done.stderr}{logs}")


if __name__ == "__main__":
    unittest.main()
