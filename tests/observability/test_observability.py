"""The dashboard and the alert rules of envoy/observability, with real Prometheus, real Envoys and mixed traffic: every
query returns data, and every alert fires when its cause is made. Standard library only."""

import base64
import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "envoy/demo"), str(Path(__file__).resolve().parent)]

import draw  # noqa: E402
import ed25519  # noqa: E402
import stack  # noqa: E402

OBSERVABILITY = ROOT / "envoy/observability"
TOLLGATE = os.environ.get("TOLLGATE", str(ROOT / "target/debug/tollgate"))
PROMETHEUS = os.environ.get("PROMETHEUS", str(ROOT / "target/tools/prometheus"))
PROMTOOL = os.environ.get("PROMTOOL", str(ROOT / "target/tools/promtool"))

# The shipped times are minutes and hours; here they are seconds. What each is replaced by.
WINDOW = "15s"
SHORTER = [(r"\[5m\]", f"[{WINDOW}]"), (r"for: \d+m", "for: 0s"), (r"> (3600|900)\b", "> 8")]

GATEWAY = """
listen: 127.0.0.1:{listen}
admin: 127.0.0.1:{admin}
rate_limit: 0
providers:
  main: {{introspection_endpoint: "{server}/introspect", client_id: gateway, client_secret_file: secret}}
  jwts: {{issuer: "{server}", jwks_uri: "{server}/jwks", validate: jwt, audiences: [api]}}
client_lists:
  partners: {{uri: "{server}/list", refresh: 1s}}
apis:
  orders:
    upstream: "{server}"
    provider: main
    scopes: [read]
    client_list: partners
    rules:
    - {{name: health, match: {{path: /health}}, access: anonymous}}
  reports: {{prefix: /reports, upstream: "{server}", provider: jwts}}
policy:
  mode: {mode}
  cache: {{ttl: 2s, negative_ttl: 1s, stale_if_error: 60s}}
  providers:
    main: {{introspection: {{timeout: 3s}}}}
    jwts:
      jwks: {{cache_duration: 1s}}
      status_list: {{uris: ["{server}/status"], refresh: 1s}}
  upstream: {{claim_to_headers: [{{header_name: x-name, claim_name: name}}]}}
"""


# The key pair of RFC 8037 A.1, of which everybody knows the private half.
SEED = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
KEY = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def status_list(uri):
    """A list of eight valid tokens."""
    claims = {"sub": uri, "iat": int(time.time()), "status_list": {"bits": 1, "lst": encoded(zlib.compress(b"\0")).decode()}}
    parts = [{"typ": "statuslist+jwt", "alg": "EdDSA"}, claims]
    signed = b".".join(encoded(json.dumps(part).encode()) for part in parts)
    return signed + b"." + encoded(ed25519.sign(SEED, signed))


