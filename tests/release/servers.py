"""An authorization server and an API for the tests, and how processes and ports are handled. Standard library only."""

import http.server
import json
import socket
import ssl
import subprocess
import threading
import urllib.parse


class Server(http.server.ThreadingHTTPServer):
    """The authorization server and the APIs in one: it remembers what it is asked. With a certificate and its key, another port has the same over TLS."""

    def __init__(self, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port, self.calls, self.requests = self.server_address[1], [], []
        self.secure = Secure(self, *certificate) if certificate else None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def shutdown(self):
        if self.secure:
            self.secure.shutdown()
        super().shutdown()


class Secure(http.server.ThreadingHTTPServer):
    """The same as another server, over TLS."""

    def __init__(self, plain, certificate, key):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port, self.calls, self.requests = self.server_address[1], plain.calls, plain.requests
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        is_tls = isinstance(self.connection, ssl.SSLSocket)
        if self.path == "/introspect":
            self.headers["x-tls"] = "yes" if is_tls else "no"
            self.server.calls.append(self.headers)
            scope, client = TOKENS.get(urllib.parse.parse_qs(body).get("token", [""])[0], (None, None))
            reply = {"active": True, "scope": scope, "client_id": client, "exp": 4000000000} if scope else {"active": False}
        else:
            self.server.requests.append(f"tls {self.path}" if is_tls else self.path)
            reply = {"path": self.path}
        content = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


# Each with its scopes and its client.
TOKENS = {"good": ("orders", "app"), "all": ("orders stock reports", "other")}


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False
