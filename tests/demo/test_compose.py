"""envoy/docker-compose.yaml, as `docker compose config` reads it: the same demo as `make demo`, in containers.

No container engine is needed: tests/tools/compose-reader has the reader of docker compose.
"""

import json
import re
import subprocess
import unittest
from pathlib import Path

from support import ROOT, stack

READER = ROOT / "target/tools/compose-reader"


class TheComposeFile(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if not READER.exists():
            raise AssertionError(f"{READER} is missing: `make compose-reader` makes it.")
        done = subprocess.run([READER, "envoy/docker-compose.yaml"], cwd=ROOT, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"docker compose does not accept the file: {done.stderr}")
        cls.services = json.loads(done.stdout)["services"]
        cls.envoy_file = (stack.DEMO / "envoy.yaml").read_text()

    def test_it_has_the_services_of_the_demo_and_no_others(self):
        self.assertEqual(set(self.services), set(stack.COMMANDS))

    def test_they_run_the_commands_of_the_demo(self):
        for name, (command, _) in stack.COMMANDS.items():
            with self.subTest(name):
                self.assertEqual(self.services[name]["command"], command)
                self.assertIsNone(self.services[name].get("entrypoint"))

    def test_every_image_is_pinned(self):
        images = {name: service["image"] for name, service in self.services.items() if "build" not in service}
        dockerfile = (ROOT / "envoy/demo/authorization-server/Dockerfile").read_text()
        images["authorization-server"] = re.search(r"(?m)^FROM (\S+)$", dockerfile).group(1)
        self.assertEqual(set(images), set(stack.COMMANDS))
        for name, image in images.items():
            with self.subTest(name):
                self.assertRegex(image, r":v?\d+\.\d+\.\d+")
        self.assertEqual(images["envoy"], "envoyproxy/envoy:v1.40.0")

    def test_the_files_that_they_get_are_those_of_the_demo(self):
        mounts = {
            name: {Path(volume["source"]).relative_to(ROOT): volume["target"] for volume in service.get("volumes", [])}
            for name, service in self.services.items()
        }
        # Envoy's paths are relative to its working directory, as in the repository.
        base = self.services["envoy"]["working_dir"]
        self.assertEqual(mounts["envoy"], {Path(path): f"{base}/{path}" for path in ["envoy/demo/envoy.yaml", stack.MODULE]})
        self.assertEqual(mounts["api"], {Path("envoy/demo/api/server.mjs"): self.services["api"]["working_dir"] + "/server.mjs"})
        self.assertEqual(mounts["authorization-server"], {})
        for service in self.services.values():
            for volume in service.get("volumes", []):
                with self.subTest(volume["source"]):
                    self.assertTrue(volume["read_only"])
                    self.assertFalse(volume["bind"].get("create_host_path"), "a missing file is an error, not an empty directory")
                    if not volume["source"].endswith(stack.MODULE):
                        self.assertTrue(Path(volume["source"]).is_file())

    def test_the_image_that_is_built_holds_the_files_of_the_demo(self):
        context = Path(self.services["authorization-server"]["build"]["context"])
        self.assertEqual(context, ROOT / stack.COMMANDS["authorization-server"][1])
        dockerfile = (context / "Dockerfile").read_text()
        copied = [name for line in re.findall(r"(?m)^COPY (.*) \./$", dockerfile) for name in line.split()]
        self.assertEqual(sorted(copied), [".npmrc", "package-lock.json", "package.json", "server.mjs"])
        for name in copied:
            self.assertTrue((context / name).is_file(), name)
        self.assertIn(json.dumps(self.services["authorization-server"]["command"]), dockerfile)

    def test_envoy_finds_the_others_where_its_file_says(self):
        for address, name in stack.SHIPPED_ADDRESSES.items():
            self.assertIn(address, self.envoy_file)
            host, port = re.fullmatch(r"\{address: (\S+), port_value: (\d+)\}", address).groups()
            with self.subTest(name):
                if name in self.services:
                    self.assertEqual(host, name)
                    self.assertEqual(self.services[name]["environment"]["PORT"], port)
                    self.assertEqual(self.services[name]["environment"]["HOST"], "0.0.0.0")
                elif name != "admin":
                    self.assertIn(port, [published["published"] for published in self.services["envoy"]["ports"]])

    def test_the_issuer_and_the_secret_are_the_same_on_both_sides(self):
        environment = self.services["authorization-server"]["environment"]
        self.assertEqual(environment["ISSUER"], stack.SHIPPED_ISSUER)
        self.assertIn(f"issuer: {environment['ISSUER']}\n", self.envoy_file)
        self.assertEqual(environment["GATEWAY_SECRET"], stack.GATEWAY_SECRET)
        self.assertIn(f"{{GATEWAY_SECRET: {stack.GATEWAY_SECRET}}}", self.envoy_file)

    def test_the_environment_is_that_of_the_demo(self):
        with_a_demo = {"api": {"HOST", "PORT"}, "authorization-server": {"HOST", "PORT", "ISSUER", "GATEWAY_SECRET"}, "envoy": set()}
        for name, keys in with_a_demo.items():
            with self.subTest(name):
                self.assertEqual(set(self.services[name].get("environment") or {}), keys)

    def test_nothing_is_published_beyond_this_machine(self):
        for name, service in self.services.items():
            for port in service.get("ports", []):
                with self.subTest(name, port=port["published"]):
                    self.assertEqual(port["host_ip"], "127.0.0.1")
                    self.assertEqual(port["published"], str(port["target"]))


if __name__ == "__main__":
    unittest.main()
