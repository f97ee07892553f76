import json
import unittest
import urllib.parse

import flow
import servers

AUDIENCE = "https://api.example.com"


class Keycloak(flow.Journey, unittest.TestCase):
    kind = servers.Keycloak

    def before_it_may_ask(self, gateway, token):
        """Every token is refused, until the gateway is in the audience; the doctor knows why."""
        self.assertEqual(gateway.get(token).status, 401)
        file = gateway.directory / "envoy.yaml"
        said = self.command.run("doctor", file, "--allow-http", "--client", "gateway", "--token-file", "-", given=token, status=1)
        self.assertIn("aud", json.dumps(said))

    def test_jwt(self):
        """Its tokens are JWTs: verified with its keys, and asked about besides."""
        self.client("signer")
        self.client("asker", audience="asker")
        token = self.token("signer", scope=self.scope).json()["access_token"]
        provider = {"preset": "keycloak", "issuer": self.server.issuer, "audiences": [AUDIENCE], "validate": "jwt", "jwks": {"cluster": "server"}}
        config = {"providers": {"main": provider}, "requires": {"scopes": [self.scope], "clients": ["signer"]}}
        with flow.Api() as upstream, flow.Filter(self.command, upstream, self.server.base, config) as gateway:
            flow.until(200, lambda: gateway.get(token))
            self.assertEqual(gateway.get(token).text, "GET /orders")
            signed, signature = token.rsplit(".", 1)
            refused = gateway.get(signed + "." + signature[:-8] + signature[-8:][::-1])
            self.assertEqual((refused.status, "invalid_token" in refused.header("www-authenticate")), (401, True), "another signature")
            other = self.token("asker", scope=self.scope).json()["access_token"]
            self.assertEqual(gateway.get(other).status, 401, "for another audience")
            self.assertEqual(gateway.get(self.token("signer").json()["access_token"]).status, 403, "without the scope")

    def test_proof_of_possession(self):
        """DPP-17: a token that it has bound to a key passes with a proof of that key, and never without."""
        self.client("holder", attributes={"dpop.bound.access.tokens": "true"})
        own, thief = servers.stack.Key(), servers.stack.Key()
        self.assertIn(self.token("holder").status, (400, 401), "it wants a proof for the token already")
        answer = self.token("holder", dpop=own.proof("POST", self.server.metadata()["token_endpoint"]))
        token, kind = answer.json()["access_token"], answer.json()["token_type"]
        self.assertEqual(kind, "DPoP")
        provider = {"preset": "keycloak", "issuer": self.server.issuer, "audiences": [AUDIENCE], "validate": "jwt", "jwks": {"cluster": "server"}}
        config = {"providers": {"main": provider}, "dpop": {}}
        with flow.Api() as upstream, flow.Filter(self.command, upstream, self.server.base, config) as gateway:
            by = ("authorization", "DPoP ")

            def with_proof(key):
                return gateway.get(token, header=by, proof=key.proof("GET", gateway.url(), token))

            self.assertEqual(flow.until(200, lambda: with_proof(own)).text, "GET /orders")
            self.assertEqual(gateway.get(token).status, 401, "as a plain Bearer token")
            self.assertEqual(gateway.get(token, header=by).status, 401, "without a proof")
            self.assertEqual(with_proof(thief).status, 401, "with a proof of another key")

    def test_certificate(self):
        """MTL-01: a token that it has bound to a certificate passes over a connection with that one, and never without."""
        self.client("bound", attributes={"tls.client.certificate.bound.access.tokens": "true"})
        address = f"https://127.0.0.1:{self.server.tls_port}/realms/shop/protocol/openid-connect/token"
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": "bound", "client_secret": "secret-of-bound"})
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = servers.call_over_tls("POST", address, headers, form, servers.CERTIFICATE)
        self.assertEqual(answer.status, 200, answer.text)
        headers = {"authorization": "Bearer " + answer.json()["access_token"]}
        provider = {"preset": "keycloak", "issuer": self.server.issuer, "audiences": [AUDIENCE], "validate": "jwt", "jwks": {"cluster": "server"}}
        config = {"providers": {"main": provider}, "mtls": {}, "requires": {"sender_constraint": "mtls"}}
        with flow.Api() as upstream, flow.Filter(self.command, upstream, self.server.base, config, servers.CERTIFICATE) as gateway:
            address = gateway.url().replace("http:", "https:")

            def ask(certificate):
                return servers.call_over_tls("GET", address, headers, certificate=certificate)

            self.assertEqual(flow.until(200, lambda: ask(servers.CERTIFICATE)).text, "GET /orders")
            self.assertEqual(ask(None).status, 401, "over a connection without it")

    def test_user_info(self):
        """UIN-01, UIN-03: as the last resort."""
        user = {"username": "alice", "enabled": True, "email": "alice@example.com", "firstName": "A", "lastName": "L", "emailVerified": True}
        self.server.admin("POST", "/shop/users", {**user, "credentials": [{"type": "password", "value": "password-of-alice", "temporary": False}]})
        self.client("terminal", directAccessGrantsEnabled=True)
        signed_in = {"grant_type": "password", "username": "alice", "password": "password-of-alice", "scope": "openid"}
        token = self.token("terminal", **signed_in).json()["access_token"]
        provider = {"preset": "keycloak", "issuer": self.server.issuer, "userinfo": {"cluster": "server"}}
        config = {"providers": {"main": provider}, "requires": {"claims": [{"name": "preferred_username", "equals": "alice"}]}}
        with flow.Api() as upstream, flow.Filter(self.command, upstream, self.server.base, config) as gateway:
            self.assertEqual(gateway.get(token).text, "GET /orders")
            self.assertEqual(gateway.get(token[:-4]).status, 401, "a damaged token")
            self.assertEqual(self.server.revoke("terminal", "secret-of-terminal", token).status, 200)
            self.assertEqual(flow.until(401, lambda: gateway.get(token)).status, 401, "after its revocation")

    def client(self, name, audience=AUDIENCE, **more):
        """A confidential client whose tokens are for this audience."""
        config = {"included.custom.audience": audience, "access.token.claim": "true", "introspection.token.claim": "true"}
        mapper = {"name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper", "config": config}
        known = {"clientId": name, "secret": f"secret-of-{name}", "serviceAccountsEnabled": True, "protocolMappers": [mapper], **more}
        self.server.admin("POST", "/shop/clients", known)

    def token(self, client, dpop=None, **form):
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": f"secret-of-{client}", **form}
        headers = {"content-type": "application/x-www-form-urlencoded", **({"dpop": dpop} if dpop else {})}
        return servers.call("POST", self.server.metadata()["token_endpoint"], headers, urllib.parse.urlencode(form))
