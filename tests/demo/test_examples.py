"""The Envoy files of envoy/: Envoy accepts every one, and they do what they say."""

import os
import re
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from support import ROOT, demo, envoy, module, quiet, run, stack

EXAMPLES = sorted(path for path in (ROOT / "envoy").rglob("*.yaml") if "static_resources:" in path.read_text())


class Example(stack.Stack):
    """introspection.yaml and its kin, with the demo's authorization server and API instead of the ones they name."""

    addresses = {
        "{address: 127.0.0.1, port_value: 10000}": "guarded",
        "{address: localhost, port_value: 8080}": "api",
        "{address: auth.example.com, port_value: 443}": "authorization-server",
        "{address: 127.0.0.1, port_value: 9901}": "admin",
    }
    issuer = "https://auth.example.com"

    secret = ROOT / "envoy/credential-injector-secret.yaml"

    def rendered(self):
        # The demo's authorization server speaks no TLS; and the tests wait for Envoy's admin interface.
        text = re.sub(r"    transport_socket:\n(?:      .*\n)+", "", self.config.read_text())
        text = text.replace("envoy/credential-injector-secret.yaml", str(self.secret))
        self.config = self.logs / "example.yaml"
        self.config.write_text(text + "admin:\n  address:\n    socket_address: {address: 127.0.0.1, port_value: 9901}\n")
        return super().rendered()


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
                self.guards(ROOT / "envoy" / name)

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
            story.expect("a revoked token", "GET /employees", 401, token=token, challenge='Bearer realm="tollgate", error="invalid_token"')
            self.assertEqual(story.faults, [])

    def test_a_secret_that_envoy_injects_is_renewed_without_a_restart(self):
        with tempfile.TemporaryDirectory() as directory:
            secret, right = Path(directory, "secret.yaml"), Example.secret.read_text()
            secret.write_text(re.sub(r'"Basic .*"', '"Basic d3Jvbmc6d3Jvbmc="', right))
            kind = type("WithOwnSecret", (Example,), {"secret": secret})
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
