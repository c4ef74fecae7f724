"""Azure Key Vault and Google Cloud KMS with their token services, as strict as the published API.

A request that the API does not describe is answered with 400 and kept in `violations`: wrong host,
path, version, content type, a field too many. Keys are really wrapped
(RSA-OAEP-256, AES-GCM), tokens really expire, and assertions are really verified.

Sources: Microsoft, "Key Vault REST API", wrapKey and unwrapKey, and "OAuth 2.0 client credentials
flow"; Google, "Cloud KMS API", cryptoKeys.encrypt and decrypt, and "Using OAuth 2.0 for server to
server applications".
"""

import base64
import binascii
import json
import os
import re
import secrets
import time
import urllib.parse
import uuid

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kms.loose_fakes import decoded, encoded, url_safe
from kms.front import reply

DATA_KEY_BYTES = 96
CLOCK_SKEW_SECONDS = 300


class Refusal(Exception):
    """What the service answers instead of doing what was asked."""

    def __init__(self, status, body):
        super().__init__(status, body)
        self.status, self.body = status, body


class Fake:
    """What strict fakes share: they know each fault of a request, and each secret that came by.

    `serve` answers a request with JSON; `fault` is the body that refuses one.
    """

    def __init__(self):
        self.violations = []
        # Tokens and unwrapped keys.
        self.seen = []

    def answer(self, request):
        try:
            return reply(200, self.serve(request))
        except Refusal as refusal:
            return reply(refusal.status, refusal.body)

    def demand(self, holds, what):
        if not holds:
            self.violations.append(what)
            raise Refusal(400, self.fault(what))

    def base64(self, text):
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, TypeError):
            self.demand(False, "base64")


class Service(Fake):
    """What both clouds share: tokens, and the check of what every request must have."""

    def __init__(self):
        super().__init__()
        self.token_requests = 0
        # How long new tokens live.
        self.lifetime = 3600
        self._tokens = {}

    @staticmethod
    def fault(what):
        return error("BadParameter", what)

    def revoke(self):
        """Takes no token any more that was given out so far."""
        self._tokens.clear()

    def new_token(self):
        self.token_requests += 1
        token = secrets.token_urlsafe(48)
        self._tokens[token] = time.monotonic() + self.lifetime
        self.seen.append(token.encode())
        return token

    def has_token(self, request):
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        self.demand(scheme == "Bearer" and token, "no bearer token")
        return self._tokens.get(token, 0) > time.monotonic()

    def form(self, request, *names):
        """The fields of a form, which must be these."""
        self.demand(
            request.headers.get("content-type") == "application/x-www-form-urlencoded",
            "a token request is a form",
        )
        try:
            pairs = urllib.parse.parse_qsl(request.body.decode("ascii"), strict_parsing=True)
        except ValueError:
            pairs = []
        fields = dict(pairs)
        self.demand(len(pairs) == len(fields) and set(fields) == set(names), f"fields {list(fields)}")
        return fields

    def json(self, request, *names):
        """The fields of a JSON body, which must be these and texts."""
        content_type = request.headers.get("content-type", "").partition(";")[0]
        self.demand(content_type == "application/json", "content type")
        try:
            fields = json.loads(request.body)
        except ValueError:
            fields = None
        self.demand(isinstance(fields, dict) and set(fields) == set(names), "fields of the body")
        self.demand(all(isinstance(value, str) for value in fields.values()), "texts only")
        return fields

    def check_frame(self, request):
        self.demand(request.method == "POST", "method")
        self.demand(request.headers.get("content-length") == str(len(request.body)), "length")
        self.demand("transfer-encoding" not in request.headers, "transfer encoding")


