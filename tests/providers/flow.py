"""The command, an API, an Envoy that guards it, and the journey that every provider is taken on."""

import base64
import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
from pathlib import Path

from servers import ROOT, Missing, call, stack


class Command:
    """The command `tollgate`, with a store of its own."""

    def __init__(self):
        self.program = os.environ.get("TOLLGATE") or str(ROOT / "target/debug/tollgate")
        if not os.access(self.program, os.X_OK):
            raise stack.DemoError(f"The command is missing ({self.program}): `make command` builds it, or set TOLLGATE to it.")
        self.directory = Path(tempfile.mkdtemp(prefix="tollgate-journey-"))

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def run(self, *arguments, given=None, status=0):
        """Runs it with `--json`; returns what it prints. Another exit status than this is a failure of the test."""
        environment = {**os.environ, "TOLLGATE_STORE": str(self.directory / "store")}
        ran = subprocess.run(
            [self.program, "--json", *map(str, arguments)], input=given or "", capture_output=True, text=True, env=environment, timeout=60
        )
        if ran.returncode != status:
            raise AssertionError(f"tollgate {' '.join(map(str, arguments))}: exit {ran.returncode}, not {status}\n{ran.stdout}{ran.stderr}")
        return json.loads(ran.stdout) if ran.stdout.strip().startswith(("{", "[")) else ran.stdout

    def secret(self, name):
        """A client's secret, as the command hands it to Envoy."""
        file = self.directory / f"{name}.secret"
        if not file.exists():
            self.run("client", "secret-file", name, "--out", file)
        return file.read_text()


