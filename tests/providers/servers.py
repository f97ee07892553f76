"""Real authorization servers on free ports of 127.0.0.1: fetched by package managers, kept below target/providers.

Each is a context manager; whatever happens, no process outlives it. `Missing` says what a server needs and this
machine does not have.
"""

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "envoy/demo"))

import stack  # noqa: E402
from stack import call  # noqa: E402

KEPT = Path(os.environ.get("TOLLGATE_PROVIDERS_DIR") or ROOT / "target/providers")
TLS = ROOT / "tests/demo/tls"
# Of a server, and of a client where one is asked for: the certificate and its key.
CERTIFICATE = (TLS / "server.pem", TLS / "server-key.pem")
KEYCLOAK_VERSION = "26.7.3"
SPRING_JAR = "authorization-server.jar"


class Missing(Exception):
    """What this machine does not have, in a sentence."""


class Server:
    """A process that serves OAuth, and what its operator can do there."""

    name = "?"
    seconds = 60  # until it is ready, on a slow and busy machine
    # What the command wants to be told when a client is registered, besides the issuer and the credential.
    register = []
    # How the server removes a client: by RFC 7592, or by its operator alone.
    deletes = True
    # Whether a deleted client's tokens end with it; where not, they last until they expire or are revoked.
    ends_tokens = True

    def __init__(self):
        self.port = stack.free_ports(1)[0]
        self.base = f"http://127.0.0.1:{self.port}"
        self.issuer = self.base
        self.process = None
        self.directory = Path(tempfile.mkdtemp(prefix="tollgate-provider-"))
        self.log = self.directory / "log"

    def __enter__(self):
        try:
            self.start()
            self.wait_until_ready()
            self.set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            end_group(self.process)
            self.process = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def spawn(self, command, directory, **environment):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, **{key: str(value) for key, value in environment.items()}},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_ready(self):
        deadline = time.monotonic() + self.seconds
        while not self.ready():
            if self.process.poll() is not None:
                raise stack.DemoError(f"{self.name} has ended by itself." + stack.last_lines(self.log.read_text(errors="replace")))
            if time.monotonic() > deadline:
                raise stack.DemoError(f"{self.name} was not ready within {self.seconds} seconds." + stack.last_lines(self.log.read_text(errors="replace")))
            time.sleep(0.1)

    def ready(self):
        with contextlib.suppress(OSError):
            return call("GET", f"{self.issuer}/.well-known/openid-configuration").status == 200
        return False

    def set_up(self):
        """What its operator clicks before anybody registers."""

    def let_ask(self, gateway_id):
        """What its operator clicks so that this client may ask about the tokens of others."""

    def remove(self, client_id):
        """What its operator clicks to remove a client, where the command cannot."""
        raise NotImplementedError

    # --- what an application does there -----------------------------------------------------------------------------

    def metadata(self):
        return call("GET", f"{self.issuer}/.well-known/openid-configuration").json()

    def token(self, client_id, secret, scope=None):
        """A new access token, by the client credentials grant; or the refusal."""
        form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        return self.post(self.metadata()["token_endpoint"], client_id, secret, form)

    def revoke(self, client_id, secret, token):
        return self.post(self.metadata()["revocation_endpoint"], client_id, secret, {"token": token})

    def post(self, url, client_id, secret, form):
        quoted = [urllib.parse.quote_plus(part) for part in (client_id, secret)]
        basic = base64.b64encode(":".join(quoted).encode()).decode()
        headers = {"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded"}
        return call("POST", url, headers, urllib.parse.urlencode(form), timeout=60)


class OidcProvider(Server):
    """oidc-provider, from npm."""

    name = "oidc-provider"
    ends_tokens = False
    initial = "initial-access-token-of-the-tests"

    def start(self):
        stack.find_node()
        stack.npm_ci(HERE / "oidc-provider")
        self.spawn(["node", "server.mjs"], HERE / "oidc-provider", PORT=self.port, ISSUER=self.issuer, INITIAL_ACCESS_TOKEN=self.initial)

    def initial_access_token(self):
        return self.initial


