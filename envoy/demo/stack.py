"""The demo's processes: an authorization server, an API, and Envoy between the API and you.

They are the services of ../docker-compose.yaml, run without containers: the same commands, the same files, other
addresses. Standard library only; run.py tells the story, tests/demo uses this module too.
"""

import base64
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

DEMO = Path(__file__).resolve().parent
ROOT = DEMO.parent.parent
MODULE = "target/wasm32-wasip1/release/tollgate_filter.wasm"  # as in the Envoy files, from the repository's root
GATEWAY_SECRET = "gateway-demo-secret"  # as in envoy.yaml and docker-compose.yaml: a demo's, so no secret at all

# The services of docker-compose.yaml: what is run, and in which directory.
COMMANDS = {
    "authorization-server": (["node", "server.mjs"], "envoy/demo/authorization-server"),
    "api": (["node", "server.mjs"], "envoy/demo/api"),
    "envoy": (
        ["envoy", "-c", "envoy/demo/envoy.yaml", "--disable-hot-restart", "--concurrency", "2"]
        + ["--log-level", "warning", "--file-flush-interval-msec", "100"],
        ".",
    ),
}

# The addresses written in envoy.yaml, and whose they are. Here they become free ports of 127.0.0.1.
SHIPPED_ADDRESSES = {
    "{address: 0.0.0.0, port_value: 10000}": "guarded",
    "{address: 0.0.0.0, port_value: 10001}": "unguarded",
    "{address: 0.0.0.0, port_value: 10002}": "anypoint",
    "{address: 127.0.0.1, port_value: 9901}": "admin",
    "{address: api, port_value: 8080}": "api",
    "{address: authorization-server, port_value: 9000}": "authorization-server",
}
SHIPPED_ISSUER = "http://localhost:9000"

# The clients of authorization-server/server.mjs, and the scopes they may ask for.
CLIENTS = {"hr-app": "employees:read employees:write", "phone-book": "employees:read", "payroll": "employees:read"}


class DemoError(Exception):
    """What went wrong, in a sentence, and the last lines of the log if there are any."""


# --- what has to be there -------------------------------------------------------------------------------------------


def find_envoy(asked=None):
    """The Envoy to run: the one asked for, $ENVOY, the one `make` fetches, or the one on the PATH."""
    asked = asked or os.environ.get("ENVOY")
    if asked:
        found = shutil.which(asked)
        if not found:
            raise DemoError(f"{asked} is no program: name an Envoy that can be run, or leave it out to use the one that `make demo` fetches.")
        return os.path.abspath(found)
    fetched = ROOT / "target/tools/envoy"
    found = str(fetched) if os.access(fetched, os.X_OK) else shutil.which("envoy")
    if not found:
        raise DemoError("Envoy is missing: `make demo` fetches it, or set ENVOY to the program's path.")
    return found


def find_module(asked=None):
    """The filter to run, as a path that Envoy can open."""
    built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / Path(MODULE).relative_to("target")
    path = (Path(asked) if asked else built).resolve()
    if not path.is_file():
        raise DemoError(f"The filter is missing ({path}): `make build` makes it.")
    return path


