"""A logout that acts at once: real authorization servers push events to a gateway with four workers."""

import http.cookies
import json
import re
import time
import unittest
import urllib.parse

import flow
import servers

CALLBACK = "https://shop.example.com/callback"
# Nothing but an event ends a cached response within a test.
CACHE = {"ttl": "1h", "ttl_without_exp": "1h"}


class LogoutProvider(servers.OidcProvider):
    """oidc-provider with users, and back-channel logout."""

    logout_uri = None

    def start(self):
        servers.stack.find_node()
        servers.stack.npm_ci(servers.HERE / "oidc-provider")
        self.spawn(["node", "logout.mjs"], servers.HERE / "oidc-provider", PORT=self.port, ISSUER=self.issuer, LOGOUT_URI=self.logout_uri)

    def log_in(self, user):
        """A browser in which this user has logged in, and the response of the token endpoint."""
        browser = Browser()
        query = {"client_id": "shop", "response_type": "code", "redirect_uri": CALLBACK, "scope": "openid", "login_hint": user}
        code = browser.until_back(f"{self.metadata()['authorization_endpoint']}?{urllib.parse.urlencode(query)}")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        return browser, self.post(self.metadata()["token_endpoint"], "shop", "shop-secret", form).json()

    def log_out(self, browser, tokens):
        page = browser.get(f"{self.metadata()['end_session_endpoint']}?id_token_hint={tokens['id_token']}")
        fields = {"xsrf": re.search(r'name="xsrf" value="([^"]+)"', page.text).group(1), "logout": "yes"}
        address = re.search(r'action="([^"]+)"', page.text).group(1)
        return browser.post(urllib.parse.urljoin(self.base, address), fields)


class Browser:
    """Follows redirects, and keeps cookies."""

    def __init__(self):
        self.cookies = {}

    def get(self, url, method="GET", body=None):
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        answer = servers.call(method, url, headers, body)
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                for cookie in http.cookies.SimpleCookie(value).values():
                    self.cookies[cookie.key] = cookie.value
        return answer

    def post(self, url, fields):
        return self.get(url, "POST", urllib.parse.urlencode(fields))

    def until_back(self, url):
        """The code with which the server sends the browser back to the client."""
        for _ in range(10):
            answer = self.get(url)
            if answer.status not in (302, 303):
                raise AssertionError(f"{url}: {answer.status} {answer.text}")
            url = urllib.parse.urljoin(url, answer.header("location"))
            if url.startswith(CALLBACK):
                return urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["code"][0]
        raise AssertionError("the server redirects for ever")


class Gateway(flow.Filter):
    workers = 4

    def everywhere(self, token):
        """The statuses of some requests, each on a connection of its own."""
        return {self.get(token).status for _ in range(40)}

    def counter(self, name):
        stats = servers.call("GET", f"http://127.0.0.1:{self.admin}/stats?filter=tollgate.revocation.events.{name}$").text
        return int(stats.rsplit(":", 1)[1]) if ":" in stats else 0


class Events(unittest.TestCase):
    def setUp(self):
        self.command = flow.Command()
        self.addCleanup(self.command.close)

    def ends_at_once(self, gateway, token, act, patience=1.0):
        """After `act`, the token is refused everywhere within a second; how long it took."""
        for _ in range(3):
            self.assertEqual(gateway.everywhere(token), {200})
        begin = time.monotonic()
        act()
        while gateway.get(token).status != 401:
            self.assertLess(time.monotonic() - begin, patience + 10, "it passes still")
        took = time.monotonic() - begin
        time.sleep(0.3)
        self.assertEqual(gateway.everywhere(token), {401})
        return took


class OidcProvider(Events):
    def test_a_logout_acts_in_every_worker(self):
        """EVT-02: the logout token of oidc-provider ends what is cached of that session, and nothing else."""
        server = LogoutProvider()
        introspection = {"uri": f"{server.base}/token/introspection", "cluster": "server", "client_auth": {"client_id": "gateway", "client_secret": "gateway-secret"}}
        provider = {"issuer": server.issuer, "jwks": {"uri": f"{server.base}/jwks", "cluster": "server"}, "introspection": introspection}
        config = {"providers": {"main": provider}, "cache": CACHE, "revocation": {"events": [{"path": "/events", "audiences": ["shop"]}]}}
        with flow.Api() as upstream:
            gateway = Gateway(self.command, upstream, server.base, config)
            server.logout_uri = gateway.url("/events")
            with server, gateway:
                browser, alice = server.log_in("alice")
                _, bob = server.log_in("bob")
                flow.until(200, lambda: gateway.get(bob["access_token"]))
                took = self.ends_at_once(gateway, alice["access_token"], lambda: server.log_out(browser, alice))
                self.assertLess(took, 1.0)
                self.assertEqual(gateway.everywhere(bob["access_token"]), {200})
                self.assertEqual((gateway.counter("applied"), gateway.counter("rejected")), (1, 0))


