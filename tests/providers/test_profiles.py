"""Servers that publish nothing the tests could use: their presets say where everything is."""

import unittest

import flow
import profiles
from servers import Server


class Profiled(flow.Journey):
    """The journey, by preset instead of discovery, and each product's own trap."""

    # What the gateway's client registers for.
    gateway_scope = None
    # More of the filter's configuration, if this product's tokens need it.
    places = ""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.kind()
        flow.enter(cls, cls.server)

    def setUp(self):
        super().setUp()
        for name, call in {"token": Server.token, "revoke": Server.revoke, "post": Server.post}.items():
            setattr(self, f"at_{name}", call.__get__(Caller(self.server)))

    def register(self, name, *more):
        return self.command.run(
            *["client", "register", name, "--allow-http", "--initial-access-token-file", "-", *more], given=self.server.credential
        )

    def register_gateway(self):
        where = ["--preset", self.server.preset, "--base-url", self.server.told]
        return self.register("gateway", *where, *(["--scope", self.gateway_scope] if self.gateway_scope else []))

    def new_token(self, client_id, secret):
        answer = self.at_token(client_id, secret, self.scope)
        self.assertEqual(answer.status, 200, answer.text)
        return answer.json()["access_token"]

    def test_register_pass_revoke_delete(self):
        self.register_gateway()
        client_id = self.register("shop", "--scope", self.scope)["client_id"]
        secret = self.command.secret("shop")
        with flow.Api() as upstream, flow.Gateway(self.command, upstream, self.scope, self.places) as gateway:
            self.assertEqual(gateway.get("no-token-of-theirs").status, 401)
            token = self.new_token(client_id, secret)
            self.assertEqual(self.get(gateway, token).status, 200, "with a good token")
            self.assertEqual(self.at_revoke(client_id, secret, token).status, 200)
            self.assertEqual(flow.until(401, lambda: self.get(gateway, token)).status, 401, "after its revocation")
            token = self.new_token(client_id, secret)
            self.assertEqual(self.get(gateway, token).status, 200, "with a new token")
            self.traps(gateway, client_id, secret)
            self.end(gateway, client_id, secret, token)

    def get(self, gateway, token):
        return gateway.get(token, header=("x-access-token", "")) if self.places else gateway.get(token)

    def traps(self, gateway, client_id, secret):
        """What this product does otherwise than others."""

    def end(self, gateway, client_id, secret, token):
        """No call to delete a client is documented, so none is made."""
        said = self.command.run("client", "delete", "shop", "--allow-http", status=2)
        self.assertIn("help", said)


class Caller:
    """Calls a profile's endpoints as an application."""

    def __init__(self, server):
        self.metadata = server.metadata
        self.post = Server.post.__get__(self)


class Okta(Profiled, unittest.TestCase):
    kind = profiles.Okta

    def traps(self, gateway, client_id, secret):
        said = self.command.run(
            *["client", "register", "shop2", "--client-name", "shop", "--allow-http", "--initial-access-token-file", "-"],
            given=self.server.credential,
            status=2,
        )
        self.assertIn("already exists", str(said))

    def end(self, gateway, client_id, secret, token):
        self.command.run("client", "delete", "shop", "--allow-http", "--initial-access-token-file", "-", given=self.server.credential)
        self.assertEqual(self.at_token(client_id, secret).status, 401)
        self.assertEqual(flow.until(401, lambda: self.get(gateway, token)).status, 401, "a deleted client's token")


class Salesforce(Profiled, unittest.TestCase):
    """Its tokens have a `!`, which RFC 6750 does not allow after `Bearer`: they pass in a field of their own."""

    kind = profiles.Salesforce
    places = "token: {from_headers: [{name: authorization, scheme: Bearer}, {name: x-access-token}]}"

    def traps(self, gateway, client_id, secret):
        token = self.new_token(client_id, secret)
        self.assertEqual(gateway.get(token, header=("x-access-token", "")).status, 200)
        self.assertEqual(gateway.get(token, header=("authorization", "Bearer ")).status, 400, "as its page says")


class PingFederate(Profiled, unittest.TestCase):
    kind = profiles.PingFederate

    def traps(self, gateway, client_id, secret):
        token = self.at_token(client_id, secret).json()["access_token"]
        self.assertEqual(self.get(gateway, token).status, 403, "the default scope is not shown, and grants nothing unless default_scopes says so")


class ForgeRock(Profiled, unittest.TestCase):
    kind = profiles.ForgeRock
    gateway_scope = "am-introspect-all-tokens"
