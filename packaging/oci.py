"""OCI image layouts with a Wasm module, as Istio and Envoy Gateway fetch it. Standard library only.

Both have the same loader (https://github.com/solo-io/wasm/tree/master/spec): istio.io/istio, pkg/wasm/imagefetcher.go, and
github.com/envoyproxy/gateway, internal/wasm/imagefetcher.go. It reads three kinds of images:

- "compat": an OCI image whose last layer is an archive (tar+gzip) with the file plugin.wasm;
- the same with Docker's media types;
- the artifact: exactly two layers, the runtime's configuration and the module itself.

Each is a layout of its own, because not every tool can choose an image of a layout. The same input always gives the same bytes.
"""

import gzip
import hashlib
import io
import json
import tarfile

OCI = {
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
}
DOCKER = {
    "manifest": "application/vnd.docker.distribution.manifest.v2+json",
    "config": "application/vnd.docker.container.image.v1+json",
    "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}


def write(directory, module, version, created, revision):
    """Writes the layouts compat, docker and artifact of the module's bytes below `directory`."""
    about = {
        "org.opencontainers.image.title": "tollgate",
        "org.opencontainers.image.description": "OAuth 2.0 access-token policy filter for Envoy and Istio",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.created": created,
        "org.opencontainers.image.revision": revision,
    }
    # Docker's manifests have no annotations.
    compat = {"annotations": {"module.wasm.image/variant": "compat", **about}}
    _layout(directory / "compat", version, lambda blobs: _image(blobs, module, about, created, OCI, compat))
    _layout(directory / "docker", version, lambda blobs: _image(blobs, module, about, created, DOCKER, {}))
    _layout(directory / "artifact", version, lambda blobs: _artifact(blobs, module, about))


def _layout(directory, version, image):
    """A layout of one image (https://github.com/opencontainers/image-spec/blob/main/image-layout.md)."""
    blobs = Blobs(directory / "blobs" / "sha256")
    manifest = {**image(blobs), "annotations": {"org.opencontainers.image.ref.name": version}}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
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


def _image(blobs, module, about, created, kinds, annotations):
    """An image whose one layer is an archive of the module, with one of two families of media types."""
    archive = _tar("plugin.wasm", module)
    return blobs.add(kinds["manifest"], _json({
        "schemaVersion": 2,
        "mediaType": kinds["manifest"],
        "config": blobs.add(kinds["config"], _config(archive, about, created)),
        "layers": [blobs.add(kinds["layer"], _gzip(archive))],
        **annotations,
    }))


def _artifact(blobs, module, about):
    runtime = _json({"type": "envoy_proxy", "abiVersions": ["v0-2-1"]})
    config = blobs.add("application/vnd.module.wasm.config.v1+json", runtime)
    content = blobs.add("application/vnd.module.wasm.content.layer.v1+wasm", module)
    return blobs.add(OCI["manifest"], _json({
        "schemaVersion": 2,
        "mediaType": OCI["manifest"],
        "config": config,
        "layers": [_titled(config, "runtime-config.json"), _titled(content, "plugin.wasm")],
        "annotations": {"module.wasm.image/variant": "oci", **about},
    }))


def _config(archive, about, created):
    """The configuration of an image whose one layer is `archive`."""
    return _json({
        "created": created,
        "architecture": "wasm",
        "os": "wasi",
        "config": {"Labels": about},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(archive).hexdigest()}"]},
        "history": [{"created": created, "comment": "plugin.wasm"}],
    })


def _titled(descriptor, name):
    return {**descriptor, "annotations": {"org.opencontainers.image.title": name}}


def _tar(name, content):
    """An archive of one file that everyone may read, without a time and without an owner."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(entry, io.BytesIO(content))
    return whole.getvalue()


def _gzip(content):
    return gzip.compress(content, 9, mtime=0)


def _json(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
