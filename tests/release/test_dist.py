"""What `make release` has written: whole, consistent, valid, and found by the loaders' rules. DIST names the directory."""

import datetime
import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import struct
import subprocess
import tarfile
import tempfile
import tomllib
import unittest
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIST = Path(os.environ.get("DIST", ROOT / "dist"))
MODULE = DIST / "tollgate_filter.wasm"
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
MACHINES = {"x86_64": 62, "aarch64": 183}


class Files(unittest.TestCase):
    def test_every_file_has_its_checksum(self):
        sums = dict(reversed(line.split("  ")) for line in (DIST / "SHA256SUMS").read_text().splitlines())
        files = {str(file.relative_to(DIST)) for file in DIST.rglob("*") if file.is_file()} - {"SHA256SUMS"}
        self.assertEqual(set(sums), files)
        for name, digest in sums.items():
            self.assertEqual(digest, hashlib.sha256((DIST / name).read_bytes()).hexdigest(), name)

    def test_the_module_names_no_directory_of_the_machine_that_built_it(self):
        self.nameless(MODULE.read_bytes(), "the module")

    def test_each_command_is_static_and_runs(self):
        for file in DIST.glob("tollgate-*-linux-musl.tar.gz"):
            machine = next(machine for machine in MACHINES if machine in file.name)
            with tarfile.open(file) as archive, tempfile.TemporaryDirectory() as scratch:
                names = sorted(name.rpartition("/")[2] for name in archive.getnames())
                self.assertEqual(names, ["LICENSE", "tollgate", "tollgate_filter.wasm"])
                archive.extractall(scratch)
                directory = Path(scratch) / file.name.removesuffix(".tar.gz")
                self.assertEqual((directory / MODULE.name).read_bytes(), MODULE.read_bytes())
                command = (directory / "tollgate").read_bytes()
                self.assertEqual(elf(command), (MACHINES[machine], False), file.name)
                self.nameless(command, file.name)
                runner = runs(machine)
                if runner is not None:
                    done = subprocess.run([*runner, directory / "tollgate", "--version"], capture_output=True, text=True, check=True)
                    self.assertEqual(done.stdout, f"tollgate {VERSION}\n")

    def test_each_wheel_has_the_same_command_and_module(self):
        for wheel in DIST.glob("*.whl"):
            with zipfile.ZipFile(wheel) as packed:
                data = f"tollgate_envoy-{VERSION}.data"
                self.assertEqual(packed.read(f"{data}/data/share/tollgate/{MODULE.name}"), MODULE.read_bytes())
                name = next(f"tollgate-{VERSION}-{machine}-unknown-linux-musl" for machine in MACHINES if wheel.stem.endswith(machine))
                with tarfile.open(DIST / f"{name}.tar.gz") as archive:
                    command = archive.extractfile(f"{name}/tollgate").read()
                self.assertEqual(packed.read(f"{data}/scripts/tollgate"), command)
                about = packed.read(f"tollgate_envoy-{VERSION}.dist-info/METADATA").decode()
                # In the Python Package Index, the package `tollgate` is a stranger's.
                self.assertIn("Name: tollgate-envoy\n", about)
                self.assertIn("Provides-Extra: envoy\n", about)
                self.assertIn("License-Expression: Apache-2.0\n", about)

    def nameless(self, content, what):
        """Names no directory of the machine that built it."""
        for place in (str(ROOT), str(Path.home())):
            self.assertFalse(place.encode() in content, f"{what} has {place}")


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


class Provenance(unittest.TestCase):
    """https://slsa.dev/spec/v1.0/provenance, in https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md."""

    def test_it_names_every_file_and_what_it_was_built_from(self):
        statement = json.loads((DIST / "provenance.json").read_text())
        self.assertEqual(statement["_type"], "https://in-toto.io/Statement/v1")
        self.assertEqual(statement["predicateType"], "https://slsa.dev/provenance/v1")
        told = {subject["name"]: subject["digest"] for subject in statement["subject"]}
        files = {str(file.relative_to(DIST)): file for file in DIST.rglob("*") if file.is_file()}
        self.assertEqual(set(told), set(files) - {"provenance.json", "SHA256SUMS"})
        for name, digest in told.items():
            self.assertEqual(digest, {"sha256": hashlib.sha256(files[name].read_bytes()).hexdigest()}, name)

        definition, run = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
        machines = sorted(target for target in (f"{machine}-unknown-linux-musl" for machine in MACHINES) if any(target in name for name in files))
        self.assertEqual(definition["externalParameters"], {"version": VERSION, "targets": ["wasm32-wasip1", *machines]})
        bill = json.loads((DIST / "tollgate_filter.cdx.json").read_text())
        created = datetime.datetime.fromtimestamp(definition["internalParameters"]["SOURCE_DATE_EPOCH"], datetime.timezone.utc)
        self.assertEqual(bill["metadata"]["timestamp"], created.strftime("%Y-%m-%dT%H:%M:%SZ"))
        source, *locks = definition["resolvedDependencies"]
        self.assertRegex(source["digest"]["gitCommit"], r"^[0-9a-f]{40}$")
        self.assertIsInstance(source["annotations"]["modified"], bool)
        self.assertEqual([lock["name"] for lock in locks], ["Cargo.lock", "rust-toolchain.toml", "packaging/requirements.txt"])
        for lock in locks:
            self.assertEqual(lock["digest"]["sha256"], hashlib.sha256((ROOT / lock["name"]).read_bytes()).hexdigest(), lock["name"])
        for uri in (definition["buildType"], run["builder"]["id"]):
            self.assertRegex(uri, r"^[a-z]+:")
        channel = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
        self.assertIn(f"rustc {channel}", run["builder"]["version"]["rustc"])

    def test_it_names_no_directory_of_the_machine_that_built_it(self):
        statement = (DIST / "provenance.json").read_text()
        for place in (str(ROOT), str(Path.home())):
            self.assertNotIn(place, statement)


