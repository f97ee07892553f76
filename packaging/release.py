#!/usr/bin/env python3
"""release.py DIST MODULE [COMMAND…]: writes the release into DIST from what has been built. Standard library only.

MODULE is the finished module; its places are beside it. Each COMMAND is TARGET=PATH, the command for a target. The same input gives the
same bytes: every time is SOURCE_DATE_EPOCH, or the time of the last commit.
"""

import datetime
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import oci
import sbom

ROOT = Path(__file__).resolve().parent.parent


def main():
    dist, module, commands = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct") or 0)
    created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)

    shutil.copyfile(module, dist / module.name)
    shutil.copyfile(module.with_suffix(".places"), dist / module.with_suffix(".places").name)
    bill(dist / "tollgate_filter.cdx.json", "tollgate-filter", "wasm32-wasip1", module, created)
    oci.write(dist / "oci", module.read_bytes(), version, created, git("rev-parse", "HEAD"))
    for command in commands:
        target, path = command.split("=", 1)
        name = f"tollgate-{version}-{target}"
        archive(dist / f"{name}.tar.gz", epoch, {"tollgate": Path(path), module.name: module, "LICENSE": ROOT / "LICENSE"})
        bill(dist / f"{name}.cdx.json", "tollgate", target, Path(path), created)
    files = [file for file in sorted(dist.rglob("*")) if file.is_file()]
    sums = [(hashlib.sha256(file.read_bytes()).hexdigest(), file.relative_to(dist)) for file in files]
    (dist / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for digest, name in sums))


def bill(file, package, target, artifact, created):
    """A bill of materials."""
    document = sbom.of(ROOT, package, target, artifact, created)
    file.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def archive(file, epoch, members):
    """The command and what it needs in one directory, so that it finds the module beside itself."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, path in sorted(members.items()):
            entry = tarfile.TarInfo(f"{file.name.removesuffix('.tar.gz')}/{name}")
            entry.size, entry.mtime = path.stat().st_size, epoch
            entry.mode = 0o755 if name == "tollgate" else 0o644
            with path.open("rb") as content:
                tar.addfile(entry, content)
    file.write_bytes(gzip.compress(whole.getvalue(), 9, mtime=0))


def git(*arguments):
    """What git prints; an empty string outside of a repository."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    main()
