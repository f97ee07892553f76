"""Where a release comes from: an in-toto statement (v1) with SLSA's provenance (v1) of every file. Standard library only.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, https://slsa.dev/spec/v1.0/provenance
"""

import hashlib
import os
import subprocess

# Inputs of the build besides the commit, which has them: what pins everything that is fetched.
LOCKS = ["Cargo.lock", "rust-toolchain.toml", "packaging/requirements.txt"]
BUILD_TYPE = "urn:tollgate:make-release:1"
# Whoever ran `make release`. A build service names itself: BUILDER_ID.
BUILDER = "urn:tollgate:builder:unnamed"


def of(root, dist, version, targets, epoch):
    """The statement about all files of the directory `dist`. It has no time of its own, so that the same input gives the same bytes."""
    files = [file for file in sorted(dist.rglob("*")) if file.is_file()]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": str(file.relative_to(dist)), "digest": {"sha256": _sha256(file)}} for file in files],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"version": version, "targets": ["wasm32-wasip1", *sorted(targets)]},
                "internalParameters": {"SOURCE_DATE_EPOCH": epoch},
                "resolvedDependencies": [_source(root), *(_lock(root, name) for name in LOCKS)],
            },
            "runDetails": {
                "builder": {
                    "id": os.environ.get("BUILDER_ID") or BUILDER,
                    "version": {"rustc": _run(root, "rustc", "--version")},
                },
            },
        },
    }


def _source(root):
    """The commit, and whether its files have been changed since."""
    source = {"name": "source", "digest": {"gitCommit": _run(root, "git", "rev-parse", "HEAD")}}
    return {**source, "annotations": {"modified": _run(root, "git", "status", "--porcelain", "--untracked-files=no") != ""}}


def _lock(root, name):
    return {"name": name, "digest": {"sha256": _sha256(root / name)}}


def _sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _run(root, *command):
    """What a command prints; an empty string if it fails, as git does outside of a repository."""
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