class Keycloak(Server):
    """Keycloak, from Maven Central, with a realm `shop` of its own, all in memory."""

    name = "Keycloak"
    seconds = 300
    # Further options of its start.
    more = []

    def __init__(self):
        super().__init__()
        self.issuer = f"{self.base}/realms/shop"
        self.admin_password = "admin-password-of-the-tests"
        self.tls_port = stack.free_ports(1)[0]

    def start(self):
        home = keycloak_home()
        self.spawn(
            [str(home / "bin/kc.sh"), "start-dev", "--db=dev-mem", "--http-host=127.0.0.1", f"--http-port={self.port}"]
            + ["--http-management-port=" + str(stack.free_ports(1)[0]), "--hostname=" + self.base]
            + [f"--https-port={self.tls_port}", "--https-client-auth=request", f"--truststore-paths={TLS / 'ca.pem'}"]
            + [f"--https-trust-store-file={TLS / 'ca.pem'}", f"--https-certificate-file={CERTIFICATE[0]}", f"--https-certificate-key-file={CERTIFICATE[1]}"]
            + self.more,
            home,
            JAVA_HOME=java_home(),
            JAVA_OPTS_KC_HEAP="-Xms128m -Xmx512m",
            KC_BOOTSTRAP_ADMIN_USERNAME="admin",
            KC_BOOTSTRAP_ADMIN_PASSWORD=self.admin_password,
        )

    def ready(self):
        with contextlib.suppress(OSError):
            return call("GET", f"{self.base}/realms/master/.well-known/openid-configuration").status == 200
        return False

    def set_up(self):
        self.admin("POST", "", {"realm": "shop", "enabled": True, "accessTokenLifespan": 600})
        self.scope = self.made("/shop/client-scopes", {"name": "orders:read", "protocol": "openid-connect", "attributes": {"include.in.token.scope": "true"}})
        # The policy "Allowed Client Scopes" lets a client register with the realm's own scopes alone.
        self.admin("PUT", f"/shop/default-optional-client-scopes/{self.scope}", {})

    def initial_access_token(self):
        return self.admin("POST", "/shop/clients-initial-access", {"count": 1, "expiration": 300}).json()["token"]

    def let_ask(self, gateway_id):
        """The scope puts the gateway into the audience: only who is in it is told about a token."""
        mapper = {
            "name": "the gateway may ask",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": {"included.client.audience": gateway_id, "access.token.claim": "true", "introspection.token.claim": "true"},
        }
        self.admin("POST", f"/shop/client-scopes/{self.scope}/protocol-mappers/models", mapper)

    def made(self, path, body):
        """The identifier of what was made."""
        return self.admin("POST", path, body).header("location").rsplit("/", 1)[-1]

    def admin(self, method, path, body):
        """One call of the admin REST API; its token lasts a minute."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": self.admin_password}
        token_endpoint = f"{self.base}/realms/master/protocol/openid-connect/token"
        signed_in = call("POST", token_endpoint, {"content-type": "application/x-www-form-urlencoded"}, urllib.parse.urlencode(form), timeout=60)
        headers = {"authorization": f"Bearer {signed_in.json()['access_token']}", "content-type": "application/json"}
        answer = call(method, f"{self.base}/admin/realms{path}", headers, json.dumps(body), timeout=60)
        if answer.status >= 300:
            raise stack.DemoError(f"Keycloak: {method} {path}: {answer.status} {answer.text}")
        return answer


class Spring(Server):
    """Spring Authorization Server, as a small application that Maven builds."""

    name = "Spring Authorization Server"
    seconds = 120
    register = ["--grant-type", "client_credentials", "--grant-type", "authorization_code", "--redirect-uri", "http://127.0.0.1:9/callback"]
    deletes = False
    secret = "secret-of-the-registrar"

    def start(self):
        self.spawn(
            [str(Path(java_home()) / "bin/java"), "-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar", str(spring_jar())],
            self.directory,
            PORT=self.port,
            ISSUER=self.issuer,
            REGISTRAR_SECRET=self.secret,
        )

    def initial_access_token(self):
        """Good for one client."""
        return self.token("registrar", self.secret, "client.create").json()["access_token"]


def call_over_tls(method, url, headers=None, body=None, certificate=None):
    """One request over TLS, to whoever answers; with a client certificate, or without one."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*certificate)
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=15, context=context)
    try:
        connection.request(method, parts.path, body, headers or {})
        response = connection.getresponse()
        return stack.Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


# --- what has to be there -------------------------------------------------------------------------------------------


def java_home():
    """The JDK: $JAVA_HOME, or the one on the PATH; 17 or newer."""
    given = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{given}/bin" if given else None)
    if not java:
        raise Missing("Java is missing: install a JDK, 17 or newer, or set JAVA_HOME to one.")
    told = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    major = re.search(r'version "(\d+)', told)
    if not major or int(major.group(1)) < 17:
        raise Missing(f"Java is too old ({told.splitlines()[0] if told else 'it says no version'}): install a JDK, 17 or newer.")
    home = Path(java).resolve().parent.parent
    if not (home / "bin/javac").exists():
        raise Missing(f"{home} is a Java without a compiler: install a JDK, 17 or newer.")
    return str(home)


def maven(*arguments, cwd=HERE):
    """Runs Maven, quietly; what it says is shown if it fails."""
    if not shutil.which("mvn"):
        raise Missing("Maven is missing: install Maven 3.8 or newer (`mvn`).")
    ran = subprocess.run(
        ["mvn", "--quiet", "--batch-mode", *arguments],
        cwd=cwd,
        env={**os.environ, "JAVA_HOME": java_home()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ran.returncode != 0:
        raise stack.DemoError(f"mvn {arguments[0]} failed: is the repository it is set up for reachable?" + stack.last_lines(ran.stdout))


def keycloak_home():
    """Keycloak, unpacked; its first start prepares the tree, later ones find it prepared."""
    java_home()
    home = KEPT / f"keycloak-{KEYCLOAK_VERSION}"
    if home.is_dir():
        return home
    KEPT.mkdir(parents=True, exist_ok=True)
    archive = KEPT / f"keycloak-quarkus-dist-{KEYCLOAK_VERSION}.zip"
    if not archive.is_file():
        maven("dependency:copy", f"-Dartifact=org.keycloak:keycloak-quarkus-dist:{KEYCLOAK_VERSION}:zip", f"-DoutputDirectory={KEPT}")
    with tempfile.TemporaryDirectory(dir=KEPT) as fresh:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(fresh)
        (Path(fresh) / home.name / "bin/kc.sh").chmod(0o755)
        (Path(fresh) / home.name).rename(home)
    archive.unlink()
    return home


def spring_jar():
    """Our small application, built unless it is newer than its sources."""
    java_home()
    sources = [HERE / "spring/pom.xml", *(HERE / "spring/src").rglob("*.*")]
    built = KEPT / "spring" / SPRING_JAR
    if not built.is_file() or any(source.stat().st_mtime > built.stat().st_mtime for source in sources):
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(HERE / "spring", copy, dirs_exist_ok=True)
            maven("package", "-DskipTests", cwd=copy)
            built.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(copy) / "target" / SPRING_JAR, built)
    return built


def end_group(process):
    """Ends a process and those that it has started; each server is the leader of a session of its own."""
    for how, patience in ((signal.SIGTERM, 40), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return
