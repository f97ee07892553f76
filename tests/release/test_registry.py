"""The release's images, pushed to a real registry and pulled from it."""

import hashlib
import json
import tempfile
import unittest
from pathlib import Path

from registry import DIST, Registry, crane


class Pushed(unittest.TestCase):
    def test_each_image_comes_back_byte_for_byte(self):
        registry = Registry(self)
        for kind in ("compat", "docker", "artifact"):
            [manifest] = json.loads((DIST / "oci" / kind / "index.json").read_text())["manifests"]
            name = registry.push(kind)
            self.assertEqual(name, f"{registry.address}/tollgate@{manifest['digest']}")
            self.assertEqual(crane("digest", f"{registry.address}/tollgate:{kind}").strip(), manifest["digest"])
            crane("validate", "--remote", name)
            with tempfile.TemporaryDirectory() as scratch:
                pulled = Path(scratch) / kind
                crane("pull", "--format", "oci", name, str(pulled))
                self.assertEqual(blobs(pulled), blobs(DIST / "oci" / kind), kind)
        tags = crane("ls", f"{registry.address}/tollgate").split()
        self.assertEqual(sorted(tags), ["artifact", "compat", "docker"])


def blobs(layout):
    """The content of a layout, by name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (layout / "blobs/sha256").iterdir()}


if __name__ == "__main__":
    unittest.main()
