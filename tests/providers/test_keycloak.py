import json
import unittest

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
