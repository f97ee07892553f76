"""Hosted and commercial authorization servers, answering as their documentation says. Each class names its source.

They are not the products: they show that the presets fit what is documented, and that the deviations are borne.
"""

import base64
import http.server
import json
import secrets
import threading
import time
import urllib.parse


class Profile:
    """A small authorization server: registration, client credentials, introspection, revocation; all else is its product's."""

    # Its paths below the base address, as documented.
    prefix = ""
    token, introspection, revocation, registration = "/token", "/introspect", "/revoke", "/register"
    scheme = "Bearer"
    manages = False  # whether {registration}/{client id} reads, changes and deletes
    ends_tokens = True
    credential = "initial-access-token-of-the-tests"

    def __init__(self):
        self.clients, self.tokens = {}, {}
        profile = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                length = int(self.headers.get("content-length") or 0)
                status, body = profile.answer(self.command, self.path, self.headers, self.rfile.read(length))
                sent = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                if sent:
                    self.send_header("content-type", "application/json;charset=UTF-8")
                self.send_header("cache-control", "no-store")
                if status != 204:
                    self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.base_url = self.base + self.prefix
        # What the command is told as the preset's base.
        self.told = self.base_url

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def metadata(self):
        """What the tests need of it; it publishes nothing."""
        return {"token_endpoint": self.base_url + self.token, "revocation_endpoint": self.base_url + self.revocation}

    # --- its endpoints ----------------------------------------------------------------------------------------------

    def answer(self, method, path, headers, body):
        if path == self.prefix + self.registration and method == "POST":
            return self.register(headers, json.loads(body))
        if self.manages and path.startswith(self.prefix + self.registration + "/"):
            return self.manage(method, path.removeprefix(self.prefix + self.registration + "/"), headers, body)
        if method != "POST" or path not in [self.prefix + known for known in (self.token, self.introspection, self.revocation)]:
            return 404, {"error": "not_found"}
        form = dict(urllib.parse.parse_qsl(body.decode()))
        client = self.authenticated(headers, form)
        if client is None:
            return 401, {"error": "invalid_client"}
        if path == self.prefix + self.introspection:
            return 200, self.introspect(client, form.get("token", ""))
        if path == self.prefix + self.revocation:
            self.tokens.pop(form.get("token", ""), None)
            return 200, None
        return self.give(client, form)

    def opened(self, headers):
        return headers.get("authorization") == f"{self.scheme} {self.credential}"

    def register(self, headers, asked):
        if not self.opened(headers):
            return 401, {"error": "invalid_token"}
        client_id = self.new_id()
        self.clients[client_id] = {**asked, "client_id": client_id, "client_secret": secrets.token_urlsafe(32), "client_secret_expires_at": 0}
        return 201, self.clients[client_id]

    def manage(self, method, client_id, headers, body):
        raise NotImplementedError

    def authenticated(self, headers, form):
        """The client of a call; None if its credentials are wrong."""
        client_id, secret = form.get("client_id"), form.get("client_secret")
        if (headers.get("authorization") or "").startswith("Basic "):
            pair = base64.b64decode(headers["authorization"][6:]).decode().partition(":")
            client_id, secret = urllib.parse.unquote_plus(pair[0]), urllib.parse.unquote_plus(pair[2])
        known = self.clients.get(client_id)
        return known if known and known["client_secret"] == secret else None

    def give(self, client, form):
        token = self.new_token()
        self.tokens[token] = {"client_id": client["client_id"], "scope": form.get("scope", ""), "exp": int(time.time()) + 600}
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 600}

    def introspect(self, client, token):
        known = self.tokens.get(token)
        if known is None or known["client_id"] not in self.clients or not self.may_ask(client, known):
            return {"active": False}
        return {"active": True, **self.members(known)}

    def may_ask(self, client, known):
        return True

    def new_id(self):
        return secrets.token_hex(10)

    def new_token(self):
        return secrets.token_urlsafe(24)

    def members(self, known):
        raise NotImplementedError


