"""An authorization server and an API for the tests, and how processes and ports are handled. Standard library only."""

import http.server
import json
import socket
import subprocess
import threading
import urllib.parse


class Server(http.server.ThreadingHTTPServer):
    """The authorization server and the APIs in one: it remembers what it is asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port, self.calls, self.requests = self.server_address[1], [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        if self.path == "/introspect":
            self.server.calls.append(self.headers)
            is_good = urllib.parse.parse_qs(body).get("token") == ["good"]
            reply = {"active": is_good, "scope": "orders", "client_id": "app", "exp": 4000000000} if is_good else {"active": False}
        else:
            self.server.requests.append(self.path)
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
