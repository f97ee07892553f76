"""The Envoy files of envoy/: Envoy accepts every one, and they do what they say."""

import os
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from support import HERE, ROOT, demo, envoy, module, quiet, run, stack

EXAMPLES = sorted(path for path in (ROOT / "envoy").rglob("*.yaml") if "static_resources:" in path.read_text())


class Example(stack.Stack):
    """introspection.yaml and its kin, with the demo's authorization server and API instead of the ones they name."""

    addresses = {
        "{address: 127.0.0.1, port_value: 10000}": "guarded",
        "{address: localhost, port_value: 8080}": "api",
        "{address: auth.example.com, port_value: 443}": "authorization-server",
    }
    issuer = "https://auth.example.com"
    without_tls = True

    def rendered(self):
        text = super().rendered()
        if self.without_tls:  # as the demo's authorization server is
            text = re.sub(r"    transport_socket:\n(?:      .*\n)+", "", text)
        # For the tests, who wait until Envoy is ready.
        self.ports["admin"] = stack.free_ports(1)[0]
        return text + f"admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {self.ports['admin']}}}}}}}\n"


class ExampleWithSecret(Example):
    """credential-injector.yaml with another secret's file."""

    secret = None

    def exchanges(self):
        return {**super().exchanges(), "envoy/credential-injector-secret.yaml": str(self.secret)}


class ExampleWithTls(Example):
    """The same with TLS on the way to the authorization server, as the file has it."""

    without_tls = False
    certificate_name = "auth.example.com"

    def exchanges(self):
        return {
            **super().exchanges(),
            "{address: auth.example.com, port_value: 443}": f"{{address: 127.0.0.1, port_value: {self.tls.port}}}",
            "/etc/ssl/certs/ca-certificates.crt": str(HERE / "tls/ca.pem"),
            "{exact: auth.example.com}": f"{{exact: {self.certificate_name}}}",
        }

    def start_envoy(self):
        self.tls = TlsFront(self.ports["authorization-server"])
        super().start_envoy()

    def __exit__(self, *_):
        super().__exit__()
        if hasattr(self, "tls"):
            self.tls.close()


class TlsFront:
    """Speaks TLS as auth.example.com, and passes what it hears to a port of this machine."""

    def __init__(self, behind):
        self.behind = behind
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(HERE / "tls/server.pem", HERE / "tls/server-key.pem")
        self.context = context
        self.names = []
        context.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain):
        """One call: the answer ends the connection, so neither side has to be told where it ends."""
        try:
            with self.context.wrap_socket(plain, server_side=True) as outside:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += outside.recv(65536)
                head, _, body = head.partition(b"\r\n\r\n")
                length = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1))
                while len(body) < length:
                    body += outside.recv(65536)
                with socket.create_connection(("127.0.0.1", self.behind)) as inside:
                    inside.sendall(head + b"\r\nconnection: close\r\n\r\n" + body)
                    while answer := inside.recv(65536):
                        outside.sendall(answer)
        except OSError:
            pass  # a client that did not like the certificate


