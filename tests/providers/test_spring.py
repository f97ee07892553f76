import unittest

import flow
import servers


class Spring(flow.Journey, unittest.TestCase):
    kind = servers.Spring

    def test_jwt(self):
        """Its tokens are JWTs without a `typ`, and their scopes an array."""
        self.register("shop", "--issuer", self.server.issuer, "--scope", self.scope)
        client_id = self.command.run("client", "show", "shop")["client_id"]
        token = self.new_token(client_id, self.command.secret("shop"))
        self.assertEqual(token.count("."), 2, "it is no JWT")
        provider = {
            "issuer": self.server.issuer,
            "audiences": [client_id],
            "validate": "jwt",
            "typ": "any",
            "scope_array": "accept",
            "jwks": {"uri": self.server.metadata()["jwks_uri"], "cluster": "server"},
        }
        config = {"providers": {"main": provider}, "requires": {"scopes": [self.scope]}, "rules": [{"match": {"path": "/admin"}, "requires": {"scopes": ["admin"]}}]}
        with flow.Api() as upstream, flow.Filter(self.command, upstream, self.server.base, config) as gateway:
            self.assertEqual(flow.until(200, lambda: gateway.get(token)).text, "GET /orders")
            self.assertEqual(gateway.get(token, "/admin").status, 403, "without the scope")
            signed, signature = token.rsplit(".", 1)
            self.assertEqual(gateway.get(f"{signed}.{signature[::-1]}").status, 401, "another signature")
