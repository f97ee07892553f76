"""The Postman collection, run by newman against the demo."""

import subprocess
import unittest

from support import HERE, ROOT, demo, stack

COLLECTION = ROOT / "envoy/demo/tollgate.postman_collection.json"


class TheCollection(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stack.find_node()
        stack.npm_ci(HERE)

    def newman(self, running, *arguments):
        variables = {name: running.url(name) for name in ["guarded", "unguarded", "anypoint"]}
        variables["authorization_server"] = running.url("authorization-server")
        given = [word for name, value in variables.items() for word in ("--env-var", f"{name}={value}")]
        done = subprocess.run(
            ["node", "node_modules/newman/bin/newman.js", "run", str(COLLECTION), "--color", "off", "--timeout", "60000", *given, *arguments],
            cwd=HERE,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_every_request_is_answered_as_its_tests_say(self):
        with demo() as running:
            said = self.newman(running)
            for request in ["no token", "a scope too few", "the token of before, now revoked", "garbage for a token"]:
                self.assertIn(f"↳ {request}", said)
            running.stop("authorization-server")
            said = self.newman(running, "--folder", "The authorization server is stopped", "--env-var", "stopped=true")
            self.assertIn("the status is 503", said)

    def test_a_wrong_answer_makes_the_run_fail(self):
        with demo() as running:
            running.ports["guarded"] = running.ports["unguarded"]
            with self.assertRaises(AssertionError):
                self.newman(running)


if __name__ == "__main__":
    unittest.main()