class SharedSignals(servers.Keycloak):
    """Keycloak with its transmitter of shared signals, which is experimental."""

    more = [
        "--features=ssf",
        "--spi-ssf-transmitter--default--allow-insecure-push-targets=true",
        "--spi-ssf-transmitter--default--outbox-drainer-interval=1s",
    ]
    seconds = 600

    def client(self, name, **more):
        known = {"clientId": name, "secret": f"secret-of-{name}", "serviceAccountsEnabled": True, **more}
        return self.made("/shop/clients", known)

    def user(self, name):
        user = {"username": name, "enabled": True, "email": f"{name}@example.com", "firstName": "A", "lastName": "L", "emailVerified": True}
        return self.made("/shop/users", {**user, "credentials": [{"type": "password", "value": f"password-of-{name}", "temporary": False}]})

    def log_in(self, client, user):
        form = {"grant_type": "password", "username": user, "password": f"password-of-{user}", "scope": "openid"}
        return self.post(self.metadata()["token_endpoint"], client, f"secret-of-{client}", form).json()

    def stream(self, address, authorization):
        """A stream of events to this address; its audience."""
        token = self.post(
            self.metadata()["token_endpoint"], "receiver", "secret-of-receiver", {"grant_type": "client_credentials", "scope": "ssf.manage ssf.read"}
        ).json()["access_token"]
        delivery = {"method": "urn:ietf:rfc:8935", "endpoint_url": address, "authorization_header": authorization}
        event = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
        body = json.dumps({"delivery": delivery, "events_requested": [event]})
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        answer = servers.call("POST", f"{self.issuer}/ssf/transmitter/streams", headers, body)
        if answer.status != 201:
            raise AssertionError(f"{answer.status} {answer.text}")
        audience = answer.json()["aud"]
        return audience if isinstance(audience, list) else [audience]


class Keycloak(Events):
    def test_events_act_in_every_worker(self):
        """EVT-01, EVT-02: logout tokens and Security Event Tokens of Keycloak."""
        with flow.Api() as upstream, SharedSignals() as server:
            server.admin("PUT", "/shop", {"attributes": {"ssf.transmitterEnabled": "true"}})
            audience = {"included.client.audience": "gateway", "access.token.claim": "true", "introspection.token.claim": "true"}
            mapper = {"name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper", "config": audience}
            server.client("gateway")
            introspection = {"cluster": "server", "client_auth": {"client_id": "gateway", "client_secret": "secret-of-gateway"}}
            provider = {"preset": "keycloak", "issuer": server.issuer, "jwks": {"cluster": "server"}, "introspection": introspection}
            gateway = Gateway(self.command, upstream, server.base, {"providers": {"main": provider}})
            address = gateway.url("/events")
            logout = {"backchannel.logout.url": address, "backchannel.logout.session.required": "true"}
            server.client("shop", directAccessGrantsEnabled=True, protocolMappers=[mapper], attributes=logout)
            server.client("quiet", directAccessGrantsEnabled=True, protocolMappers=[mapper])
            receiver = {"ssf.enabled": "true", "ssf.validPushUrls": address, "ssf.defaultSubjects": "ALL"}
            server.client("receiver", attributes=receiver, optionalClientScopes=["ssf.manage", "ssf.read"])
            alice, bob = server.user("alice"), server.user("bob")
            audiences = server.stream(address, "Bearer of-the-transmitter")
            self.assertTrue(audiences[0].startswith("receiver/"), audiences)
            events = [{"path": "/events", "audiences": ["shop", *audiences]}]
            config = {"providers": {"main": provider}, "cache": CACHE, "revocation": {"events": events}}
            gateway.write(upstream, server.base, config)
            with gateway:
                other = server.log_in("quiet", "bob")["access_token"]
                flow.until(200, lambda: gateway.get(other))
                tokens = server.log_in("shop", "alice")
                end = f"{server.issuer}/protocol/openid-connect/logout"
                took = self.ends_at_once(
                    gateway, tokens["access_token"], lambda: server.post(end, "shop", "secret-of-shop", {"refresh_token": tokens["refresh_token"]})
                )
                # With the server's own time: what the workers take is measured in ring 4.
                self.assertLess(took, 5.0, "by its logout token")
                tokens = server.log_in("quiet", "alice")
                took = self.ends_at_once(gateway, tokens["access_token"], lambda: server.admin("POST", f"/shop/users/{alice}/logout", {}), patience=5)
                self.assertLess(took, 5.0, "by its Security Event Token, which it sends after a second")
                self.assertEqual(gateway.everywhere(other), {200})
                self.assertGreaterEqual(gateway.counter("applied"), 2)
                self.assertEqual(gateway.counter("rejected"), 0)
                self.assertTrue(bob)
