import json
import unittest
import urllib.parse

import flow
import servers


class Keycloak(flow.Journey, unittest.TestCase):
    kind = servers.Keycloak

    def before_it_may_ask(self, gateway, token):
        """Every token is refused, until the gateway is in the audience; the doctor knows why."""
        self.assertEqual(gateway.get(token).status, 401)
        file = gateway.directory / "envoy.yaml"
        said = self.command.run("doctor", file, "--allow-http", "--client", "gateway", "--token-file", "-", given=token, status=1)
        self.assertIn("aud", json.dumps(said))

    def test_user_info(self):
        """UIN-01, UIN-03: as the last resort, as the filter's engine asks for it."""
        user = {"username": "alice", "enabled": True, "email": "alice@example.com", "firstName": "A", "lastName": "L", "emailVerified": True}
        self.server.admin("POST", "/shop/users", {**user, "credentials": [{"type": "password", "value": "password-of-alice", "temporary": False}]})
        self.server.admin("POST", "/shop/clients", {"clientId": "terminal", "publicClient": True, "directAccessGrantsEnabled": True})
        form = {"grant_type": "password", "client_id": "terminal", "username": "alice", "password": "password-of-alice", "scope": "openid"}
        answer = servers.call(
            *["POST", self.server.metadata()["token_endpoint"], {"content-type": "application/x-www-form-urlencoded"}, urllib.parse.urlencode(form)]
        )
        self.assertEqual(answer.status, 200, answer.text)
        token = answer.json()["access_token"]
        provider = {"preset": "keycloak", "issuer": self.server.issuer, "userinfo": {"cluster": "keycloak"}}
        config = {"providers": {"main": provider}, "requires": {"claims": [{"name": "preferred_username", "equals": "alice"}]}}
        self.assertEqual(self.explained(config, token), "allowed")
        self.assertEqual(self.explained(config, token[:-4]), "invalid_token")
        self.assertEqual(self.explained({**config, "requires": {"claims": [{"name": "email", "equals": "bob@example.com"}]}}, token), "forbidden")
