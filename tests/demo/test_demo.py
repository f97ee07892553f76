"""`make demo`: what it shows, what it says when something is missing, and that it leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from support import ROOT, demo, quiet, run, stack

RUN = [sys.executable, str(ROOT / "envoy/demo/run.py")]


def once(*arguments, **environment):
    """The demo, run to its end."""
    return subprocess.run(
        [*RUN, "--once", *arguments], env={**os.environ, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180
    )


def children_of(pid):
    """The processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def alive(pid):
    return Path(f"/proc/{pid}").exists()


class TheDemo(unittest.TestCase):
    maxDiff = None

    def test_once_shows_every_case_and_ends_well(self):
        done = once()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        lines = done.stdout.splitlines()
        for method, path, what, status, reason in [
            ("GET", "/employees", "no token", 200, "anybody may read it"),
            ("GET", "/employees", "no token", 401, "An access token is required."),
            ("GET", "/employees", "token in the header", 200, "x-client-id: phone-book, x-scope: employees:read"),
            ("GET", "/changes?access_token=…", "token in the query, where a rule allows it", 200, "x-client-id: phone-book"),
            ("GET", "/employees?access_token=…", "token in the query, where none does", 401, "An access token is required."),
            ("POST", "/employees", "a scope too few", 403, "A required scope is missing."),
            ("POST", "/employees", "both scopes", 201, "x-client-id: hr-app"),
            ("GET", "/employees", "garbage for a token", 401, "The access token is not valid."),
            ("POST", "/employees", "the token of before, now revoked", 401, "The access token is not valid."),
            ("GET", "/employees", "with a proof", 200, "x-client-id: payroll"),
            ("GET", "/employees", "the same proof once more", 401, "The DPoP proof is not valid."),
            ("GET", "/employees", "no proof", 401, "The DPoP proof is not valid."),
            ("GET", "/employees", "the token alone, as if it were any", 401, "The access token is bound to its sender"),
            ("GET", "/employees", "stolen, with a proof of the thief's", 401, "not bound to the key of the DPoP proof"),
            ("GET", "/employees", "with its own token", 200, "x-client-id: phone-book"),
            ("GET", "/employees", "a good token, which is remembered", 200, "x-client-id: phone-book"),
            ("GET", "/employees", "a good token, which nobody can confirm", 503, "try again later"),
            ("GET", "/employees", "it is back, and gave a new token", 200, "x-client-id: phone-book"),
            ("GET", "/employees", "no token", 400, "Access token was not provided."),
        ]:
            with self.subTest(what, status=status):
                start = re.compile(rf"  ✓ {method} +{re.escape(path)} +{re.escape(what)} +→ {status}  ")
                self.assertTrue([line for line in lines if start.match(line) and reason in line], done.stdout)
        self.assertNotIn("✗", done.stdout)
        self.assertNotIn("\033", done.stdout, "no colours where there is no terminal")

    def test_the_second_start_takes_seconds(self):
        with demo():
            pass
        start = time.monotonic()
        with demo():
            self.assertLess(time.monotonic() - start, 20)

    def test_it_stays_until_it_is_interrupted_and_leaves_nothing_behind(self):
        for name, number in [("Ctrl-C", signal.SIGINT), ("a polite end", signal.SIGTERM)]:
            with self.subTest(name), subprocess.Popen(RUN, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as running:
                try:
                    shown = []
                    for line in running.stdout:
                        shown.append(line)
                        if line.startswith("  tail -f "):
                            break
                    self.assertIn("requests, every answer as it should be.", "".join(shown))
                    children = children_of(running.pid)
                    self.assertEqual(len(children), 3)
                    if number == signal.SIGINT:
                        self.curl_lines_work([line.strip() for line in shown])
                    self.assertIsNone(running.poll(), "it stays")
                    running.send_signal(number)
                    self.assertEqual(running.wait(30), 0)
                    self.assertEqual([pid for pid in children if alive(pid)], [])
                    log = shown[-1].split()[-1]
                    self.assertFalse(Path(log).parent.exists(), "its logs are gone too")
                finally:
                    running.kill()

    def curl_lines_work(self, shown):
        """The lines that the demo prints, pasted."""
        expected = {
            "curl -i http": "HTTP/1.1 401",
            "curl -i -H": "HTTP/1.1 200",
            "curl -i -H…-d": "HTTP/1.1 201",
            "curl -i '": "HTTP/1.1 200",
            "curl -s -u": '"access_token":',
            "curl -s '": "tollgate.verdict.allowed",
        }
        lines = [line for line in shown if line.startswith("curl ")]
        self.assertEqual(len(lines), len(expected))
        for line, want in zip(lines, expected.values()):
            with self.subTest(line):
                self.assertIn(want, subprocess.run(line, shell=True, capture_output=True, text=True, timeout=20).stdout)

    def test_what_is_missing_is_said_in_a_sentence(self):
        with tempfile.TemporaryDirectory() as empty:
            for what, arguments, environment, sentence in [
                ("no filter", ["--wasm", f"{empty}/none.wasm"], {}, f"The filter is missing ({empty}/none.wasm): `make build` makes it."),
                ("no such Envoy", ["--envoy", f"{empty}/envoy"], {}, f"{empty}/envoy is no program"),
                ("no Node.js", [], {"PATH": empty}, "node is missing: install Node.js 20 or newer"),
            ]:
                with self.subTest(what):
                    done = once(*arguments, **environment)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(sentence, done.stderr)
                    self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)

    def test_an_early_end_of_a_process_is_told_with_its_last_words(self):
        with tempfile.TemporaryDirectory() as directory:
            broken = Path(directory, "envoy.yaml")
            broken.write_text((stack.DEMO / "envoy.yaml").read_text().replace("issuer:", "isuer:"))
            with self.assertRaisesRegex(stack.DemoError, r"(?s)^envoy has ended by itself \(exit code 1\).*last lines.*isuer"), demo(broken):
                pass

    def test_a_wrong_answer_is_a_fault(self):
        with tempfile.TemporaryDirectory() as directory:
            lax = Path(directory, "envoy.yaml")
            text = (stack.DEMO / "envoy.yaml").read_text()
            self.assertIn("[employees:write]", text)
            lax.write_text(text.replace("[employees:write]", "[employees:read]"))
            with demo(lax) as running, quiet():
                faults = run.tell(running).faults
        self.assertTrue(any(fault.startswith("POST /employees, a scope too few: 201; 403 was expected") for fault in faults), faults)

    def test_the_access_log_and_the_statistics_tell_the_verdicts(self):
        with demo() as running:
            token = running.token("phone-book")
            stack.call("GET", running.url("guarded", "/employees"))
            stack.call("GET", running.url("guarded", "/employees"), {"authorization": "Bearer garbage"})
            stack.call("GET", running.url("guarded", "/employees"), {"authorization": f"Bearer {token}"})
            counted = stack.call("GET", running.url("admin", "/stats?filter=tollgate")).text
            for line in ["GET /employees 401 verdict=no_token ", "GET /employees 401 verdict=invalid_token ", "GET /employees 200 verdict="]:
                with self.subTest(line):
                    self.wait_for(lambda: line in running.output("envoy"), running)
            for name in ["no_token", "invalid_token", "allowed"]:
                with self.subTest(name):
                    self.assertRegex(counted, rf"(?m)^wasmcustom\.tollgate\.verdict\.{name}: 1$")
            self.assertNotIn(token, running.output("envoy"), "no token in any log")

    def wait_for(self, condition, running):
        deadline = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), deadline, running.output("envoy"))
            time.sleep(0.05)


if __name__ == "__main__":
    unittest.main()
