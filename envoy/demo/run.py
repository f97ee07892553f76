#!/usr/bin/env python3
"""Tollgate's demo: an authorization server, an API and an Envoy that guards it, on this machine.

Starts them, sends the requests below, checks every answer, and stays up for yours until Ctrl-C. Nothing is left behind.
"""

import argparse
import json
import os
import signal
import sys
import time

from stack import DEMO, DemoError, Key, Stack, call, find_envoy, find_module, find_node, npm_ci

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def bold(text):
    return paint("1", text)


def say(text=""):
    print(text, flush=True)


# --- requests, and what is expected of them -------------------------------------------------------------------------


class Story:
    """Sends the requests, prints a line for each, and remembers which answers were wrong."""

    def __init__(self, stack):
        self.stack, self.lines, self.faults = stack, 0, []

    def chapter(self, title):
        say(f"\n{bold(title)}")

    def expect(self, what, request, status, listener="guarded", token=None, query=None, headers=None, saying="", challenge=None, seen=None, reason=None):
        """One request. `saying` must be in the body and `challenge` is the start of WWW-Authenticate ("" for none);
        `seen` is what the API must have received (None: the field must not be there); `reason` replaces what is shown."""
        method, path = request.split(" ")
        headers = dict(headers or {})
        if token:
            headers["authorization"] = f"Bearer {token}"
        url = self.stack.url(listener, path + (f"?access_token={query}" if query else ""))
        answer = call(method, url, headers, "{}" if method == "POST" else None)

        faults = []
        if answer.status != status:
            faults.append(f"{status} was expected")
        if saying not in answer.text:
            faults.append(f"the body should say {saying!r}, not {answer.text.strip()[:120]!r}")
        got = answer.header("www-authenticate")
        if challenge is not None and not (got.startswith(challenge) if challenge else not got):
            faults.append(f"the challenge should be {challenge or 'absent'}, not {got or 'absent'}")
        received = received_by_the_api(answer)
        for name, value in (seen or {}).items():
            if received.get(name) != value:
                faults.append(f"the API should have received {name}: {value}, not {received.get(name)}")

        self.lines += 1
        shown = path + ("?access_token=…" if query else "")
        mark = paint("31", "✗") if faults else paint("32", "✓")
        colour = "32" if answer.status < 400 else "33"
        why = faults[0] if faults else reason or why_refused(answer) or what_was_seen(received)
        say(f"  {mark} {method:<4} {shown:<28} {what:<42} → {paint(colour, str(answer.status))}  {why}")
        self.faults += [f"{method} {shown}, {what}: {answer.status}; {fault}" for fault in faults]
        return answer


def received_by_the_api(answer):
    """What the API says it received; {} if the answer is not the API's."""
    text = answer.text
    if answer.header("content-type") == "text/event-stream":
        text = text.split("data: ", 1)[-1]
    try:
        body = json.loads(text)
        return body.get("received", {}) if isinstance(body, dict) else {}
    except ValueError:
        return {}


def why_refused(answer):
    """The reason that a client is given."""
    if answer.status < 400:
        return ""
    try:
        body = answer.json()
    except ValueError:
        return answer.text.strip()
    if "error_description" in body or "message" in body:
        return body.get("error_description") or body["message"]
    return answer.text.strip()


def what_was_seen(received):
    identity = [f"{name}: {received[name]}" for name in ("x-client-id", "x-scope") if name in received]
    if "authorization" in received:
        identity.append("and the token")
    return "the API received " + (", ".join(identity) or "no identity")


# How long the demo's Envoy remembers anything: `cache` in envoy.yaml.
TTL = 1


