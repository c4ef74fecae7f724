"""AWS, Azure and GCP key services in one process, for tests that have no cloud account.

    python3 fake_kms.py FOLDER

Writes `ca.pem` and `gcp-key.b64` to FOLDER and prints the port it listens on, with TLS. Wrapping is
not encryption: a wrapped key is the key with a prefix. A key that was wrapped by the real AWS can be
unwrapped if FOLDER has a `known-keys.json`, which maps wrapped to plain keys (base64); any other
unwraps to bytes derived from it, so that the same key comes out each time.
"""

import base64
import datetime
import hashlib
import http.server
import json
import pathlib
import re
import ssl
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

NAMES = [
    "*.amazonaws.com",
    "*.us-east-1.amazonaws.com",
    "*.us-east-2.amazonaws.com",
    "*.vault.azure.net",
    "login.microsoftonline.com",
    "*.googleapis.com",
    "localhost",
]
# Where every AWS key of the tests is.
REGION = "us-east-1"

PREFIX = b"wrapped by nobody:"


def wrap(key):
    return PREFIX + key


def unwrap(wrapped, known):
    if wrapped.startswith(PREFIX):
        return wrapped[len(PREFIX) :]
    plain = known.get(base64.b64encode(wrapped).decode())
    if plain:
        return base64.b64decode(plain)
    return hashlib.sha512(wrapped).digest() + hashlib.sha256(wrapped).digest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, reply = self.answer(body)
        reply = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def answer(self, body):
        target = self.headers.get("X-Amz-Target", "")
        if target:
            return self.aws(target, json.loads(body))
        if self.path.endswith("/token"):
            return 200, {"access_token": "t", "token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600}
        request = json.loads(body)
        if "invalid" in self.path:
            return 404, {"error": {"code": "KeyNotFound", "message": "no such key"}}
        if re.search(r"/keys/.*/(un)?wrapkey", self.path, re.I):
            return self.azure(request)
        if self.path.endswith(":encrypt"):
            return 200, {"name": "k", "ciphertext": encoded(wrap(decoded(request["plaintext"])))}
        if self.path.endswith(":decrypt"):
            return 200, {"plaintext": encoded(self.plain(decoded(request["ciphertext"])))}
        return 404, {"message": f"nothing at {self.path}"}

    def aws(self, target, request):
        if self.headers.get("X-Amz-Security-Token") == "bad":
            return 403, {"__type": "UnrecognizedClientException", "message": "The security token included in the request is invalid."}
        region = self.headers["Host"].split(".")[1]
        if target.endswith("Encrypt"):
            if request["KeyId"].split(":")[3] != region:
                return 400, {"__type": "NotFoundException", "message": "Invalid keyId"}
            return 200, {"KeyId": request["KeyId"], "CiphertextBlob": encoded(wrap(decoded(request["Plaintext"])))}
        if region != REGION:
            return 400, {"__type": "InvalidCiphertextException", "message": None}
        return 200, {"KeyId": "k", "Plaintext": encoded(self.plain(decoded(request["CiphertextBlob"])))}

    def azure(self, request):
        value = decoded(request["value"])
        wrapping = "unwrapkey" not in self.path.lower()
        result = wrap(value) if wrapping else self.plain(value)
        return 200, {"kid": "k", "value": base64.urlsafe_b64encode(result).decode().rstrip("=")}

    def plain(self, wrapped):
        return unwrap(wrapped, self.server.known)

    def log_message(self, *_):
        pass


def encoded(data):
    return base64.b64encode(data).decode()


def decoded(text):
    """Standard or URL-safe base64, with or without padding."""
    text = text.replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4))


def write_certificate(folder):
    """A self-signed certificate, valid for a day."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fake key services")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(it) for it in NAMES]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    # The same key signs GCP's token requests; nobody checks that signature.
    signing = key.private_bytes(der, serialization.PrivateFormat.PKCS8, plain)
    (folder / "gcp-key.b64").write_text(encoded(signing))


def main():
    folder = pathlib.Path(sys.argv[1])
    write_certificate(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known = folder / "known-keys.json"
    server.known = json.loads(known.read_text()) if known.exists() else {}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    # Ends with the program that started it, which holds the other end of standard input.
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