class Images(unittest.TestCase):
    """Each is read as the loader of Istio and of Envoy Gateway reads it (packaging/oci.py names the source)."""

    def test_the_compatible_image_ends_with_an_archive_of_plugin_wasm(self):
        image = Image("compat")
        self.assertEqual(image.manifest["annotations"]["module.wasm.image/variant"], "compat")
        self.assertEqual(image.manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json")
        self.archive(image, "application/vnd.oci.image.layer.v1.tar+gzip")

    def test_the_image_with_dockers_media_types_is_the_same(self):
        image = Image("docker")
        self.assertEqual(image.manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json")
        self.assertEqual(image.manifest["config"]["mediaType"], "application/vnd.docker.container.image.v1+json")
        self.archive(image, "application/vnd.docker.image.rootfs.diff.tar.gzip")

    def archive(self, image, kind):
        [layer] = image.manifest["layers"]
        self.assertEqual(layer["mediaType"], kind)
        archive = gzip.decompress(image.blob(layer))
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            self.assertEqual(tar.getnames(), ["plugin.wasm"])
            self.assertEqual(tar.extractfile("plugin.wasm").read(), MODULE.read_bytes())
        config = json.loads(image.blob(image.manifest["config"]))
        self.assertEqual(config["rootfs"]["diff_ids"], [f"sha256:{hashlib.sha256(archive).hexdigest()}"])
        self.about(config["config"]["Labels"], image)

    def test_the_artifact_has_two_layers_the_runtimes_configuration_and_the_module(self):
        image = Image("artifact")
        configuration, module = image.manifest["layers"]
        self.assertEqual(configuration["mediaType"], "application/vnd.module.wasm.config.v1+json")
        self.assertEqual(json.loads(image.blob(configuration)), {"type": "envoy_proxy", "abiVersions": ["v0-2-1"]})
        self.assertIn(b"proxy_abi_version_0_2_1", MODULE.read_bytes())
        self.assertEqual(module["mediaType"], "application/vnd.module.wasm.content.layer.v1+wasm")
        self.assertEqual(image.blob(module), MODULE.read_bytes())
        image.blob(image.manifest["config"])
        self.about(image.manifest["annotations"], image)

    def about(self, labels, image):
        """What an image says of itself."""
        self.assertEqual(labels["org.opencontainers.image.licenses"], "Apache-2.0")
        self.assertEqual(labels["org.opencontainers.image.version"], image.tag)
        self.assertRegex(labels["org.opencontainers.image.created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")


class Image:
    """The one image of a layout."""

    def __init__(self, kind):
        self.layout = DIST / "oci" / kind
        assert json.loads((self.layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
        [described] = json.loads((self.layout / "index.json").read_text())["manifests"]
        self.tag = described["annotations"]["org.opencontainers.image.ref.name"]
        self.manifest = json.loads(self.blob(described))
        assert self.manifest["mediaType"] == described["mediaType"]

    def blob(self, descriptor):
        content = (self.layout / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
        assert descriptor["size"] == len(content)
        assert descriptor["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        return content


class Again(unittest.TestCase):
    def test_the_same_input_gives_the_same_bytes(self):
        scratch = DIST.parent / "target" / "dist-again"
        created = json.loads((DIST / "tollgate_filter.cdx.json").read_text())["metadata"]["timestamp"]
        epoch = subprocess.run(["date", "-u", "-d", created, "+%s"], check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run(
            ["python3", ROOT / "packaging/release.py", scratch, MODULE, *DIST.glob("*.whl")],
            check=True,
            env={**os.environ, "SOURCE_DATE_EPOCH": epoch},
        )
        for file in sorted(scratch.rglob("*")):
            if file.is_file() and file.name != "SHA256SUMS":
                self.assertEqual(file.read_bytes(), (DIST / file.relative_to(scratch)).read_bytes(), file.name)


def runs(machine):
    """What runs a program of that machine: nothing more, an emulator, or None if there is neither."""
    if platform.system() == "Linux" and platform.machine() == machine:
        return []
    emulator = shutil.which(f"qemu-{machine}-static")
    return [emulator] if emulator else None


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
