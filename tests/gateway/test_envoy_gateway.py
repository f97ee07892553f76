"""What `tollgate generate envoy-gateway` writes, with Envoy Gateway's own control plane and a real Envoy.

The files of envoy/envoy-gateway are applied, too. Envoy Gateway runs on this machine, without Kubernetes, and reads the
files. It fetches the module from a registry, and Envoy takes listeners, clusters and module from Envoy Gateway. What has to be changed in the files for that is in `Control.write`.
The ports 18000 to 18002 have to be free, because Envoy Gateway takes no others.
"""

import base64
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/release"))

from registry import Registry  # noqa: E402
from servers import Server, end, free_port, listens  # noqa: E402

TOOLS = ROOT / "target/tools"
TOLLGATE = os.environ.get("TOLLGATE", str(ROOT / "target/debug/tollgate"))
SHOWN = ROOT / "envoy/envoy-gateway"
TLS = ROOT / "tests/demo/tls"  # a certificate for HOST
HOST = "auth.example.com"
ENVOY = os.environ.get("ENVOY", str(TOOLS / "envoy"))
PATIENCE = 120  # seconds

SHORT = """
listen: 0.0.0.0:@port@
providers:
  main: {introspection_endpoint: "@as@/introspect", client_id: gateway, client_secret_file: secret, allow_http: true}
apis:
  orders: {prefix: /orders, upstream: "http://orders.test:@api@", scopes: ["@scope@"]}
  stock: {prefix: /stock, upstream: "http://stock.test:@api@", scopes: [stock]}
policy: {cache: {ttl: 1s}}
kubernetes: {namespace: default, gateway: eg}
"""

# Everything by TLS, and several APIs, each with its own rules.
SHORT_TLS = """
listen: 0.0.0.0:@port@
tls: {certificate: server.pem, key: server-key.pem}
providers:
  main: {introspection_endpoint: "https://auth.example.com:@tls@/introspect", client_id: gateway, client_secret_file: secret, ca_file: ca.pem}
apis:
  orders: {hosts: [auth.example.com], prefix: /orders, upstream: "https://auth.example.com:@tls@", upstream_ca_file: ca.pem, scopes: ["@scope@"]}
  stock:
    hosts: [auth.example.com]
    prefix: /stock
    upstream: "http://stock.test:@api@"
    scopes: [stock]
    rules: [{name: health, match: {path: /stock/health}, access: anonymous}]
  reports: {hosts: ["*.reports.example.com"], upstream: "http://reports.test:@api@", scopes: [reports]}
policy:
  cache: {ttl: 1s}
  upstream: {claim_to_headers: [{header_name: x-client-id, claim_name: client_id}]}
kubernetes: {namespace: default, gateway: eg}
"""


