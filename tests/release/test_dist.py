"""What `make release` has written: whole, consistent, valid, and found by the loaders' rules. DIST names the directory."""

import gzip
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import tarfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIST = Path(os.environ.get("DIST", ROOT / "dist"))
MODULE = DIST / "tollgate_filter.wasm"
MACHINES = {"x86_64": 62, "aarch64": 183}


class Files(unittest.TestCase):
    def test_every_file_has_its_checksum(self):
        sums = dict(reversed(line.split("  ")) for line in (DIST / "SHA256SUMS").read_text().splitlines())
        files = {file.name for file in DIST.iterdir() if file.is_file()} - {"SHA256SUMS"}
        self.assertEqual(set(sums), files)
        for name, digest in sums.items():
            self.assertEqual(digest, hashlib.sha256((DIST / name).read_bytes()).hexdigest(), name)

    def test_the_module_names_no_directory_of_the_machine_that_built_it(self):
        content = MODULE.read_bytes()
        for place in (str(ROOT), str(Path.home())):
            self.assertFalse(place.encode() in content, f"the module has {place}")

    def test_commands_are_static_and_for_their_machine(self):
        archives = list(DIST.glob("tollgate-*-linux-musl.tar.gz"))
        for file in archives:
            with tarfile.open(file) as archive:
                names = sorted(name.rpartition("/")[2] for name in archive.getnames())
                self.assertEqual(names, ["LICENSE", "tollgate", "tollgate_filter.wasm"])
                top = file.name.removesuffix(".tar.gz")
                command = archive.extractfile(f"{top}/tollgate").read()
                module = archive.extractfile(f"{top}/tollgate_filter.wasm").read()
            self.assertEqual(module, MODULE.read_bytes())
            machine = next(machine for machine in MACHINES if machine in file.name)
            self.assertEqual(elf(command), (MACHINES[machine], False), file.name)


class Bills(unittest.TestCase):
    def test_each_is_consistent_and_belongs_to_its_artifact(self):
        files = list(DIST.glob("*.cdx.json"))
        self.assertTrue(files)
        for file in files:
            bill = json.loads(file.read_text())
            self.assertEqual((bill["bomFormat"], bill["specVersion"]), ("CycloneDX", "1.6"))
            self.assertRegex(bill["serialNumber"], r"^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
            components = [bill["metadata"]["component"], *bill["components"]]
            references = [component["bom-ref"] for component in components]
            self.assertEqual(len(references), len(set(references)), file.name)
            self.assertEqual({one["ref"] for one in bill["dependencies"]}, set(references))
            named = {other for one in bill["dependencies"] for other in one["dependsOn"]}
            self.assertLessEqual(named, set(references))
            for component in components:
                self.assertTrue(component["licenses"], component["name"])
        bill = json.loads((DIST / "tollgate_filter.cdx.json").read_text())
        names = {component["name"] for component in bill["components"]}
        self.assertIn("proxy-wasm", names)
        self.assertFalse(names & {"tokio", "clap", "proptest"}, "what is not in the module")
        digest = hashlib.sha256(MODULE.read_bytes()).hexdigest()
        self.assertEqual(bill["metadata"]["component"]["hashes"], [{"alg": "SHA-256", "content": digest}])


    def test_each_is_valid_by_the_schema(self):
        try:
            from cyclonedx.schema import SchemaVersion
            from cyclonedx.validation.json import JsonStrictValidator
        except ImportError:
            self.skipTest("the Python package cyclonedx-python-lib[json-validation] is missing, which has CycloneDX's schema")
        for file in DIST.glob("*.cdx.json"):
            self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read_text()), file.name)


class Images(unittest.TestCase):
    def setUp(self):
        index = json.loads((DIST / "oci/index.json").read_text())
        self.manifests = {
            one["annotations"]["org.opencontainers.image.ref.name"]: json.loads(self.blob(one)) for one in index["manifests"]
        }

    def blob(self, descriptor):
        content = (DIST / "oci/blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
        self.assertEqual(descriptor["size"], len(content))
        self.assertEqual(descriptor["digest"], f"sha256:{hashlib.sha256(content).hexdigest()}")
        return content

    def test_the_compatible_image_has_one_layer_with_plugin_wasm(self):
        name = next(name for name in self.manifests if not name.endswith("-artifact"))
        manifest = self.manifests[name]
        self.assertEqual(manifest["annotations"]["module.wasm.image/variant"], "compat")
        [layer] = manifest["layers"]
        self.assertEqual(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip")
        archive = gzip.decompress(self.blob(layer))
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            self.assertEqual(tar.getnames(), ["plugin.wasm"])
            self.assertEqual(tar.extractfile("plugin.wasm").read(), MODULE.read_bytes())
        config = json.loads(self.blob(manifest["config"]))
        self.assertEqual(config["rootfs"]["diff_ids"], [f"sha256:{hashlib.sha256(archive).hexdigest()}"])
        self.assertEqual(config["config"]["Labels"]["org.opencontainers.image.version"], name)

    def test_the_artifact_has_the_module_as_its_layer(self):
        [manifest] = [manifest for name, manifest in self.manifests.items() if name.endswith("-artifact")]
        self.assertEqual(manifest["config"]["mediaType"], "application/vnd.module.wasm.config.v1+json")
        self.blob(manifest["config"])
        [layer] = manifest["layers"]
        self.assertEqual(layer["mediaType"], "application/vnd.module.wasm.content.layer.v1+wasm")
        self.assertEqual(self.blob(layer), MODULE.read_bytes())

    def test_the_images_say_what_they_are(self):
        for manifest in self.manifests.values():
            about = manifest["annotations"]
            self.assertEqual(about["org.opencontainers.image.licenses"], "Apache-2.0")
            self.assertTrue(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", about["org.opencontainers.image.created"]))


class Again(unittest.TestCase):
    def test_the_same_input_gives_the_same_bytes(self):
        scratch = DIST.parent / "target" / "dist-again"
        created = json.loads((DIST / "tollgate_filter.cdx.json").read_text())["metadata"]["timestamp"]
        epoch = subprocess.run(["date", "-u", "-d", created, "+%s"], check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run(
            ["python3", ROOT / "packaging/release.py", scratch, MODULE],
            check=True,
            env={**os.environ, "SOURCE_DATE_EPOCH": epoch},
        )
        for file in sorted(scratch.rglob("*")):
            if file.is_file() and file.name != "SHA256SUMS":
                self.assertEqual(file.read_bytes(), (DIST / file.relative_to(scratch)).read_bytes(), file.name)


def elf(content):
    """The machine of a program, and whether it needs a loader (PT_INTERP)."""
    if content[:6] != b"\x7fELF\x02\x01":
        return None
    machine, start = struct.unpack_from("<H", content, 18)[0], struct.unpack_from("<Q", content, 32)[0]
    size, count = struct.unpack_from("<HH", content, 54)
    kinds = [struct.unpack_from("<I", content, start + i * size)[0] for i in range(count)]
    return machine, 3 in kinds


if __name__ == "__main__":
    unittest.main()
