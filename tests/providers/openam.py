"""OpenAM 14 (Open Identity Platform) in Tomcat, with its embedded directory: minutes to start, so not for every run."""

import contextlib
import json
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

from servers import KEPT, Server, call, java_home, maven, stack

VERSION = "14.8.4"
TOMCAT = "9.0.98"
PASSWORD = "admin-password-1"
OPENED = ["lang", "util", "net", "io", "text", "util.concurrent"]
EXPORTED = ["java.base/sun.security.x509", "java.base/sun.security.tools.keytool", "java.base/sun.security.util"]
EXPORTED += ["java.xml/com.sun.org.apache.xerces.internal.dom"]


class OpenAM(Server):
    """OpenAM, from Maven Central. What it does not publish, its preset knows."""

    name = "OpenAM"
    seconds = 600
    deletes = False
    # Any access token opens registration; this client's own will do.
    registrar = "registrar"
    secret = "secret-of-the-registrar"

    def __init__(self):
        super().__init__()
        self.issuer = f"{self.base}/openam/oauth2"

    def start(self):
        tomcat, home = self.directory / "tomcat", self.directory / "home"
        with tarfile.open(fetched(f"org.apache.tomcat:tomcat:{TOMCAT}:tar.gz", f"tomcat-{TOMCAT}.tar.gz")) as packed:
            packed.extractall(self.directory, filter="data")
        (self.directory / f"apache-tomcat-{TOMCAT}").rename(tomcat)
        unpack(fetched(f"org.openidentityplatform.openam:openam-server:{VERSION}:war", f"openam-server-{VERSION}.war"), tomcat / "webapps/openam")
        server = tomcat / "conf/server.xml"
        text = server.read_text().replace('<Server port="8005"', '<Server port="-1"')
        server.write_text(text.replace('<Connector port="8080"', f'<Connector address="127.0.0.1" port="{self.port}"'))
        home.mkdir()
        options = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPENED]
        options += [f"--add-exports={package}=ALL-UNNAMED" for package in EXPORTED]
        options += ["--add-opens=java.management/sun.management=ALL-UNNAMED", f"-Duser.home={home}", f"-Dcom.iplanet.services.configpath={home}/openam"]
        self.spawn(
            [str(tomcat / "bin/catalina.sh"), "run"],
            tomcat,
            JAVA_HOME=java_home(),
            CATALINA_OPTS=" ".join(["-Xmx1g", "-XX:TieredStopAtLevel=1", "-Djava.security.egd=file:/dev/urandom", *options]),
        )

    def ready(self):
        with contextlib.suppress(OSError):
            return call("GET", f"{self.base}/openam/config/options.htm", timeout=120).status == 200
        return False

    def set_up(self):
        self.configure()
        template = self.admin("POST", "/realm-config/services/oauth-oidc?_action=template", {})
        template["advancedOAuth2Config"]["supportedScopes"] = ["orders:read", "openid"]
        template["coreOAuth2Config"]["accessTokenLifetime"] = 600
        self.admin("POST", "/realm-config/services/oauth-oidc?_action=create", template)
        own = "com.forgerock.openam.oauth2provider"
        client = {
            "userpassword": self.secret,
            "sunIdentityServerDeviceStatus": "Active",
            f"{own}.clientType": "Confidential",
            f"{own}.scopes": ["[0]=orders:read"],
            f"{own}.tokenEndPointAuthMethod": "client_secret_basic",
        }
        self.admin("PUT", f"/realm-config/agents/OAuth2Client/{self.registrar}", client)

    def configure(self):
        """OpenAM's own silent installation."""
        tool = self.directory / "configurator"
        unpack(
            fetched(
                f"org.openidentityplatform.openam:openam-distribution-ssoconfiguratortools:{VERSION}:zip",
                f"openam-distribution-ssoconfiguratortools-{VERSION}.zip",
            ),
            tool,
        )
        directory, administration, jmx = stack.free_ports(3)
        properties = {
            "SERVER_URL": self.base,
            "DEPLOYMENT_URI": "/openam",
            "BASE_DIR": self.directory / "home/openam",
            "locale": "en_US",
            "PLATFORM_LOCALE": "en_US",
            "AM_ENC_KEY": "",
            "ADMIN_PWD": PASSWORD,
            "AMLDAPUSERPASSWD": PASSWORD + "-agent",
            "COOKIE_DOMAIN": "",
            "ACCEPT_LICENSES": "true",
            "DATA_STORE": "embedded",
            "DIRECTORY_SSL": "SIMPLE",
            "DIRECTORY_SERVER": "127.0.0.1",
            "DIRECTORY_PORT": directory,
            "DIRECTORY_ADMIN_PORT": administration,
            "DIRECTORY_JMX_PORT": jmx,
            "ROOT_SUFFIX": "dc=openam,dc=example,dc=com",
            "DS_DIRMGRDN": "cn=Directory Manager",
            "DS_DIRMGRPASSWD": PASSWORD,
        }
        file = tool / "installation.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        java = Path(java_home()) / "bin/java"
        ran = subprocess.run(
            [java, "-jar", tool / f"openam-configurator-tool-{VERSION}.jar", "--file", file],
            env=os.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=self.seconds,
        )
        if ran.returncode != 0:
            raise stack.DemoError("OpenAM could not be installed." + stack.last_lines(ran.stdout, 20))

    def admin(self, method, path, body):
        """One call of its REST API, as its administrator."""
        version = {"accept-api-version": "resource=2.0, protocol=1.0", "content-type": "application/json"}
        signed_in = call(
            "POST",
            f"{self.base}/openam/json/authenticate",
            {**version, "x-openam-username": "amadmin", "x-openam-password": PASSWORD},
            "{}",
            timeout=120,
        )
        headers = {"iplanetdirectorypro": signed_in.json()["tokenId"], "accept-api-version": "protocol=1.0,resource=1.0"}
        headers["content-type"] = "application/json"
        if method == "PUT":
            headers["if-none-match"] = "*"  # a new one
        answer = call(method, f"{self.base}/openam/json{path}", headers, json.dumps(body), timeout=120)
        if answer.status >= 300:
            raise stack.DemoError(f"OpenAM: {method} {path}: {answer.status} {answer.text}")
        return answer.json()

    def metadata(self):
        """What it publishes, and the two endpoints that it does not."""
        more = {"introspection_endpoint": f"{self.issuer}/introspect", "revocation_endpoint": f"{self.issuer}/token/revoke"}
        return {**super().metadata(), **more}

    def initial_access_token(self):
        return self.token(self.registrar, self.secret, "orders:read").json()["access_token"]


def fetched(artifact, name):
    """A file from Maven Central, fetched once."""
    if not (KEPT / name).is_file():
        KEPT.mkdir(parents=True, exist_ok=True)
        maven("dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={KEPT}")
    return KEPT / name


def unpack(archive, directory):
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(directory)
