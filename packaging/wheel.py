#!/usr/bin/env python3
"""wheel.py TARGET MODULE OUT: builds the command for the Rust target TARGET with maturin, and puts its wheel into the directory OUT.

The wheel has the command and the module. It needs maturin on the PATH and ziglang on the PYTHONPATH: Zig compiles and links
for any machine. The command is linked statically, so its wheel serves every Linux of that machine.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import release

ROOT = release.ROOT
# musl is in the command, so both kinds of Linux can run it; these are the oldest that pip knows.
PLATFORMS = ["manylinux_2_17", "musllinux_1_1"]


def main():
    target, module, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).resolve()
    project = stage(ROOT / "target" / "wheel" / target, module)
    shutil.rmtree(out, ignore_errors=True)
    flags = " ".join(f"--remap-path-prefix={place}={name}" for place, name in places().items())
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(release.epoch()), "RUSTFLAGS": flags}
    command = ["maturin", "build", "--release", "--locked", "--quiet", "--zig", "--target", target, "--out", out]
    return subprocess.run([*command, "--compatibility", *PLATFORMS], cwd=project, env=environment).returncode


def stage(project, module):
    """What maturin reads, in a directory of its own."""
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(ROOT / "packaging" / "python", project)
    shutil.copy(ROOT / "LICENSE", project)
    shared = project / "tollgate_envoy.data" / "data" / "share" / "tollgate"
    shared.mkdir(parents=True)
    shutil.copyfile(module, shared / "tollgate_filter.wasm")
    return project


def places():
    """Directories of this machine, and what the command says instead."""
    cargo = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    return {cargo: "/cargo", str(ROOT): "/tollgate"}


if __name__ == "__main__":
    sys.exit(main())
