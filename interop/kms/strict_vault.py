"""HashiCorp Vault: KV v2, Transit, AppRole and tokens with policies, as strict as the published API.

A request that the API does not describe is answered with 400 and kept in `violations`. Transit
really encrypts (AES-GCM, with versions of the key), and a token may do what its policy says.

Source: HashiCorp, "HTTP API", "KV secrets engine - version 2", "Transit secrets engine", "AppRole
auth method".
"""

import base64
import json
import os
import re
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kms import strict_fakes


class Refusal(strict_fakes.Refusal):
    def __init__(self, status, *errors):
        super().__init__(status, {"errors": list(errors)})


class Vault(strict_fakes.Fake):
    """One namespace with an engine of each kind at its usual mount, and one application's role."""

    def __init__(self):
        super().__init__()
        self.sealed = False
        self.namespace = "team"
        self.role_id, self.secret_id = secrets.token_hex(18), secrets.token_hex(18)
        self.seen = [self.secret_id.encode()]
        self._tokens = {}
        self._secrets = {}
        self._keys = {}
        self.policies = {
            "app": {("GET", "secret/data/fieldveil"), ("POST", "transit/decrypt/fieldveil")},
            "operator": {
                ("GET", "secret/data/fieldveil"),
                ("POST", "secret/data/fieldveil"),
                ("POST", "transit/encrypt/fieldveil"),
                ("POST", "transit/decrypt/fieldveil"),
                ("GET", "secret/data/missing"),
            },
        }

    def token(self, policy):
        token = "hvs." + secrets.token_urlsafe(60)
        self._tokens[token] = policy
        self.seen.append(token.encode())
        return token

    def revoke(self, token):
        del self._tokens[token]

    def rotate(self, name):
        """Makes a key of Transit, or a new version of it."""
        self._keys.setdefault(name, []).append(AESGCM(AESGCM.generate_key(256)))

    def put(self, path, fields):
        """A new version of a secret, as an operator would write it."""
        self._secrets.setdefault(path, []).append(fields)

    @staticmethod
    def fault(what):
        return {"errors": [what]}

    def serve(self, request):
        path, _, query = request.target.partition("?")
        self.demand(path.startswith("/v1/"), f"path {path}")
        path = path.removeprefix("/v1/")
        self.demand(request.headers.get("x-vault-request") == "true", "X-Vault-Request")
        self.demand(request.headers.get("content-length") == str(len(request.body)), "length")
        self.demand(request.method in ("GET", "POST"), f"method {request.method}")
        if self.sealed:
            raise Refusal(503, "Vault is sealed")
        if request.headers.get("x-vault-namespace") != self.namespace:
            raise Refusal(404, "no handler for route")
        if path == "auth/approle/login":
            return self.login(request)
        policy = self._tokens.get(request.headers.get("x-vault-token"))
        if (request.method, path) not in self.policies.get(policy, ()):
            raise Refusal(403, "permission denied")
        if found := re.fullmatch(r"secret/data/([a-z/]+)", path):
            return self.kv(request, found[1], query)
        found = re.fullmatch(r"transit/(encrypt|decrypt)/([a-z]+)", path)
        self.demand(found and request.method == "POST" and not query, f"path {path}")
        return self.transit(request, *found.groups())

    def login(self, request):
        self.demand(request.method == "POST" and "x-vault-token" not in request.headers, "a login")
        fields = self.json(request, "role_id", "secret_id")
        if (fields["role_id"], fields["secret_id"]) != (self.role_id, self.secret_id):
            raise Refusal(400, "invalid role or secret ID")
        token = self.token("app")
        auth = {"client_token": token, "accessor": "a", "policies": ["app"], "lease_duration": 1200, "renewable": True}
        return frame(auth=auth)

    def kv(self, request, path, query):
        versions = self._secrets.setdefault(path, [])
        if request.method == "POST":
            fields = self.json(request, "options", "data")
            self.demand(set(fields["options"]) == {"cas"} and isinstance(fields["data"], dict), "options, data")
            if fields["options"]["cas"] != len(versions):
                raise Refusal(400, "check-and-set parameter did not match the current version")
            versions.append(fields["data"])
            self.seen.extend(base64.b64decode(value) for value in fields["data"].values())
            return frame(metadata(len(versions)))
        self.demand(not request.body and "content-type" not in request.headers, "a body")
        self.demand(re.fullmatch(r"(version=[1-9][0-9]*)?", query), f"query {query}")
        version = int(query.removeprefix("version=") or len(versions))
        if not 0 < version <= len(versions):
            raise Refusal(404)
        return frame({"data": versions[version - 1], "metadata": metadata(version)})

    def transit(self, request, verb, name):
        versions = self._keys.get(name)
        if not versions:
            raise Refusal(400, "encryption key not found")
        if verb == "encrypt":
            plain = self.base64(self.json(request, "plaintext")["plaintext"])
            self.seen.append(plain)
            nonce = os.urandom(12)
            sealed = base64.b64encode(nonce + versions[-1].encrypt(nonce, plain, None)).decode()
            return frame({"ciphertext": f"vault:v{len(versions)}:{sealed}", "key_version": len(versions)})
        text = self.json(request, "ciphertext")["ciphertext"]
        found = re.fullmatch(r"vault:v([1-9][0-9]*):([A-Za-z0-9+/=]+)", text)
        if not found or int(found[1]) > len(versions):
            raise Refusal(400, "invalid ciphertext: no prefix")
        sealed = self.base64(found[2])
        try:
            plain = versions[int(found[1]) - 1].decrypt(sealed[:12], sealed[12:], None)
        except InvalidTag:
            raise Refusal(400, "cipher: message authentication failed") from None
        return frame({"plaintext": base64.b64encode(plain).decode()})

    def json(self, request, *names):
        self.demand(request.headers.get("content-type") == "application/json", "content type")
        try:
            fields = json.loads(request.body)
        except ValueError:
            fields = None
        self.demand(isinstance(fields, dict) and set(fields) == set(names), "fields of the body")
        return fields


def frame(data=None, auth=None):
    return {
        "request_id": "r",
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": None,
        "auth": auth,
    }


def metadata(version):
    return {
        "created_time": "2026-11-24T00:00:00.0Z",
        "custom_metadata": None,
        "deletion_time": "",
        "destroyed": False,
        "version": version,
    }
