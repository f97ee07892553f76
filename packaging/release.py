#!/usr/bin/env python3
"""release.py DIST MODULE [WHEEL…]: writes the release into DIST from what has been built. Standard library only.

MODULE is the finished module; its places are beside it. Each WHEEL has the command for a machine (packaging/wheel.py). The same input gives
the same bytes: every time is SOURCE_DATE_EPOCH, or the time of the last commit.
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
import zipfile
from pathlib import Path

import oci
import provenance
import sbom

ROOT = Path(__file__).resolve().parent.parent
MACHINES = ["x86_64", "aarch64"]


def main():
    dist, module, wheels = Path(sys.argv[1]), Path(sys.argv[2]), [Path(wheel) for wheel in sys.argv[3:]]
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    created = datetime.datetime.fromtimestamp(epoch(), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)

    shutil.copyfile(module, dist / module.name)
    shutil.copyfile(module.with_suffix(".places"), dist / module.with_suffix(".places").name)
    bill(dist / "tollgate_filter.cdx.json", "tollgate-filter", "wasm32-wasip1", module.read_bytes(), created)
    oci.write(dist / "oci", module.read_bytes(), version, created, git("rev-parse", "HEAD"))
    for wheel in wheels:
        shutil.copyfile(wheel, dist / wheel.name)
        target = target_of(wheel)
        command, name = command_in(wheel), f"tollgate-{version}-{target}"
        members = {"tollgate": command, module.name: module.read_bytes(), "LICENSE": (ROOT / "LICENSE").read_bytes()}
        archive(dist / f"{name}.tar.gz", members)
        bill(dist / f"{name}.cdx.json", "tollgate", target, command, created)
    statement = provenance.of(ROOT, dist, version, [target_of(wheel) for wheel in wheels], epoch())
    (dist / "provenance.json").write_text(json.dumps(statement, indent=1, sort_keys=True) + "\n")
    files = [file for file in sorted(dist.rglob("*")) if file.is_file()]
    sums = [(hashlib.sha256(file.read_bytes()).hexdigest(), file.relative_to(dist)) for file in files]
    (dist / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for digest, name in sums))


def epoch():
    """The time of everything in the release."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct") or 0)


def target_of(wheel):
    """The Rust target of a wheel's command: its name ends with the machine's."""
    return next(f"{machine}-unknown-linux-musl" for machine in MACHINES if wheel.stem.endswith(f"_{machine}"))


def command_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".data/scripts/tollgate")]
        return archive.read(name)


def bill(file, package, target, artifact, created):
    """A bill of materials."""
    document = sbom.of(ROOT, package, target, artifact, created)
    file.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


def archive(file, members):
    """The command and what it needs in one directory, so that it finds the module beside itself."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted(members.items()):
            entry = tarfile.TarInfo(f"{file.name.removesuffix('.tar.gz')}/{name}")
            entry.size, entry.mtime = len(content), epoch()
            entry.mode = 0o755 if name == "tollgate" else 0o644
            tar.addfile(entry, io.BytesIO(content))
    file.write_bytes(gzip.compress(whole.getvalue(), 9, mtime=0))


def git(*arguments):
    """What git prints; an empty string outside of a repository."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    main()
