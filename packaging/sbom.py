"""A bill of materials (CycloneDX 1.6) of one Rust package, from `cargo metadata`. Standard library only."""

import hashlib
import json
import subprocess
import tomllib
import uuid


def of(root, package, target, artifact, created):
    """The document about `package` as it is compiled for `target`; `artifact` is what it became."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    told = json.loads(subprocess.run(command, cwd=root, check=True, capture_output=True).stdout)
    packages = {one["id"]: one for one in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}
    checksums = _checksums(root)
    top = next(one["id"] for one in told["packages"] if one["name"] == package)
    edges = {top: _shipped(nodes[top])}
    open_ends = list(edges[top])
    while open_ends:
        one = open_ends.pop()
        if one not in edges:
            edges[one] = _shipped(nodes[one])
            open_ends.extend(edges[one])
    reference = {one: _reference(packages[one]) for one in edges}
    main = {**_component(packages[top], checksums), "type": "application" if package == "tollgate" else "library"}
    main["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(artifact).hexdigest()}]
    others = sorted((one for one in edges if one != top), key=reference.get)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": created, "component": main},
        "components": [_component(packages[one], checksums) for one in others],
        "dependencies": [
            {"ref": reference[one], "dependsOn": sorted({reference[other] for other in edges[one]})}
            for one in sorted(edges, key=reference.get)
        ],
    }
    text = json.dumps(document, sort_keys=True)
    return {**document, "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, text)}"}


def _shipped(node):
    """What becomes part of the artifact: neither tests nor build scripts."""
    return sorted(
        {dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])}
    )


def _component(package, checksums):
    component = {
        "type": "library",
        "bom-ref": _reference(package),
        "name": package["name"],
        "version": package["version"],
        "purl": _reference(package),
    }
    if package.get("license"):
        component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return component


def _reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def _checksums(root):
    """Of the packages in the registry, as Cargo.lock has them."""
    lock = tomllib.loads((root / "Cargo.lock").read_text())
    return {(one["name"], one["version"]): one.get("checksum") for one in lock["package"]}