class EnvoyGateway(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="tollgate-gateway-")
        self.addCleanup(self.directory.cleanup)
        self.at = Path(self.directory.name)
        self.server = Server(certificate=(TLS / "server.pem", TLS / "server-key.pem"))
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.registry = Registry(self)
        self.control = Control(self)

    def test_requests_are_served_and_refused_and_without_a_module_nothing_passes(self):
        image = f"oci://{self.registry.push('artifact')}"
        self.control.write(image)
        self.control.start()

        # The module is fetched from the registry, and judges.
        self.until(200, "/orders", "good")
        for path, token, status in [
            ("/orders", None, 401),
            ("/orders", "bad", 401),
            ("/stock", "good", 403),
            ("/nowhere", "good", 404),
            ("/orders", "good", 200),
        ]:
            self.assertEqual(self.ask(path, token), status, (path, token))
        # Envoy's environment has the secret, by `env.hostKeys`.
        secret = base64.b64encode(b"gateway:hush-secret").decode()
        self.assertEqual({call["authorization"] for call in self.server.calls}, {f"Basic {secret}"})

        # A change arrives.
        self.control.write(image, scope="other")
        self.until(403, "/orders", "good")
        self.control.write(image)
        self.until(200, "/orders", "good")

        # A bad configuration is refused, and the old one judges on.
        before = self.control.stat("listener_manager.lds.update_rejected")
        self.control.write(image, edit=lambda text: text.replace("\n      providers:", "\n      provders: {}\n      providers:"))
        self.control.wait("the update is rejected", lambda: self.control.stat("listener_manager.lds.update_rejected") > before)
        self.assertEqual([self.ask("/orders", token) for token in ("good", "bad", None)], [200, 401, 401])

        for name, other, kind in [
            ("a wrong digest", f"oci://{self.registry.address}/tollgate@sha256:{'0' * 64}", "compat"),
            ("a registry that is away", f"oci://127.0.0.1:{free_port()}/tollgate:0.1.0", "docker"),
        ]:
            self.control.write(image)
            self.until(200, "/orders", "good")
            self.control.write(other)
            self.until(500, "/orders", "good")
            self.server.requests.clear()
            self.assertEqual([self.ask("/orders", token) for token in ("good", "bad", None)], [500, 500, 500])
            self.assertEqual(self.server.requests, [])

            # The other kinds of images load, too.
            self.control.write(f"oci://{self.registry.push(kind)}")
            self.until(200, "/orders", "good")
            self.assertEqual([self.ask("/orders", token) for token in ("bad", None)], [401, 401])

    def test_tls_everywhere_several_apis_a_guard_and_rate_limits(self):
        self.control.short, self.control.names = SHORT_TLS, 4
        image = f"oci://{self.registry.push('artifact')}"
        self.control.write(image, shown=["guard.yaml"])
        self.control.start()

        # The Gateway has the certificate, and its client checks it. The calls to the authorization server and to an API are TLS, too.
        self.until(200, "/orders", "good")
        reports = "eu.reports.example.com"
        for host, path, token, status in [
            (HOST, "/orders", None, 401),
            (HOST, "/orders", "bad", 401),
            (HOST, "/stock", "good", 403),
            (HOST, "/stock", "all", 200),
            (HOST, "/stock/health", None, 200),
            (HOST, "/reports", "all", 404),
            (reports, "/any", "good", 403),
            (reports, "/any", "all", 200),
            ("other.example.com", "/orders", "all", 404),
            # A host of the module's own calls.
            ("provider-main.tollgate.invalid", "/introspect", "all", 403),
        ]:
            self.assertEqual(self.ask(path, token, host), status, (host, path, token))
        self.assertEqual(self.ask("/orders", "good", tls=False), 0)
        self.assertEqual({call["x-tls"] for call in self.server.calls}, {"yes"})
        self.server.requests.clear()
        self.ask("/orders", "good")
        self.ask("/stock", "all")
        self.assertEqual(self.server.requests, ["tls /orders", "/stock"])

        # BackendTLSPolicy: a certificate for another name is not trusted.
        def other_name(text):
            policies = text.split("---\n")
            policies = [one.replace(f"hostname: {HOST}", "hostname: other.example.com") if "kind: BackendTLSPolicy" in one and "name: api-orders" in one else one for one in policies]
            return "---\n".join(policies)

        self.control.write(image, edit=other_name, shown=["guard.yaml"])
        self.until(503, "/orders", "good")
        self.assertEqual([self.ask("/stock", "all"), self.ask("/orders")], [200, 401])

        # Without the policy of the module, and with another one on a route, which replaces it, Envoy itself rejects.
        def unguarded(text):
            return "---\n".join(one for one in text.split("---\n") if "kind: EnvoyExtensionPolicy" not in one)

        for edit in [unguarded, lambda text: text + REPLACES]:
            self.control.write(image, shown=["guard.yaml"])
            self.until(401, "/orders", None)
            self.control.write(image, edit=edit, shown=["guard.yaml"])
            self.until(403, "/orders", None)
            self.server.requests.clear()
            self.assertEqual([self.ask("/orders", token) for token in ("good", "bad", None)], [403, 403, 403])
            self.assertEqual(self.ask("/stock/health"), 403)
            self.assertEqual(self.server.requests, [])
        # So the guard is needed.
        self.control.write(image, edit=lambda text: text + REPLACES)
        self.until(200, "/orders", None)

        # Each client has its own count, and what is rejected before does not count.
        def three(text):
            return text.replace("requests: 100, unit: Minute", "requests: 3, unit: Hour").replace("kind: HTTPRoute, name: apis-1", "kind: HTTPRoute, name: apis-2")

        self.control.write(image, edit=three, shown=["guard.yaml", "rate-limits.yaml"])
        self.until(200, "/stock/health", None)
        self.until(429, "/orders", "good")
        self.assertEqual([self.ask("/orders", token) for token in ("bad", None)], [401, 401])
        self.assertEqual([self.ask("/orders", "all", more={"x-client-id": "app"}) for _ in range(4)], [200, 200, 200, 429])

    def ask(self, path, token=None, host=HOST, tls=None, more=None):
        """The status of a response; 0 if nobody listens."""
        if self.control.short == SHORT or tls is False:
            connection = http.client.HTTPConnection("127.0.0.1", self.control.port, timeout=10)
        else:
            connection = Secure(self.control.port)
        try:
            headers = {"host": host, **(more or {}), **({"authorization": f"Bearer {token}"} if token else {})}
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def until(self, status, path, token):
        self.control.wait(f"{path} is {status}", lambda: self.ask(path, token) == status)


