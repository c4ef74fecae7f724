"""AWS, Azure and GCP key services in this process, for tests that have no cloud account.

Wrapping is not encryption: a wrapped key is the key with a prefix. A key that a real service has
wrapped unwraps to what `known` says, or to bytes derived from it, so that it is the same each time.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import ssl
import threading

# What a certificate for all of them names.
HOSTS = [
    "*.us-east-1.amazonaws.com",
    "*.us-east-2.amazonaws.com",
    "*.vault.azure.net",
    "login.microsoftonline.com",
    "*.googleapis.com",
]
# Where every AWS key of the tests is.
REGION = "us-east-1"
PREFIX = b"wrapped by nobody:"


@contextlib.contextmanager
def serving(handler, certificate, client_authority=None, known=None):
    """A server with TLS on a port of its own, which it gives."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.known = known or {}
    server.failures = {"network": 0, "http": 0}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if client_authority:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_authority)
    # The handshake is left to the connection's thread: one that fails must not stop the others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wrap(key):
    return PREFIX + key


def unwrap(wrapped, known=()):
    if wrapped.startswith(PREFIX):
        return wrapped[len(PREFIX) :]
    if wrapped in known:
        return known[wrapped]
    return hashlib.sha512(wrapped).digest() + hashlib.sha256(wrapped).digest()


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.reply(*self.answer(body))

    def reply(self, status, content):
        if not isinstance(content, str):
            content = json.dumps(content)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *_):
        pass


class Useless(Quiet):
    """What is behind TLS when only TLS is tested."""

    def answer(self, _):
        if "X-Amz-Target" in self.headers:
            return 200, "nothing to parse"
        return 404, {"error": "nothing here"}


class Clouds(Quiet):
    # What Google gives access tokens for; its answer to anything else has none.
    scope = "https://www.googleapis.com/auth/cloudkms"

    def answer(self, body):
        if "X-Amz-Target" in self.headers:
            return self.aws(json.loads(body))
        if self.path.endswith("/token"):
            return 200, self.token(body.decode())
        request = json.loads(body)
        if "invalid" in self.headers["Host"] + self.path:
            return 404, {"error": {"code": "KeyNotFound", "message": "no such key"}}
        if re.search(r"/keys/.*/wrapkey", self.path, re.I):
            return 200, {"kid": "k", "value": url_safe(wrap(decoded(request["value"])))}
        if re.search(r"/keys/.*/unwrapkey", self.path, re.I):
            return 200, {"kid": "k", "value": url_safe(self.plain(request["value"]))}
        if self.path.endswith(":encrypt"):
            return 200, {"name": "k", "ciphertext": encoded(wrap(decoded(request["plaintext"])))}
        if self.path.endswith(":decrypt"):
            return 200, {"plaintext": encoded(self.plain(request["ciphertext"]))}
        return 404, {"message": f"nothing at {self.path}"}

    def aws(self, request):
        if self.headers.get("X-Amz-Security-Token") == "bad":
            message = "The security token included in the request is invalid."
            return 403, {"__type": "UnrecognizedClientException", "message": message}
        host = self.headers["Host"]
        if "amazonaws.com" in host and host.split(".")[1] != REGION:
            return 400, {"__type": "NotFoundException", "message": "Invalid keyId"}
        if self.headers["X-Amz-Target"].endswith("Encrypt"):
            blob = encoded(wrap(decoded(request["Plaintext"])))
            return 200, {"KeyId": request["KeyId"], "CiphertextBlob": blob}
        return 200, {"KeyId": "k", "Plaintext": encoded(self.plain(request["CiphertextBlob"]))}

    def token(self, form):
        assertion = re.search(r"assertion=[^.]*\.([^.&]*)", form)
        if self.scope and assertion and json.loads(decoded(assertion[1]))["scope"] != self.scope:
            return {"id_token": "t"}
        return {"access_token": "t", "token_type": "Bearer", "expires_in": 3600}

    def plain(self, wrapped):
        return unwrap(decoded(wrapped), self.server.known)


class Failing(Clouds):
    """Fails as often as it was told to: `POST /set_failpoint/network` or `/http` with a count."""

    scope = None

    def do_POST(self):
        if not self.path.startswith(("/reset", "/set_failpoint/")):
            return super().do_POST()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/reset":
            self.server.failures = dict.fromkeys(self.server.failures, 0)
        else:
            self.server.failures[self.path.rsplit("/", 1)[1]] = json.loads(body)["count"]
        self.reply(200, {})

    def answer(self, body):
        if self.fails("network"):
            raise ConnectionAbortedError
        if self.fails("http"):
            return 429, ""
        return super().answer(body)

    def fails(self, how):
        if self.server.failures[how] == 0:
            return False
        self.server.failures[how] -= 1
        return True


def encoded(data):
    return base64.b64encode(data).decode()


def url_safe(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text):
    """Standard or URL-safe base64, with or without padding."""
    text = text.replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4))
