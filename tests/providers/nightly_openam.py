import unittest

import flow
import openam


class OpenAM(flow.Journey, unittest.TestCase):
    """What it does not publish comes from its preset. It tells a client of its own tokens only, so the gateway asks as the application."""

    kind = openam.OpenAM

    def test_register_pass_revoke_delete(self):
        self.register("gateway", "--preset", "openam", "--base-url", self.server.issuer, "--scope", self.scope)
        client_id = self.command.run("client", "show", "gateway")["client_id"]
        secret = self.command.secret("gateway")
        with flow.Api() as upstream, flow.Gateway(self.command, upstream, self.scope) as gateway:
            self.assertEqual(gateway.get().status, 401, "without a token")
            token = self.new_token(client_id, secret)
            self.assertEqual(gateway.get(token).text, "GET /orders", "with a good token")
            other = self.new_token(self.server.registrar, self.server.secret)
            self.assertEqual(gateway.get(other).status, 401, "with a good token of another client, as its page says")
            self.assertEqual(self.server.revoke(client_id, secret, token).status, 200)
            self.assertEqual(flow.until(401, lambda: gateway.get(token)).status, 401, "after its revocation")
        self.delete("gateway", client_id)

    def test_token_info(self):
        """What it had before introspection."""
        provider = {"preset": "openam", "issuer": self.server.issuer, "introspection": {"cluster": "server", "dialect": "tokeninfo", "client_auth": {"method": "none"}}}
        config = {"providers": {"main": provider}, "requires": {"scopes": [self.scope], "clients": [self.server.registrar]}}
        token = self.new_token(self.server.registrar, self.server.secret)
        config["rules"] = [{"match": {"path": "/admin"}, "requires": {"scopes": ["admin"]}}]
        with flow.Api() as upstream, flow.Filter(self.command, upstream, self.server.base, config) as gateway:
            self.assertEqual(gateway.get(token).text, "GET /orders")
            self.assertEqual(gateway.get(token[:-1]).status, 401, "a damaged token")
            self.assertEqual(gateway.get(token, "/admin").status, 403, "without the scope")