class Server(http.server.ThreadingHTTPServer):
    """The authorization server, the server of keys and lists, and the API."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.introspection = self.documents = "works"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("content-length", 0))).decode())
        how = self.server.introspection
        if how == "slow":
            time.sleep(1.5)
        if how == "down":
            return self.reply(503, {})
        if how == "rejects":
            return self.reply(401, {"error": "invalid_client"})
        token = form.get("token", [""])[0]
        scope = "other" if token.startswith("small") else "read"
        name = "x" * 9000 if token.startswith("long") else "ann"
        active = {"active": True, "client_id": "shop", "scope": scope, "name": name, "exp": int(time.time()) + 600}
        return self.reply(200, {"active": False} if token.startswith("bad") else active)

    def do_GET(self):
        documents = {"/jwks": {"keys": [KEY]}, "/list": {"clients": [{"id": "shop"}]}}
        if self.path in [*documents, "/status"] and self.server.documents == "down":
            return self.reply(500, {})
        if self.path == "/status":
            return self.send(200, "application/statuslist+jwt", status_list(self.server.url + self.path))
        return self.reply(200, documents.get(self.path, {}))

    def reply(self, status, document):
        self.send(status, "application/json", json.dumps(document).encode())

    def send(self, status, media_type, body):
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Scene:
    """Two Envoys, one of them in shadow mode, Prometheus, and clients that never rest."""

    def __init__(self, stay):
        self.directory = Path(stay.enter_context(tempfile.TemporaryDirectory(prefix="tollgate-observability-")))
        self.stay, self.server, self.tokens = stay, Server(), 0
        stay.callback(self.server.server_close)
        stay.callback(self.server.shutdown)
        names = ["enforce", "shadow"]
        ports = stack.free_ports(5)
        self.listen, self.admin = dict(zip(names, ports)), dict(zip(names, ports[2:]))
        self.prometheus = f"http://127.0.0.1:{ports[4]}"
        for mode in names:
            self.start_envoy(mode)
        self.start_prometheus(ports[4])
        self.until("Envoy is ready", lambda: all(self.ready(mode) for mode in names))
        self.resting = threading.Event()
        self.kinds = {"good": 8, "small": 1, "-": 1, "bad": 1}
        traffic = threading.Thread(target=self.send_traffic)
        traffic.start()
        stay.callback(traffic.join)
        stay.callback(self.resting.set)

    def start_envoy(self, mode):
        home = self.directory / mode
        home.mkdir()
        (home / "secret").write_text("a-secret")
        text = GATEWAY.format(listen=self.listen[mode], admin=self.admin[mode], server=self.server.url, mode=mode)
        (home / "gateway.yaml").write_text(text)
        module = str(stack.find_module())
        command = [TOLLGATE, "generate", "envoy", "gateway.yaml", "--out", "out", "--module", module]
        subprocess.run(command, cwd=home, check=True, capture_output=True, text=True)
        (home / "lds.json").write_text('{"resources": []}')
        # Histograms are merged when statistics are flushed. Listeners from a file, so that one can be rejected.
        more = {
            "stats_flush_interval": "1s",
            "dynamic_resources": {"lds_config": {"path_config_source": {"path": str(home / "lds.json")}, "resource_api_version": "V3"}},
        }
        command = [stack.find_envoy(), "-c", "out/envoy.yaml", "--config-yaml", json.dumps(more)]
        self.spawn(command + ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"], home)

    def start_prometheus(self, port):
        rules = (OBSERVABILITY / "alerts.yaml").read_text()
        for shipped, here in SHORTER:
            rules, count = re.subn(shipped, here, rules)
            assert count, f"alerts.yaml has no {shipped} any more"
        (self.directory / "rules.yaml").write_text(rules)
        targets = [f"127.0.0.1:{port}" for port in self.admin.values()]
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": "envoy", "metrics_path": "/stats/prometheus", "static_configs": [{"targets": targets}]}],
        }
        (self.directory / "prometheus.yml").write_text(json.dumps(config))
        command = [PROMETHEUS, "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
        self.spawn(command, self.directory)

    def spawn(self, command, directory):
        log = self.stay.enter_context((directory / f"{Path(command[0]).name}.log").open("ab"))
        process = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.stay.callback(stack.end, process)

    def ready(self, mode):
        with contextlib.suppress(OSError):
            return stack.call("GET", f"http://127.0.0.1:{self.admin[mode]}/ready").status == 200
        return False

    def send_traffic(self):
        """Ten rounds a second: tokens that are cached and new ones, good and bad."""
        while not self.resting.wait(0.1):
            for kind, count in [*self.kinds.items()]:
                for number in range(count):
                    self.tokens += 1
                    self.send(kind, f"{kind}-{self.tokens if number == 0 else number}")

    def send(self, kind, token):
        headers = {} if kind == "-" else {"authorization": f"Bearer {token}"}
        for port in self.listen.values():
            for path in ("/orders", "/health") if kind == "-" else ("/orders",):
                with contextlib.suppress(OSError):
                    stack.call("GET", f"http://127.0.0.1:{port}{path}", headers)

    def get(self, path, **query):
        return stack.call("GET", f"{self.prometheus}{path}?{urllib.parse.urlencode(query)}").json()["data"]

    def values(self, query):
        """What a query returns, without what is no number."""
        result = self.get("/api/v1/query", query=query)["result"]
        return [float(one["value"][1]) for one in result if one["value"][1] != "NaN"]

    def firing(self):
        with contextlib.suppress(OSError):
            alerts = self.get("/api/v1/alerts")["alerts"]
            return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}
        return set()

    def until(self, what, holds, seconds=60):
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} seconds: {what}; firing: {self.firing()}")
            time.sleep(0.3)

    @contextlib.contextmanager
    def changed(self, alert, **changes):
        """Has something go wrong until the alert fires, and then no more."""
        before = {name: getattr(self.server, name) for name in changes}
        for name, value in changes.items():
            setattr(self.server, name, value)
        self.until(f"{alert} fires", lambda: alert in self.firing())
        yield
        for name, value in before.items():
            setattr(self.server, name, value)


class Observability(unittest.TestCase):
    def test_rules_are_valid(self):
        here = Path(__file__).resolve().parent
        for arguments in (["check", "rules", str(OBSERVABILITY / "alerts.yaml")], ["test", "rules", str(here / "module_stopped.yaml")]):
            ran = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True)
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_queries_return_data_and_alerts_fire(self):
        with contextlib.ExitStack() as stay:
            scene = Scene(stay)
            self.queries_return_data(scene)
            self.assertEqual(scene.firing(), set())
            begin = time.time()
            self.alerts_fire(scene)
            if os.environ.get("RECORD"):
                self.draw(scene, begin, time.time())

    def queries_return_data(self, scene):
        panels = json.loads((OBSERVABILITY / "dashboard.json").read_text())["panels"]
        queries = [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]
        self.assertGreater(len(queries), 20)
        for title, query in queries:
            query = query.replace("$__rate_interval", WINDOW).replace("$instance", ".*")
            scene.until(f"{title}: {query} returns data", lambda: scene.values(query))

    def draw(self, scene, begin, end):
        """What the panels have shown of the failures: into the book."""
        drawn = []
        for panel in json.loads((OBSERVABILITY / "dashboard.json").read_text())["panels"]:
            lines = []
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", WINDOW).replace("$instance", ".*")
                for one in scene.get("/api/v1/query_range", query=query, start=begin, end=end, step="0.5")["result"]:
                    legend = re.sub(r"\{\{(\w+)\}\}", lambda name: one["metric"].get(name[1], ""), target["legendFormat"])
                    for number, mode in enumerate(scene.admin):
                        legend = legend.replace(f"127.0.0.1:{scene.admin[mode]}", f"gateway-{number + 1}:9901")
                    points = [(at, float(value)) for at, value in one["values"] if value not in ("NaN", "+Inf")]
                    lines.append((legend, points))
            unit = panel["fieldConfig"]["defaults"]["unit"]
            drawn.append({"title": panel["title"], "unit": unit, "lines": lines})
        (ROOT / "docs/dashboard.svg").write_text(draw.draw(drawn, begin, end))

    def alerts_fire(self, scene):
        rules = scene.get("/api/v1/rules")["groups"][0]["rules"]
        made = {"TollgateModuleStopped"}
        causes = {
            "TollgateBadResponses": {"introspection": "rejects"},
            "TollgateSlowIntrospection": {"introspection": "slow"},
            "TollgateUnavailable": {"introspection": "down"},
            "TollgateStaleTokens": {"introspection": "down"},
            "TollgateCallsPaused": {"introspection": "down"},
            "TollgateOldKeys": {"documents": "down"},
            "TollgateOldClientList": {"documents": "down"},
            "TollgateOldStatusList": {"documents": "down"},
        }
        for alert, cause in causes.items():
            with self.subTest(alert), scene.changed(alert, **cause):
                made.add(alert)
        for alert, kind in [("TollgateInvalidTokens", "bad"), ("TollgateClaimsDropped", "long")]:
            scene.kinds[kind] = 8
            scene.until(f"{alert} fires", lambda: alert in scene.firing())
            scene.kinds[kind] = 1
            made.add(alert)
        listener = {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "none"}
        for mode in scene.admin:
            new = scene.directory / mode / "lds.new"
            new.write_text(json.dumps({"resources": [listener]}))
            new.rename(new.with_name("lds.json"))
        scene.until("TollgateConfigurationRejected fires", lambda: "TollgateConfigurationRejected" in scene.firing())
        made.add("TollgateConfigurationRejected")
        self.assertEqual(made, {rule["name"] for rule in rules})


if __name__ == "__main__":
    for program in (PROMETHEUS, PROMTOOL):
        if not shutil.which(program):
            sys.exit(f"{program} is missing: `make prometheus` fetches it.")
    unittest.main()