class Okta(Profile):
    """Okta. Source: its developer documentation, references of the OpenID Connect API and of the OAuth clients API."""

    preset = "okta"
    token, introspection, revocation = [f"/oauth2/default/v1/{name}" for name in ("token", "introspect", "revoke")]
    registration = "/oauth2/v1/clients"
    scheme = "SSWS"
    manages = True

    def __init__(self):
        super().__init__()
        self.told = f"{self.base}/oauth2/default"

    def register(self, headers, asked):
        if any(client["client_name"] == asked.get("client_name") for client in self.clients.values()):
            what = "client_name: An object with this field already exists in the current organization"
            return 400, {"error": "invalid_client_metadata", "error_description": what}
        status, client = super().register(headers, asked)
        return status, {**client, "client_uri": None, "logo_uri": None} if status == 201 else client

    def manage(self, method, client_id, headers, body):
        """No registration access token: the API token, and nothing else. Reads leave the secret out."""
        if not self.opened(headers):
            return 401, {"errorCode": "E0000011", "errorSummary": "Invalid token provided"}
        client_id, _, rest = client_id.partition("/")
        if client_id not in self.clients:
            return 401, {"error": "invalid_client", "error_description": "Invalid value for 'client_id' parameter."}
        if method == "DELETE":
            del self.clients[client_id]
            return 204, None
        if rest == "lifecycle/newSecret":
            self.clients[client_id]["client_secret"] = secrets.token_urlsafe(32)
            return 200, self.clients[client_id]
        return 200, {key: value for key, value in self.clients[client_id].items() if not key.startswith("client_secret")}

    def members(self, known):
        more = {"aud": "https://api.example.com", "iss": self.told, "jti": "AT.1", "iat": known["exp"] - 600, "sub": known["client_id"]}
        return {"token_type": "Bearer", **known, **more}


class Salesforce(Profile):
    """Salesforce. Source: its help, "OpenID Connect Token Introspection", and its published API collection."""

    preset = "salesforce"
    token, introspection, revocation, registration = [f"/services/oauth2/{name}" for name in ("token", "introspect", "revoke", "register")]

    def new_token(self):
        return "00D000000000001!" + secrets.token_urlsafe(24)

    def members(self, known):
        """`token_type` is no type, `sub` is a URL, and nobody says who has given the token or for whom."""
        who = "https://login.salesforce.com/id/00D000000000001/005000000000001"
        return {**known, "token_type": "access_token", "sub": who, "username": "orders@example.com", "iat": known["exp"] - 600, "nbf": known["exp"] - 600}


class PingFederate(Profile):
    """PingFederate. Source: its developer's reference, 10.0 to 13.1: introspection endpoint, dynamic client registration."""

    preset = "ping_federate"
    token, introspection, revocation, registration = "/as/token.oauth2", "/as/introspect.oauth2", "/as/revoke_token.oauth2", "/as/clients.oauth2"

    def members(self, known):
        """The default scope is not shown."""
        shown = {**known, "token_type": "Bearer", "username": "orders"}
        return shown if known["scope"] else {key: value for key, value in shown.items() if key != "scope"}


class ForgeRock(Profile):
    """PingAM. Source: the 7.2 to 8.1 reference of its introspection endpoint."""

    preset = "forgerock"
    prefix = "/am/oauth2/realms/root/realms/alpha"
    token, introspection, revocation, registration = "/access_token", "/introspect", "/token/revoke", "/register"

    def may_ask(self, client, known):
        return known["client_id"] == client["client_id"] or "am-introspect-all-tokens" in client.get("scope", "").split()

    def members(self, known):
        more = {"realm": "/alpha", "user_id": known["client_id"], "subname": known["client_id"], "auth_level": 0, "expires_in": 575}
        return {**known, "token_type": "Bearer", "sub": known["client_id"], "iss": self.base_url, **more}