class Secure(http.client.HTTPConnection):
    """A connection to the Gateway, whose certificate is checked."""

    def __init__(self, port):
        super().__init__("127.0.0.1", port, timeout=10)

    def connect(self):
        super().connect()
        context = ssl.create_default_context(cafile=str(TLS / "ca.pem"))
        self.sock = context.wrap_socket(self.sock, server_hostname=HOST)


class Control:
    """Envoy Gateway, and an Envoy that it configures."""

    def __init__(self, test):
        self.test, self.at, self.processes = test, test.at, []
        self.port, self.admin = free_port(), free_port()
        self.short, self.names = SHORT, 3
        self.resources = self.at / "resources"
        self.resources.mkdir()
        self.environment = {**os.environ, "HOME": str(self.at), "PROVIDER_MAIN_SECRET": "hush-secret"}

    def write(self, module, scope="orders", edit=lambda text: text, shown=()):
        """Generates the files, and changes what is different without Kubernetes. `shown` are files of envoy/envoy-gateway."""
        (self.at / "secret").write_text("hush-secret\n")
        for name in ["ca.pem", "server.pem", "server-key.pem"]:
            shutil.copy(TLS / name, self.at)
        server = self.test.server
        gaps = {"port": self.port, "api": server.port, "tls": server.secure.port, "as": f"http://as.test:{server.port}", "scope": scope}
        text = self.short
        for name, value in gaps.items():
            text = text.replace(f"@{name}@", str(value))
        (self.at / "short.yaml").write_text(text)
        command = [TOLLGATE, "generate", "envoy-gateway", "short.yaml", "--out", "out", "--force", "--module", module]
        done = subprocess.run(command, cwd=self.at, env=self.environment, capture_output=True, text=True)
        self.test.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        text = (self.at / "out/envoy-gateway.yaml").read_text()
        self.variables = re.search(r"hostKeys: \[(.*)\]", text).group(1).split(", ")
        # Envoy is not started by Envoy Gateway.
        text, found = re.subn(r"  provider:\n    type: Kubernetes\n(    .*\n)+", "  provider: {type: Host, host: {}}\n", text)
        self.test.assertEqual(found, 1)
        # The servers are on this machine, and their names are not known here.
        text, found = re.subn(r"fqdn: \{hostname: (?:\w+\.test|auth\.example\.com), port: (\d+)\}", r"ip: {address: 127.0.0.1, port: \1}", text)
        self.test.assertEqual(found, self.names)
        text = "\n---\n".join([text, *((SHOWN / name).read_text() for name in shown)])
        # Certificates and their authorities.
        text = "\n---\n".join([text, *(file.read_text() for file in self.at.glob("out/*.yaml") if file.name.startswith("tls-") or file.name.endswith("-ca.yaml"))])
        new = self.at / "new.yaml"
        new.write_text(edit(text))
        new.replace(self.resources / "envoy-gateway.yaml")

    def start(self):
        program = str(TOOLS / "envoy-gateway")
        subprocess.run([program, "certgen", "--local", "--config-home", str(self.at / "home")], env=self.environment, check=True, capture_output=True)
        config = self.at / "gateway.yaml"
        config.write_text(GATEWAY.replace("@resources@", str(self.resources)).replace("@home@", str(self.at / "home")))
        self.spawn("envoy-gateway", [program, "server", "--config-path", str(config)])
        self.wait("Envoy Gateway listens", lambda: listens(18000) and listens(18002))
        certificates = self.at / "home/certs/envoy"
        bootstrap = self.at / "bootstrap.yaml"
        bootstrap.write_text(BOOTSTRAP.replace("@certificates@", str(certificates)).replace("@admin@", str(self.admin)))
        for variable in self.variables:
            self.environment[variable] = "hush-secret"
        self.spawn("envoy", [ENVOY, "-c", str(bootstrap), "--use-dynamic-base-id", "--concurrency", "2", "--log-level", "warning"])

    def spawn(self, name, command):
        log = (self.at / f"{name}.log").open("ab")
        process = subprocess.Popen(command, cwd=self.at, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        self.processes.append(process)
        self.test.addCleanup(end, process)

    def stat(self, name):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=10)
        try:
            connection.request("GET", f"/stats?filter=^{re.escape(name)}$&format=json")
            stats = json.loads(connection.getresponse().read())["stats"]
        finally:
            connection.close()
        return stats[0]["value"] if stats else 0

    def wait(self, what, holds):
        deadline = time.monotonic() + PATIENCE
        while not holds():
            ended = [process.args[0] for process in self.processes if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = [f"{log.name}:\n" + "\n".join(line for line in log.read_text().splitlines() if "milliseconds" not in line)[-4000:] for log in self.at.glob("*.log")]
                self.test.fail("\n".join([f"not within {PATIENCE} s: {what}", *(f"{name} has ended" for name in ended), *logs]))
            time.sleep(0.2)


# A policy for a route, which does something else.
REPLACES = """
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {name: other, namespace: default}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: apis-2}]
  lua: [{type: Inline, inline: "function envoy_on_response(handle) end"}]
"""

GATEWAY = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyGateway
gateway: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
provider:
  type: Custom
  custom:
    resource: {type: File, file: {paths: [@resources@]}}
    infrastructure:
      type: Host
      host: {configHome: @home@, dataHome: @home@/data, stateHome: @home@/state, runtimeDir: @home@/run}
extensionApis: {enableBackend: true, enableLua: true}
"""

# Envoy Gateway's own bootstrap, as far as it is needed. It speaks TLS 1.3 only, and asks for a certificate.
BOOTSTRAP = """
node: {id: envoy, cluster: default/eg}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: @admin@}}}
dynamic_resources:
  ads_config: {api_type: DELTA_GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: xds_cluster}}], set_node_on_first_message_only: true}
  lds_config: {ads: {}, resource_api_version: V3}
  cds_config: {ads: {}, resource_api_version: V3}
overload_manager:
  resource_monitors:
  - name: envoy.resource_monitors.global_downstream_max_connections
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
      max_active_downstream_connections: 1000
static_resources:
  clusters:
  - name: xds_cluster
    connect_timeout: 10s
    type: STATIC
    typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http2_protocol_options: {}}}}
    load_assignment: {cluster_name: xds_cluster, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 18000}}}}]}]}
    transport_socket: &tls
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: envoy-gateway
        common_tls_context:
          tls_params: {tls_maximum_protocol_version: TLSv1_3}
          tls_certificates: [{certificate_chain: {filename: @certificates@/tls.crt}, private_key: {filename: @certificates@/tls.key}}]
          validation_context: {trusted_ca: {filename: @certificates@/ca.crt}}
  - name: wasm_cluster
    connect_timeout: 10s
    type: STATIC
    load_assignment: {cluster_name: wasm_cluster, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 18002}}}}]}]}
    transport_socket: *tls
"""

if __name__ == "__main__":
    unittest.main()