def tell(stack):
    """The demo's requests. Returns the story, whose `faults` should be empty."""
    story = Story(stack)
    expect = story.expect
    bearer = 'Bearer realm="employees"'

    story.chapter("Without Tollgate")
    expect("no token", "GET /employees", 200, "unguarded", reason="anybody may read it")
    expect("an identity made up by the client", "GET /employees", 200, "unguarded", headers={"x-client-id": "admin"}, seen={"x-client-id": "admin"})

    story.chapter("With Tollgate")
    reader, writer = stack.token("phone-book"), stack.token("hr-app")
    mine = {"x-client-id": "phone-book", "x-scope": "employees:read", "authorization": None}
    expect("no token, and none is needed", "GET /health", 200)
    expect("no token", "GET /employees", 401, saying="An access token is required.", challenge=bearer)
    expect("token in the header", "GET /employees", 200, token=reader, seen=mine)
    expect("token in the header", "GET /employees/2", 200, token=reader, seen=mine)
    expect("token in the query, where a rule allows it", "GET /changes", 200, query=reader, seen={**mine, "path": "/changes"})
    expect("token in the query, where none does", "GET /employees", 401, query=reader, challenge=bearer)
    expect("token in both places", "GET /changes", 400, token=reader, query=reader, challenge=f'{bearer}, error="invalid_request"')
    expect("a scope too few", "POST /employees", 403, token=reader, challenge=f'{bearer}, error="insufficient_scope"', saying="insufficient_scope")
    expect("both scopes", "POST /employees", 201, token=writer, seen={"x-client-id": "hr-app"})
    expect("garbage for a token", "GET /employees", 401, token="garbage", challenge=f'{bearer}, error="invalid_token"')
    expect("no Bearer credentials", "GET /employees", 400, headers={"authorization": "Bearer"}, challenge=f'{bearer}, error="invalid_request"')
    stack.revoke("hr-app", writer)
    time.sleep(TTL)
    expect("the token of before, now revoked", "POST /employees", 401, token=writer, challenge=f'{bearer}, error="invalid_token"')

    story.chapter("A token that is bound to its client's key (DPoP)")
    own, thief = Key(), Key()
    bound = stack.bound_token("payroll", own)
    address = stack.url("guarded", "/employees")

    def with_proof(key, method="GET"):
        return {"authorization": f"DPoP {bound}", "dpop": key.proof(method, address, bound)}

    once = with_proof(own)
    expect("with a proof", "GET /employees", 200, headers=once, seen={"x-client-id": "payroll", "authorization": None, "dpop": None})
    expect("the same proof once more", "GET /employees", 401, headers=once, saying="invalid_dpop_proof")
    expect("a proof for another method", "GET /employees", 401, headers=with_proof(own, "POST"), saying="invalid_dpop_proof")
    expect("no proof", "GET /employees", 401, headers={"authorization": f"DPoP {bound}"}, saying="invalid_dpop_proof")
    expect("the token alone, as if it were any", "GET /employees", 401, token=bound, challenge=f'{bearer}, error="invalid_token"')
    expect("stolen, with a proof of the thief's", "GET /employees", 401, headers=with_proof(thief), saying="not bound to the key")

    story.chapter("A client that claims to be x-client-id: admin")
    spoofed = {"x-client-id": "admin"}
    expect("with its own token", "GET /employees", 200, token=reader, headers=spoofed, seen=mine)
    expect("where no token is needed", "GET /health", 200, headers=spoofed, seen={"x-client-id": None})

    story.chapter("The authorization server is stopped")
    unseen = stack.token("phone-book")
    stack.stop("authorization-server")
    time.sleep(TTL)
    expect("a good token, which is remembered", "GET /employees", 200, token=reader, seen=mine)
    stopped = expect("a good token, which nobody can confirm", "GET /employees", 503, token=unseen, challenge="", saying="temporarily_unavailable")
    if not stopped.header("retry-after"):
        story.faults.append("GET /employees, authorization server stopped: Retry-After is missing")
    expect("no token, and none is needed", "GET /health", 200)
    stack.start_authorization_server()
    stack.wait_until_ready()
    reader = stack.token("phone-book")
    expect("it is back, and gave a new token", "GET /employees", 200, token=reader, seen=mine)

    story.chapter("The listener with `profile: anypoint`")
    expect("no token", "GET /employees", 400, "anypoint", challenge="", saying='{"error": "Access token was not provided."}')
    expect("token in the header", "GET /employees", 200, "anypoint", token=reader, seen={"x-client-id": "phone-book"})
    expect("token in the query", "GET /employees", 200, "anypoint", query=reader, seen={"x-client-id": "phone-book"})
    expect("garbage for a token", "GET /employees", 401, "anypoint", token="garbage", challenge='Bearer realm="OAuth2 Introspection Client Realm"', saying="Token has been revoked.")
    expect("a scope too few", "POST /employees", 403, "anypoint", token=reader, challenge="", saying="The required scopes are not authorized")
    return story


