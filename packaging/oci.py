"""OCI image layouts with a Wasm module, as Istio and Envoy Gateway fetch it. Standard library only.

Both read two kinds of images (https://github.com/solo-io/wasm/tree/master/spec): "compat", an ordinary image of one layer with the file
plugin.wasm, and the artifact, whose layer is the module itself. The same input always gives the same bytes.
"""

import gzip
import hashlib
import io
import json
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def write(directory, module, version, created, revision):
    """Writes the layout `directory`, with the images VERSION and VERSION-artifact of the module's bytes."""
    about = {
        "org.opencontainers.image.title": "tollgate",
        "org.opencontainers.image.description": "OAuth 2.0 access-token policy filter for Envoy and Istio",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.created": created,
        "org.opencontainers.image.revision": revision,
    }
    blobs = Blobs(directory / "blobs" / "sha256")
    images = [
        (version, _compat(blobs, module, about, created)),
        (f"{version}-artifact", _artifact(blobs, module, about)),
    ]
    manifests = [
        {**manifest, "annotations": {"org.opencontainers.image.ref.name": name}} for name, manifest in images
    ]
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
    (directory / "index.json").write_bytes(_json(index))
    (directory / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))


class Blobs:
    """Content by its digest."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def add(self, media_type, content):
        """Stores a blob, and returns its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        (self.directory / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _compat(blobs, module, about, created):
    archive = _tar("plugin.wasm", module)
    config = {
        "created": created,
        "architecture": "wasm",
        "os": "wasi",
        "config": {"Labels": about},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(archive).hexdigest()}"]},
        "history": [{"created": created, "comment": "plugin.wasm"}],
    }
    return blobs.add(MANIFEST, _json({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blobs.add("application/vnd.oci.image.config.v1+json", _json(config)),
        "layers": [blobs.add("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(archive, 9, mtime=0))],
        "annotations": {"module.wasm.image/variant": "compat", **about},
    }))


def _artifact(blobs, module, about):
    layer = blobs.add("application/vnd.module.wasm.content.layer.v1+wasm", module)
    return blobs.add(MANIFEST, _json({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blobs.add("application/vnd.module.wasm.config.v1+json", _json({"type": "envoy_proxy", "abiVersions": ["v0-2-1"]})),
        "layers": [{**layer, "annotations": {"org.opencontainers.image.title": "plugin.wasm"}}],
        "annotations": {"module.wasm.image/variant": "oci", **about},
    }))


def _tar(name, content):
    """An archive of one file that everyone may read, without a time and without an owner."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(entry, io.BytesIO(content))
    return whole.getvalue()


def _json(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