class Api:
    """Something to guard: says what it was asked."""

    def __enter__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = f"GET {self.path}".encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Envoy:
    """An Envoy between a caller and the API; its configuration is `envoy.yaml` in its directory."""

    workers = 1

    def __init__(self, command):
        self.directory = command.directory / "envoy"
        self.port, self.admin = stack.free_ports(2)
        self.process = None


    def __enter__(self):
        log = self.directory / "log"
        admin = f"admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {self.admin}}}}}}}"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [stack.find_envoy(), "-c", str(self.directory / "envoy.yaml"), "--config-yaml", admin]
                + ["--disable-hot-restart", "--concurrency", str(self.workers), "--log-level", "warning"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            self.wait_until_ready(log)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        stack.end(self.process)

    def wait_until_ready(self, log, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(OSError):
                if call("GET", f"http://127.0.0.1:{self.admin}/ready").status == 200:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise stack.DemoError("Envoy did not start." + stack.last_lines(log.read_text(errors="replace"), 20))
            time.sleep(0.05)

    def url(self, path="/orders"):
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, token=None, path="/orders", header=("authorization", "Bearer "), proof=None):
        name, scheme = header
        headers = {name: scheme + token} if token else {}
        return call("GET", self.url(path), {**headers, "dpop": proof} if proof else headers)


class Gateway(Envoy):
    """As `tollgate generate envoy` writes it for the client `gateway` of the store."""

    def __init__(self, command, upstream, scope=None, more=""):
        super().__init__(command)
        command.run(
            *["generate", "envoy", "--client", "gateway", "--upstream", upstream, *(["--scope", scope] if scope else [])],
            *["--listen", f"127.0.0.1:{self.port}", "--module", stack.find_module(), "--out", self.directory, "--allow-http"],
        )
        # So short that the tests need not wait long to see a revocation; what else is changed, the test says.
        file = self.directory / "envoy.yaml"
        text, count = re.subn(r"(?m)^( +)(rules:)", rf"\1cache: {{ttl: 1s, negative_ttl: 1s}}\n\1{more}\n\1\2", file.read_text())
        if count != 1:
            raise AssertionError(f"{count} lists of rules in the generated configuration")
        file.write_text(text)


class Filter(Envoy):
    """With a configuration of the filter's, and a cluster `server` for the authorization server."""

    def __init__(self, command, upstream, server, configuration, tls=None):
        super().__init__(command)
        self.directory.mkdir()
        self.write(upstream, server, configuration, tls)

    def write(self, upstream, server, configuration, tls=None):
        """Writes its file."""
        api = "type.googleapis.com/envoy.extensions"
        wasm = {
            "root_id": "tollgate",
            "failure_policy": "FAIL_RELOAD",
            "allow_on_headers_stop_iteration": "revocation" in configuration,
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(configuration)},
            "vm_config": {"vm_id": "tollgate", "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": str(stack.find_module())}}},
        }
        route = {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}]}]}
        manager = {
            "@type": f"{api}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "in",
            "route_config": route,
            "http_filters": [
                {"name": "tollgate", "typed_config": {"@type": f"{api}.filters.http.wasm.v3.Wasm", "config": wasm}},
                {"name": "router", "typed_config": {"@type": f"{api}.filters.http.router.v3.Router"}},
            ],
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        if tls:
            # Whoever asks may show a certificate, of whatever authority.
            certificate, key = tls
            own = {"certificate_chain": {"filename": str(certificate)}, "private_key": {"filename": str(key)}}
            context = {"tls_certificates": [own], "validation_context": {"trust_chain_verification": "ACCEPT_UNTRUSTED"}}
            typed = {"@type": f"{api}.transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": context}
            chain["transport_socket"] = {"name": "tls", "typed_config": typed}
        listener = {"name": "in", "address": address(f"http://127.0.0.1:{self.port}"), "filter_chains": [chain]}
        clusters = [cluster("upstream", upstream), cluster("server", server)]
        (self.directory / "envoy.yaml").write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": clusters}}))


def cluster(name, url):
    endpoint = {"endpoint": {"address": address(url)}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": assignment}


def address(url):
    parts = urllib.parse.urlsplit(url)
    return {"socket_address": {"address": "127.0.0.1", "port_value": parts.port}}


def until(wanted, ask, seconds=15):
    """The first answer with this status; the last answer, if none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer.status == wanted or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


class Journey:
    """From an issuer and a registration token to a guarded API, and back. Mixed into a test case that names its server."""

    scope = "orders:read"

    @classmethod
    def setUpClass(cls):
        try:
            cls.server = cls.kind()
            cls.enterClassContext(cls.server) if hasattr(cls, "enterClassContext") else enter(cls, cls.server)
        except Missing as missing:
            if os.environ.get("PROVIDERS") == "all":
                raise
            print(f"LEFT OUT: {cls.kind.name}. {missing}", flush=True)
            raise unittest.SkipTest(str(missing)) from None

    def setUp(self):
        self.command = Command()
        self.addCleanup(self.command.close)

    def register(self, name, *more):
        return self.command.run(
            *["client", "register", name, "--allow-http", "--initial-access-token-file", "-", *self.server.register, *more],
            given=self.server.initial_access_token(),
        )

    def discover(self):
        found = self.command.run("discover", self.server.issuer, "--allow-http")
        self.assertEqual(found["endpoints"]["introspection_endpoint"], self.server.metadata()["introspection_endpoint"])

    def doctor(self, gateway, gateway_id, token):
        """It finds nothing wrong, and then a wrong secret."""
        file = gateway.directory / "envoy.yaml"
        self.command.run("doctor", file, "--allow-http", "--client", "gateway", "--token-file", "-", given=token)
        # The secret that Envoy adds is the one that counts: a copy of all that is written, with another one.
        copy = gateway.directory.with_name("wrong")
        shutil.copytree(gateway.directory, copy)
        other = base64.b64encode(f"{gateway_id}:wrong".encode()).decode()
        secret = copy / "secrets" / "main.yaml"
        secret.write_text(re.sub(r"Basic [A-Za-z0-9+/=]+", f"Basic {other}", secret.read_text()))
        file = copy / "envoy.yaml"
        file.write_text(file.read_text().replace(str(gateway.directory), str(copy)))
        wrong = self.command.run("doctor", file, "--allow-http", status=1)
        self.assertIn("401", json.dumps(wrong))
        self.assertNotIn(token, json.dumps(wrong))

    def before_it_may_ask(self, gateway, token):
        """What the doctor says before the gateway may ask about the tokens of others, where that is a step of its own."""

    def test_register_pass_revoke_delete(self):
        self.discover()
        self.register("gateway", "--issuer", self.server.issuer)
        application = self.register("shop", *(["--scope", self.scope] if self.scope else []))
        gateway_id = self.command.run("client", "show", "gateway")["client_id"]
        application_id = application["client_id"]
        secret = self.command.secret("shop")
        with Api() as upstream, Gateway(self.command, upstream, self.scope) as gateway:
            self.assertEqual(gateway.get().status, 401, "without a token")
            self.assertEqual(gateway.get("no-token-of-ours").status, 401, "with a token that nobody gave")

            self.before_it_may_ask(gateway, self.new_token(application_id, secret))
            self.server.let_ask(gateway_id)
            token = self.new_token(application_id, secret)
            self.doctor(gateway, gateway_id, token)
            passed = gateway.get(token)
            self.assertEqual(passed.status, 200, f"with a good token: {passed.text}")
            self.assertEqual(passed.text, "GET /orders")

            revoked = self.server.revoke(application_id, secret, token)
            self.assertEqual(revoked.status, 200, revoked.text)
            refused = until(401, lambda: gateway.get(token))
            self.assertEqual(refused.status, 401, "after its revocation")
            self.assertIn("invalid_token", refused.header("www-authenticate"))

            token = self.new_token(application_id, secret)
            self.assertEqual(gateway.get(token).status, 200, "with a new token")

            self.delete("shop", application_id)
            if self.server.deletes:
                refused = self.server.token(application_id, secret, self.scope)
                self.assertIn(refused.status, (400, 401), "a deleted client asks for a token")
                self.assertIn(refused.json()["error"], ("invalid_client", "unauthorized_client"))
                if self.server.ends_tokens:
                    self.assertEqual(until(401, lambda: gateway.get(token)).status, 401, "a deleted client's token")
                else:
                    introspection = self.server.metadata()["introspection_endpoint"]
                    said = self.server.post(introspection, gateway_id, self.command.secret("gateway"), {"token": token}).json()
                    self.assertTrue(said["active"], "its page says that this server lets a deleted client's tokens live")

                self.assertEqual(gateway.get("a-token-that-nobody-gave").status, 401)
                self.delete("gateway", gateway_id)
                asked = until(502, lambda: gateway.get("a-token-that-is-not-remembered"))
                self.assertEqual(asked.status, 502, "the gateway's own client was deleted: no token can be judged, so none passes")

    def delete(self, name, client_id):
        """Deletes a client at its provider, and says so if that is not offered."""
        if self.server.deletes:
            self.command.run("client", "delete", name, "--allow-http")
            self.command.run("client", "show", name, status=2)
        else:
            said = self.command.run("client", "delete", name, "--allow-http", status=2)
            self.assertIn("does not offer", said["error"])
            self.command.run("client", "forget", name)

    def new_token(self, client_id, secret):
        answer = self.server.token(client_id, secret, self.scope)
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json()["access_token"]


def enter(case, context):
    """`enterClassContext`, before Python 3.11."""
    context.__enter__()
    case.addClassCleanup(context.__exit__, None, None, None)
