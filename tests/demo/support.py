"""What the demo's tests share: where things are, and the demo's own modules."""

import contextlib
import io
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "envoy/demo"))

import run  # noqa: E402, F401
import stack  # noqa: E402


def envoy():
    return stack.find_envoy()


def module():
    return stack.find_module()


def demo(envoy_file=stack.DEMO / "envoy.yaml", kind=stack.Stack):
    """The demo's processes, ready to be started with `with`."""
    stack.find_node()
    stack.npm_ci(stack.DEMO / "authorization-server")
    return kind(envoy(), module(), envoy_file)


def quiet():
    """The demo's requests, without a line for each."""
    return contextlib.redirect_stdout(io.StringIO())