def find_node():
    """Raises if there is no Node.js that will do."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            raise DemoError(f"{program} is missing: install Node.js 20 or newer, with npm, from your distribution or nodejs.org.")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    major = re.match(r"v(\d+)", version)
    if not major or int(major.group(1)) < 20:
        raise DemoError(f"Node.js {version} is too old for the authorization server: install version 20 or newer.")


def npm_ci(directory, say=lambda text: None):
    """Installs what package-lock.json names, unless that has been done. Calls `say` every second while it lasts."""
    lock = directory / "package-lock.json"
    stamp = directory / "node_modules/.installed"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()  # as tests/tools/node-packages.sh has it
    with lock.open("rb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # two demos at once: one installs
        if stamp.is_file() and stamp.read_text() == wanted:
            return False
        start = time.monotonic()
        with tempfile.TemporaryFile("w+") as log:
            npm = subprocess.Popen(["npm", "ci", "--loglevel=error"], cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                while npm.poll() is None:
                    say(f"{time.monotonic() - start:.0f} s")
                    try:
                        npm.wait(1)
                    except subprocess.TimeoutExpired:
                        pass
            finally:
                end(npm)
            if npm.returncode != 0:
                log.seek(0)
                raise DemoError(
                    f"npm could not install the packages of {directory.relative_to(ROOT)}: is the registry it is set up for reachable?"
                    + last_lines(log.read())
                )
        stamp.write_text(wanted)
        return True


# --- the processes --------------------------------------------------------------------------------------------------


class Stack:
    """The running demo. A context manager: whatever happens, no process outlives it."""

    addresses, issuer = SHIPPED_ADDRESSES, SHIPPED_ISSUER

    def __init__(self, envoy, module, config=DEMO / "envoy.yaml"):
        self.envoy, self.module, self.config = envoy, module, config
        self.ports, self.processes, self.starts = {}, {}, {}
        self.logs = Path(tempfile.mkdtemp(prefix="tollgate-demo-"))

    def __enter__(self):
        try:
            names = [*self.addresses.values()]
            self.ports = dict(zip(names, free_ports(len(names))))
            self.start_api()
            self.start_authorization_server()
            self.start_envoy()
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in [*self.processes]:
            self.stop(name)
        shutil.rmtree(self.logs, ignore_errors=True)

    def url(self, name, path=""):
        """The address of a listener or a service."""
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def log(self, name):
        """Where the output of a service goes, and went if it was started before."""
        return self.logs / f"{name}.log"

    def exchanges(self):
        """What the Envoy file says, and what it says here."""
        exchanges = {shipped: f"{{address: 127.0.0.1, port_value: {self.ports[name]}}}" for shipped, name in self.addresses.items()}
        return {**exchanges, self.issuer: self.url("authorization-server"), MODULE: json.dumps(str(self.module))}

    def rendered(self):
        """The Envoy file of this run; all that is exchanged has to be in it."""
        text = self.config.read_text()
        for shipped, ours in self.exchanges().items():
            if shipped not in text:
                raise DemoError(f"{self.config} does not have {shipped} any more, which the demo exchanges: adapt SHIPPED_ADDRESSES in stack.py.")
            text = text.replace(shipped, ours)
        return text

    def start_api(self):
        self.spawn("api", HOST="127.0.0.1", PORT=self.ports["api"])

    def start_authorization_server(self):
        self.spawn(
            "authorization-server",
            HOST="127.0.0.1",
            PORT=self.ports["authorization-server"],
            ISSUER=self.url("authorization-server"),
            GATEWAY_SECRET=GATEWAY_SECRET,
        )

    def start_envoy(self):
        config = self.logs / "envoy.yaml"
        config.write_text(self.rendered())
        self.spawn("envoy", **{"envoy": self.envoy, "envoy/demo/envoy.yaml": str(config)})

    def spawn(self, name, **given):
        """Starts a service: capital names are its environment, the others words of its command to be exchanged."""
        command, directory = COMMANDS[name]
        command = [given.get(word, word) for word in command]
        environment = {**os.environ, **{key: str(value) for key, value in given.items() if key.isupper()}}
        with self.log(name).open("ab") as log:
            self.starts[name] = log.tell()
            # A session of its own: Ctrl-C reaches the demo, and the demo ends its processes.
            self.processes[name] = subprocess.Popen(
                command, cwd=ROOT / directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self, name):
        """Ends a process, and waits until it is gone."""
        end(self.processes.pop(name))

    def wait_until_ready(self, seconds=60):
        """Until the two servers have said so and Envoy's admin interface does."""
        deadline = time.monotonic() + seconds
        for name in [*self.processes]:
            while not self.ready(name):
                self.check_alive()
                if time.monotonic() > deadline:
                    raise DemoError(f"{name} was not ready within {seconds} seconds." + last_lines(self.output(name)))
                time.sleep(0.05)

    def ready(self, name):
        if name == "envoy":
            try:
                return call("GET", self.url("admin", "/ready")).status == 200
            except OSError:
                return False
        return "ready" in self.output(name).splitlines()

    def output(self, name):
        """What a process has written since it was started."""
        return self.log(name).read_bytes()[self.starts[name] :].decode("utf-8", "replace")

    def check_alive(self):
        """Raises if a process has ended by itself."""
        for name, process in self.processes.items():
            code = process.poll()
            if code is not None:
                how = f"exit code {code}" if code >= 0 else f"signal {-code}"
                raise DemoError(f"{name} has ended by itself ({how})." + last_lines(self.output(name)))

    # --- what the demo's clients do at the authorization server -----------------------------------------------------

    def token(self, client, scope=None):
        """A new access token, by the client credentials grant (RFC 6749 section 4.4)."""
        form = {"grant_type": "client_credentials", "scope": scope or CLIENTS[client]}
        answer = self.post_form(client, "/token", form)
        if answer.status != 200:
            raise DemoError(f"the authorization server refused {client} a token: {answer.status} {answer.text.strip()}")
        return answer.json()["access_token"]

    def bound_token(self, client, key):
        """The same, bound to the client's key (RFC 9449)."""
        form = {"grant_type": "client_credentials", "scope": CLIENTS[client]}
        proof = key.proof("POST", self.url("authorization-server", "/token"))
        answer = self.post_form(client, "/token", form, {"dpop": proof})
        if answer.status != 200 or answer.json().get("token_type") != "DPoP":
            raise DemoError(f"the authorization server gave {client} no bound token: {answer.status} {answer.text.strip()}")
        return answer.json()["access_token"]

    def revoke(self, client, token):
        """RFC 7009."""
        answer = self.post_form(client, "/token/revocation", {"token": token})
        if answer.status != 200:
            raise DemoError(f"the authorization server did not revoke the token of {client}: {answer.status} {answer.text.strip()}")

    def post_form(self, client, path, form, more=None):
        basic = base64.b64encode(f"{client}:{client}-demo-secret".encode()).decode()
        headers = {"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded", **(more or {})}
        return call("POST", self.url("authorization-server", path), headers, urllib.parse.urlencode(form))