class Azure(Service):
    """One key vault with one RSA key, and the identity platform of one application."""

    VAULT = "interop.vault.azure.net"
    LOGIN = "login.microsoftonline.com"
    KEY = "fieldveil"
    API_VERSIONS = {"7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01"}

    def __init__(self):
        super().__init__()
        self.tenant, self.client = str(uuid.uuid4()), str(uuid.uuid4())
        self.secret = secrets.token_urlsafe(30)
        # A second one, with characters that a form must escape. PyMongo's C library does not.
        self.odd_secret = secrets.token_urlsafe(24) + "~.&=+ %"
        self.versions = []
        self.rotate()

    def rotate(self):
        """Makes a new version of the key the current one."""
        version = secrets.token_hex(16)
        self.versions.append((version, rsa.generate_private_key(65537, 2048)))
        return version

    def serve(self, request):
        self.check_frame(request)
        if request.headers.get("host") == self.LOGIN:
            return self.token(request)
        self.demand(request.headers.get("host") == self.VAULT, f"host {request.headers.get('host')}")
        url = urllib.parse.urlsplit(request.target)
        query = dict(urllib.parse.parse_qsl(url.query))
        self.demand(set(query) == {"api-version"}, "query")
        self.demand(query["api-version"] in self.API_VERSIONS, "api-version")
        found = re.fullmatch(r"/keys/([0-9A-Za-z-]{1,127})/([0-9a-f]*)/(wrapkey|unwrapkey)", url.path)
        self.demand(found, f"path {url.path}")
        name, version, verb = found.groups()
        if not self.has_token(request):
            raise Refusal(401, error("Unauthorized", "[TokenExpired] Error validating token: 'S2S12086'."))
        if name != self.KEY:
            raise Refusal(404, error("KeyNotFound", f"A key with (name/id) {name} was not found in this key vault."))
        return self.operate(request, version or self.versions[-1][0], verb)

    def operate(self, request, version, verb):
        key = dict(self.versions).get(version)
        if key is None:
            raise Refusal(404, error("KeyNotFound", f"A key with (name/id) {self.KEY}/{version} was not found."))
        fields = self.json(request, "alg", "value")
        self.demand(fields["alg"] == "RSA-OAEP-256", "alg")
        self.demand(re.fullmatch(r"[A-Za-z0-9_-]+=*", fields["value"]), "value is base64url")
        value = decoded(fields["value"])
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        if verb == "wrapkey":
            self.demand(len(value) == DATA_KEY_BYTES, "length of a data key")
            self.seen.append(value)
            result = key.public_key().encrypt(value, oaep)
        else:
            try:
                result = key.decrypt(value, oaep)
            except ValueError:
                raise Refusal(400, error("BadParameter", "The parameter is incorrect.")) from None
            self.seen.append(result)
        return {"kid": f"https://{self.VAULT}/keys/{self.KEY}/{version}", "value": url_safe(result)}

    def token(self, request):
        self.demand(request.target == f"/{self.tenant}/oauth2/v2.0/token", f"path {request.target}")
        fields = self.form(request, "client_id", "scope", "client_secret", "grant_type")
        self.demand(fields["grant_type"] == "client_credentials", "grant_type")
        self.demand(fields["scope"] == "https://vault.azure.net/.default", f"scope {fields['scope']}")
        if fields["client_id"] != self.client:
            raise Refusal(400, {"error": "unauthorized_client", "error_description": "AADSTS700016: no such application"})
        if fields["client_secret"] not in (self.secret, self.odd_secret):
            raise Refusal(401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."})
        return {
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "ext_expires_in": self.lifetime,
            "access_token": self.new_token(),
        }


class Gcp(Service):
    """One key of Cloud KMS, and the token service of one service account."""

    TOKENS = "oauth2.googleapis.com"
    KMS = "cloudkms.googleapis.com"
    KEY = {"projectId": "interop", "location": "europe-west3", "keyRing": "ring", "keyName": "master"}
    NAME = "projects/interop/locations/europe-west3/keyRings/ring/cryptoKeys/master"

    def __init__(self):
        super().__init__()
        self.email = "app@interop.iam.gserviceaccount.com"
        self.account = rsa.generate_private_key(65537, 2048)
        self._key = AESGCM(AESGCM.generate_key(256))

    def private_key(self, encoding):
        return self.account.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def serve(self, request):
        self.check_frame(request)
        if request.headers.get("host") == self.TOKENS:
            return self.token(request)
        self.demand(request.headers.get("host") == self.KMS, f"host {request.headers.get('host')}")
        found = re.fullmatch(r"/v1/(projects/[^:]+?)(/cryptoKeyVersions/[0-9]+)?:(encrypt|decrypt)", request.target)
        self.demand(found, f"path {request.target}")
        name, version, verb = found.groups()
        if not self.has_token(request):
            message = "Request had invalid authentication credentials."
            raise Refusal(401, {"error": {"code": 401, "message": message, "status": "UNAUTHENTICATED"}})
        if name != self.NAME:
            raise Refusal(404, {"error": {"code": 404, "message": f"{name} not found.", "status": "NOT_FOUND"}})
        if verb == "encrypt":
            plain = self.base64(self.json(request, "plaintext")["plaintext"])
            self.demand(len(plain) == DATA_KEY_BYTES, "length of a data key")
            self.seen.append(plain)
            nonce = os.urandom(12)
            wrapped = nonce + self._key.encrypt(nonce, plain, None)
            return {"name": f"{name}/cryptoKeyVersions/1", "ciphertext": encoded(wrapped)}
        self.demand(version is None, "a version when decrypting")
        wrapped = self.base64(self.json(request, "ciphertext")["ciphertext"])
        try:
            plain = self._key.decrypt(wrapped[:12], wrapped[12:], None)
        except InvalidTag:
            message = "Decryption failed: the ciphertext is invalid."
            raise Refusal(400, {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}) from None
        self.seen.append(plain)
        return {"plaintext": encoded(plain), "usedPrimary": True}

    def token(self, request):
        self.demand(request.target == "/token", f"path {request.target}")
        fields = self.form(request, "grant_type", "assertion")
        self.demand(fields["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer", "grant_type")
        parts = fields["assertion"].split(".")
        self.demand(len(parts) == 3, "an assertion has three parts")
        # The clients of drivers pad them, which RFC 7515 does not want; the service takes it.
        self.demand(all(re.fullmatch(r"[A-Za-z0-9_-]+=*", part) for part in parts), "base64url")
        header, claims = (json.loads(decoded(part)) for part in parts[:2])
        self.demand(header == {"alg": "RS256", "typ": "JWT"}, "header of the assertion")
        self.demand(set(claims) == {"iss", "aud", "scope", "iat", "exp"}, f"claims {set(claims)}")
        self.demand(claims["aud"] == f"https://{self.TOKENS}/token", f"aud {claims['aud']}")
        self.demand(claims["scope"] == "https://www.googleapis.com/auth/cloudkms", "scope")
        self.demand(abs(claims["iat"] - time.time()) < CLOCK_SKEW_SECONDS, "iat")
        self.demand(0 < claims["exp"] - claims["iat"] <= 3600, "exp")
        signed = ".".join(parts[:2]).encode()
        try:
            self.account.public_key().verify(
                decoded(parts[2]), signed, padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            raise Refusal(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}) from None
        if claims["iss"] != self.email:
            raise Refusal(400, {"error": "invalid_grant", "error_description": "Invalid grant: account not found"})
        return {"access_token": self.new_token(), "expires_in": self.lifetime, "token_type": "Bearer"}


def error(code, message):
    return {"error": {"code": code, "message": message}}
