"""`fieldveil keys` as its users run it, and PyMongo beside it at the same key vault.

Every run logs all there is to log, and everything it prints is searched for every secret that it
was given or that a key service saw.
"""

import base64
import itertools
import json
import os
import subprocess
import sys

from bson.binary import STANDARD
from bson.codec_options import CodecOptions
from fixtures import check, program
from pymongo import MongoClient
from pymongo.encryption import Algorithm, ClientEncryption

VAULT = "encryption.__keyVault"
# The exit code of the program when a key service is at fault, as `docs/errors.md` has it.
KMS_FAILED = 22
RANDOM = Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random


class Keys:
    """Runs `fieldveil keys` against the database at `uri`.

    `config` is the part of the configuration file after the key vault; `secrets` go into the
    environment, by name.
    """

    def __init__(self, folder, uri, config, secrets=None):
        self.folder, self.uri, self.config = folder, uri, config
        self.secrets = dict(secrets or {})
        # What else must not be printed: bytes that a key service saw.
        self.seen = []
        self.watched = []
        self.runs = 0
        self.local = folder / "master-key.bin"
        if not self.local.exists():
            done = self._run(["generate-master-key", "--out", self.local])
            assert done.returncode == 0, done.stderr

    def __call__(self, *arguments, config=None, status=0, **secrets):
        """Runs one command, and gives what it printed to standard output, or its error."""
        path = self.folder / "fieldveil.toml"
        path.write_text(
            f'uri = "{self.uri}?directConnection=true"\nkey_vault = "{VAULT}"\n'
            f"{self.config if config is None else config}\n"
            f'[providers.local]\nkey.file = "{self.local}"\n'
        )
        done = self._run([*arguments, "--config", path], secrets)
        self.search(done.stdout + done.stderr, {**self.secrets, **secrets})
        if done.returncode != status:
            # What the program says stands after what it logs.
            sys.exit(f"keys {arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr[-2000:]}")
        self.runs += 1
        return done.stdout + done.stderr

    def _run(self, arguments, secrets={}):
        environment = dict(os.environ, FIELDVEIL_LOG="trace", **{**self.secrets, **secrets})
        command = [program("fieldveil"), "keys", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def search(self, text, secrets):
        """Ends the program if a secret stands in `text`, in whatever writing."""
        hidden = [value.encode() for value in secrets.values()] + [self.local.read_bytes()]
        hidden += itertools.chain(self.seen, *self.watched)
        for secret in hidden:
            for writing in writings(secret):
                if writing in text:
                    check(f"no secret in what is printed: {writing[:4]}..", False)

    def exchange(self, provider, kms_key, options):
        """A key made by us is used by PyMongo, and one made by PyMongo by us."""
        as_json = json.dumps(kms_key)
        ours, theirs = f"ours, {provider}", f"theirs, {provider}"
        self("create", "--provider", provider, "--kms-key", as_json, "--alt-name", ours)
        with self.pymongo(**options) as peer:
            value = peer.encrypt("value", RANDOM, key_alt_name=ours)
        with self.pymongo(**options) as peer:
            check(f"PyMongo uses a key that we made under {provider}", peer.decrypt(value) == "value")
            peer.create_data_key(provider, master_key=kms_key, key_alt_names=[theirs])
            value = peer.encrypt("value", RANDOM, key_alt_name=theirs)
        # Only if both unwrap the same key can PyMongo decrypt when we have wrapped it anew.
        self("rewrap", "--to", "local", "--alt-name", theirs, "--apply")
        with self.pymongo({}) as peer:
            check(f"we use a key that PyMongo made under {provider}", peer.decrypt(value) == "value")

    def pymongo(self, providers, tls=None):
        """PyMongo's explicit encryption at the same key vault, with the local key unless it is given another."""
        return ClientEncryption(
            {"local": {"key": self.local.read_bytes()}, **providers},
            VAULT,
            MongoClient(self.uri),
            CodecOptions(uuid_representation=STANDARD),
            kms_tls_options=tls or {},
        )


def writings(secret):
    """How bytes may be written in a log."""
    plain = [base64.b64encode(secret), base64.urlsafe_b64encode(secret)]
    found = {text.decode().rstrip("=") for text in plain}
    found |= {secret.hex(), secret.hex().upper(), ", ".join(str(byte) for byte in secret)}
    try:
        found.add(secret.decode())
    except UnicodeDecodeError:
        pass
    return found