class Key:
    """A client's key, and its proofs (RFC 9449): Python has no elliptic curves, Node.js does."""

    def __init__(self):
        self.jwk = self.node("new")

    def proof(self, method, url, token=None):
        return self.node(method, url, *([token] if token else []), given=self.jwk)

    @staticmethod
    def node(*arguments, given=""):
        script = str(DEMO / "authorization-server/proof.mjs")
        ran = subprocess.run(["node", script, *arguments], input=given, capture_output=True, text=True, check=True)
        return ran.stdout.strip()


def end(process):
    """Asks a process to end, and kills it if it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def free_ports(count):
    """As many different free ports."""
    taken = []
    try:
        for _ in range(count):
            taken.append(socket.create_server(("127.0.0.1", 0)))
        return [one.getsockname()[1] for one in taken]
    finally:
        for one in taken:
            one.close()


def last_lines(log, count=8):
    lines = [line for line in log.splitlines() if line.strip()][-count:]
    return "".join(f"\n    {line}" for line in ["Its last lines:", *lines]) if lines else " It left no output."


# --- HTTP -----------------------------------------------------------------------------------------------------------


class Answer:
    """A response, read to its end."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.text = status, headers, body.decode("utf-8", "replace")

    def header(self, name):
        """All values of a field, in the order they came."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    def json(self):
        return json.loads(self.text)


def call(method, url, headers=None, body=None, timeout=15):
    """One request on a connection of its own. Redirects and errors are answers like any other."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, parts._replace(scheme="", netloc="").geturl() or "/", body, headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    except http.client.HTTPException as broken:
        raise OSError(f"no HTTP answer from {url}: {broken!r}") from broken
    finally:
        connection.close()