def invite(stack):
    """curl lines that work as they are."""
    token = stack.token("hr-app")
    guarded = stack.url("guarded")
    say(f"\n{bold('Your turn')} (the token is good for an hour; Ctrl-C ends the demo)\n")
    for line in (
        f"curl -i {guarded}/employees",
        f"curl -i -H 'Authorization: Bearer {token}' {guarded}/employees",
        f"curl -i -H 'Authorization: Bearer {token}' -d '{{}}' {guarded}/employees",
        f"curl -i '{guarded}/changes?access_token={token}'",
        f"curl -s -u phone-book:phone-book-demo-secret -d grant_type=client_credentials -d scope=employees:read {stack.url('authorization-server')}/token",
        f"curl -s '{stack.url('admin')}/stats?filter=tollgate'",
        f"tail -f {stack.log('envoy')}",
    ):
        say(f"  {line}")
    say()


# --- the run --------------------------------------------------------------------------------------------------------


def prepare(arguments):
    """Everything that has to be there, or a DemoError that says what is missing."""
    find_node()
    envoy, module = find_envoy(arguments.envoy), find_module(arguments.wasm)
    told = []

    def progress(elapsed):
        if not told:
            say("  installing the authorization server (oidc-provider 9.13.3, from npm; the first time only)")
        if told and COLOUR:
            print(f"\r  {elapsed}", end="", flush=True)
        elif told and len(told) % 5 == 0:
            say(f"  {elapsed}")
        told.append(elapsed)

    npm_ci(DEMO / "authorization-server", progress)
    if told and COLOUR:
        say()
    return envoy, module


def run(arguments):
    start = time.monotonic()
    say(bold("Tollgate guards an API"))
    envoy, module = prepare(arguments)
    say("  starting the API, the authorization server and Envoy")
    with Stack(envoy, module) as stack:
        say(f"  ready after {time.monotonic() - start:.1f} s\n")
        for name, what in (
            ("guarded", "the API, guarded"),
            ("unguarded", "the API, unguarded"),
            ("anypoint", "the API, guarded, `profile: anypoint`"),
            ("authorization-server", "the authorization server"),
            ("admin", "Envoy's statistics"),
        ):
            say(f"  {stack.url(name):<24} {what}")
        story = tell(stack)
        stack.check_alive()
        if story.faults:
            say(f"\n{len(story.faults)} of the answers' properties are not what they should be:")
            for fault in story.faults:
                say(f"  {fault}")
            return 1
        say(f"\n{story.lines} requests, every answer as it should be.")
        if arguments.once:
            return 0
        invite(stack)
        while True:
            stack.check_alive()
            time.sleep(0.3)


STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP")]


def interrupted(*_):
    for number in STOPS:  # a second Ctrl-C must not cut the tidying short
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wasm", metavar="PATH", help="the filter (default: what `make build` makes)")
    parser.add_argument("--envoy", metavar="PATH", help="the Envoy (default: $ENVOY, the one `make demo` fetches, or the one on the PATH)")
    parser.add_argument("--once", action="store_true", help="end after the checks")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(errors="replace")
    for number in STOPS:
        signal.signal(number, interrupted)
    try:
        return run(arguments)
    except KeyboardInterrupt:
        say("\nEverything is stopped.")
        return 0 if not arguments.once else 130
    except (DemoError, OSError) as fault:
        print(f"\n{fault}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
