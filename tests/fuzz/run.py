#!/usr/bin/env python3
"""Runs the fuzz targets one after the other: `make fuzz`."""

import argparse
import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "target" / "fuzz"
HOST = "x86_64-unknown-linux-gnu" if os.uname().machine == "x86_64" else f"{os.uname().machine}-unknown-linux-gnu"
# What cargo-fuzz sets without a sanitizer: counters of edges and compared values, which stable compilers know.
COVERAGE = [
    "-Cpasses=sancov-module",
    *(f"-Cllvm-args=-sanitizer-coverage-{what}" for what in
      ("level=4", "inline-8bit-counters", "pc-table", "trace-compares")),
    "-Ccodegen-units=4",
    "--cfg", "fuzzing",
]
RECORD = ROOT / "docs" / "fuzzing.json"
# How libFuzzer exits that was interrupted.
INTERRUPTED = 72
BEGIN, END = "<!-- fuzz:begin -->", "<!-- fuzz:end -->"


def targets():
    return sorted(file.stem for file in (HERE / "targets").glob("*.rs"))


def build():
    if shutil.which("c++") is None:
        raise SystemExit("fuzzing needs a C++ compiler: install g++, for instance")
    environment = {**os.environ, "CARGO_TARGET_DIR": str(OUT), "RUSTFLAGS": " ".join(COVERAGE)}
    command = ["cargo", "build", "--quiet", "--release", "--bins", "--locked", "--target", HOST]
    subprocess.run(command, cwd=HERE, env=environment, check=True)
    return OUT / HOST / "release"


def fuzz(binary, target, seconds, timeout):
    """Runs one target. Returns what it has done, the input that it failed with, if there is one, and whether it was interrupted."""
    corpus, found = OUT / "corpus" / target, OUT / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    before = {file.name for file in found.iterdir()}
    unpack(target)
    known = [path for path in (OUT / "kept" / target, OUT / "seeds" / target) if path.is_dir()]
    command = [
        binary, corpus, *known, f"-max_total_time={seconds}", f"-timeout={timeout}", "-rss_limit_mb=2048", "-max_len=8192",
        f"-dict={HERE / 'dictionary'}", "-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={found}/{target}-",
    ]
    log = OUT / f"{target}.log"
    with log.open("wb") as lines:
        process = subprocess.Popen(command, stdout=lines, stderr=subprocess.STDOUT, cwd=ROOT)
        code, usage, is_interrupted = wait(process)
    text = log.read_text(errors="replace")
    number = lambda name: int((re.findall(rf"stat::{name}:\s+(\d+)", text) or ["0"])[-1])
    result = {
        "executions": number("number_of_executed_units"),
        "edges": int((re.findall(r"cov: (\d+)", text) or ["0"])[-1]),
        "inputs": len(list(corpus.iterdir())),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime),
    }
    new = sorted(file for file in found.glob(f"{target}-*") if file.name not in before)
    is_good = code == 0 or is_interrupted and code == INTERRUPTED
    if not is_good:
        print("\n".join(text.splitlines()[-25:]), file=sys.stderr)
    return result, (new[0] if new else None if is_good else found), is_interrupted


def wait(process):
    """How a target has ended, what it has used, and whether it was told to end."""
    def ended():
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, usage

    try:
        return *ended(), False
    except KeyboardInterrupt:
        # It reports what it has done before it ends.
        process.send_signal(signal.SIGINT)
        return *ended(), True


def recorded():
    """What docs/fuzzing.json says of each target."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def record(target, result):
    """Adds a result to docs/fuzzing.json, and writes the table of docs/fuzzing.md anew."""
    page, total = ROOT / "docs" / "fuzzing.md", recorded()
    old = total.setdefault(target, {"executions": 0, "edges": 0, "inputs": 0, "cpu_seconds": 0})
    for name in ("executions", "cpu_seconds"):
        old[name] += result[name]
    for name in ("edges", "inputs"):
        old[name] = result[name]
    RECORD.write_text(json.dumps(total, indent=1, sort_keys=True) + "\n")
    lines = ["| target | CPU time | executions | edges reached | inputs that reach something new |", "| --- | ---: | ---: | ---: | ---: |"]
    for target, all_ in sorted(total.items()):
        lines.append(f"| `{target}` | {clock(all_['cpu_seconds'])} | {all_['executions']:,} | {all_['edges']:,} | {all_['inputs']:,} |")
    seconds, executions = (sum(all_[name] for all_ in total.values()) for name in ("cpu_seconds", "executions"))
    lines.append(f"| **together** | {clock(seconds)} | {executions:,} | | |")
    text = page.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + tail)


def clock(seconds):
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def unpack(target):
    """The inputs in the repository, one in Base64 for each line, as files."""
    kept, directory = HERE / "corpus" / f"{target}.txt", OUT / "kept" / target
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for line in kept.read_text().splitlines() if kept.exists() else []:
        data = base64.b64decode(line)
        (directory / hashlib.sha256(data).hexdigest()[:32]).write_bytes(data)


def keep(binaries, target):
    """The fewest inputs that reach as much: into the repository."""
    merged = OUT / "merged" / target
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir(parents=True)
    command = [binaries / target, "-merge=1", "-max_len=512", merged, OUT / "kept" / target, OUT / "corpus" / target]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = sorted(base64.b64encode(file.read_bytes()).decode() for file in merged.iterdir())
    (HERE / "corpus").mkdir(exist_ok=True)
    (HERE / "corpus" / f"{target}.txt").write_text("".join(line + "\n" for line in lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3600, help="time for all targets together (default: 3600); what is recorded is CPU time")
    parser.add_argument("--only", choices=targets(), action="append", help="this target; may be given again")
    parser.add_argument("--record", action="store_true", help="add what each target has done to docs/fuzzing.md, also if it has failed")
    parser.add_argument("--keep", action="store_true", help="keep the inputs that reach something new in tests/fuzz/corpus (up to 512 bytes each)")
    parser.add_argument("--timeout", type=int, default=10, help="seconds that one input may take (default: 10)")
    arguments = parser.parse_args()
    print("==> compile the targets", flush=True)
    binaries = build()
    subprocess.run([binaries / "exchange"], cwd=ROOT, check=True, env={**os.environ, "TOLLGATE_SEEDS": str(OUT / "seeds")})
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # The one with the least CPU time so far begins: a run that is interrupted does not leave out the same ones each time.
    spent = recorded()
    chosen = sorted(arguments.only or targets(), key=lambda target: spent.get(target, {}).get("cpu_seconds", 0))
    failures = []
    for target in chosen:
        seconds = max(1, arguments.seconds // len(chosen))
        print(f"==> {target}: {seconds} s", flush=True)
        result, failure, is_interrupted = fuzz(binaries / target, target, seconds, arguments.timeout)
        print("    {executions:,} executions, {edges:,} edges, {cpu_seconds} s of CPU time".format(**result), flush=True)
        if failure:
            failures.append(failure)
            print(f"    FAILED: run it again with {binaries / target} {failure}", flush=True)
        if arguments.record:
            record(target, result)
        if is_interrupted:
            return 130
        if arguments.keep and not failure:
            keep(binaries, target)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