class TheExamples(unittest.TestCase):
    def test_envoy_accepts_every_one(self):
        self.assertGreaterEqual(len(EXAMPLES), 3)
        with tempfile.TemporaryDirectory() as directory:
            for example in EXAMPLES:
                with self.subTest(example.name):
                    copy = Path(directory, "envoy.yaml")
                    copy.write_text(example.read_text().replace(stack.MODULE, str(module())))
                    done = subprocess.run(
                        [envoy(), "--mode", "validate", "-c", str(copy)],
                        cwd=ROOT,
                        env={**os.environ, "GATEWAY_SECRET": "a"},
                        capture_output=True,
                        text=True,
                        timeout=60,
                    )
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_misspelt_key_is_refused_with_the_place_and_the_nearest_key(self):
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory, "envoy.yaml")
            copy.write_text((ROOT / "envoy/introspection.yaml").read_text().replace(stack.MODULE, str(module())).replace("issuer:", "isuer:"))
            done = subprocess.run(
                [envoy(), "--mode", "validate", "-c", str(copy)], env={**os.environ, "GATEWAY_SECRET": "a"}, capture_output=True, text=True, timeout=60
            )
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"providers\.example\.isuer.*issuer")

    def test_every_one_guards_the_api(self):
        for name in ["introspection.yaml", "credential-injector.yaml"]:
            with self.subTest(name):
                with tempfile.TemporaryDirectory() as directory:
                    copy = Path(directory, name)
                    text = (ROOT / "envoy" / name).read_text()
                    self.assertIn("cache: {ttl: 30s}", text)
                    copy.write_text(text.replace("ttl: 30s", "ttl: 1s"))
                    self.guards(copy)

    def guards(self, example):
        os.environ.pop("GATEWAY_SECRET", None)
        if "host_env_keys: [GATEWAY_SECRET]" in example.read_text():
            os.environ["GATEWAY_SECRET"] = stack.GATEWAY_SECRET
            self.addCleanup(os.environ.pop, "GATEWAY_SECRET", None)
        with demo(example, Example) as running, quiet():
            story = run.Story(running)
            token = running.token("phone-book")
            story.expect("no token", "GET /employees", 401, challenge='Bearer realm="tollgate"')
            story.expect("garbage", "GET /employees", 401, token="garbage", challenge='Bearer realm="tollgate", error="invalid_token"')
            spoofed = {"x-client-id": "admin"}
            story.expect("a good token", "GET /employees", 200, token=token, headers=spoofed, seen={"x-client-id": "phone-book"})
            running.revoke("phone-book", token)
            time.sleep(1)
            story.expect("a revoked token", "GET /employees", 401, token=token, challenge='Bearer realm="tollgate", error="invalid_token"')
            self.assertEqual(story.faults, [])

    def test_the_way_to_the_authorization_server_is_tls_with_its_name_checked(self):
        os.environ["GATEWAY_SECRET"] = stack.GATEWAY_SECRET
        self.addCleanup(os.environ.pop, "GATEWAY_SECRET", None)
        for what, name, status in [("the name that the certificate has", "auth.example.com", 200), ("another name", "other.example.com", 503)]:
            with self.subTest(what):
                kind = type("WithThisName", (ExampleWithTls,), {"certificate_name": name})
                with demo(ROOT / "envoy/introspection.yaml", kind) as running:
                    token = running.token("phone-book")
                    answer = stack.call("GET", running.url("guarded", "/employees"), {"authorization": f"Bearer {token}"})
                    self.assertEqual(answer.status, status, answer.text)
                    self.assertEqual(set(running.tls.names), {"auth.example.com"})

    def test_a_secret_that_envoy_injects_is_renewed_without_a_restart(self):
        with tempfile.TemporaryDirectory() as directory:
            secret, right = Path(directory, "secret.yaml"), (ROOT / "envoy/credential-injector-secret.yaml").read_text()
            secret.write_text(re.sub(r'"Basic .*"', '"Basic d3Jvbmc6d3Jvbmc="', right))
            kind = type("WithThisSecret", (ExampleWithSecret,), {"secret": secret})
            with demo(ROOT / "envoy/credential-injector.yaml", kind) as running:
                token = running.token("phone-book")
                request = "GET", running.url("guarded", "/employees"), {"authorization": f"Bearer {token}"}
                self.assertEqual(stack.call(*request).status, 502, "the authorization server does not know these credentials")
                new = Path(directory, "new.yaml")
                new.write_text(right)
                new.replace(secret)
                deadline = time.monotonic() + 10
                while stack.call(*request).status != 200:
                    self.assertLess(time.monotonic(), deadline, running.output("envoy"))
                    time.sleep(0.1)


if __name__ == "__main__":
    unittest.main()
