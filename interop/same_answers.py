"""PyMongo with encryption answers as PyMongo without it, or refuses: what no published test covers.

    python same_answers.py --mode mongocryptd

Each case runs twice on equal documents: in a collection without a schema by a client without keys,
and in one with encrypted fields by a client that encrypts. What they give, and what is in the
collections afterwards, has to be equal. Nothing that the second client sends may hold a secret, and
every stored secret is ciphertext. A case with a text is one that has to be refused with that text.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys

import bson
from bson.binary import STANDARD, Binary
from bson.codec_options import CodecOptions
from pymongo import MongoClient, monitoring
from pymongo.encryption import AutoEncryptionOpts, ClientEncryption
from pymongo.errors import PyMongoError

import fixtures
import same_answers_cases as cases

PROVIDERS = {"local": {"key": bytes(range(96))}}
VAULT = "encryption.__keyVault"
MODES = ["mongocryptd", "crypt_shared", "libmongocrypt"]
# All that is encrypted and a string begins with it.
SECRET = b"SECRET"


def schema(fields, key):
    """A schema from paths: `{"a.b": {"algorithm": .., "bsonType": ..}}`; a pattern begins with `^`."""
    root = {"bsonType": "object", "encryptMetadata": {"keyId": [key]}, "properties": {}}
    for path, encrypt in fields.items():
        *outer, name = path.split(".")
        place = root
        for step in outer:
            place = place["properties"].setdefault(step, {"bsonType": "object", "properties": {}})
        kind = "patternProperties" if name.startswith("^") else "properties"
        place.setdefault(kind, {})[name] = {"encrypt": encrypt}
    return root


class Watcher(monitoring.CommandListener):
    """Sees what leaves, and remembers in which commands a secret did."""

    def __init__(self):
        self.leaks = []

    def started(self, event):
        if SECRET in bson.encode(event.command, codec_options=CodecOptions(uuid_representation=STANDARD)):
            self.leaks.append(event.command_name)

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


def encrypting_client(stack, uri, mode, folder, watcher):
    """A client for which `secret.people` and `secret.orders` have encrypted fields."""
    plain = stack.enter_context(MongoClient(uri))
    options = CodecOptions(uuid_representation=STANDARD)
    with ClientEncryption(PROVIDERS, VAULT, plain, options) as keys:
        key = keys.create_data_key("local", key_alt_names=[cases.KEY_NAME])
    schemas = {f"secret.{name}": schema(fields, key) for name, fields in cases.SCHEMAS.items()}
    extra = fixtures.spawned_daemon(folder)
    if mode == "crypt_shared":
        extra = {"crypt_shared_lib_path": str(fixtures.program("libmongo_crypt_v1.so"))}
    elif mode == "libmongocrypt":
        extra = {"crypt_shared_lib_required": True}
    automatic = AutoEncryptionOpts(PROVIDERS, VAULT, schema_map=schemas, **extra)
    return stack.enter_context(
        MongoClient(uri, auto_encryption_opts=automatic, event_listeners=[watcher], retryWrites=False)
    )


def fill(database):
    for name, documents in cases.DOCUMENTS.items():
        database[name].drop()
        database[name].insert_many([dict(it) for it in documents])


def contents(database):
    return {name: list(database[name].find().sort("_id")) for name in cases.SCHEMAS}


def outcome(run, database):
    """What a case gives, or the error it ends with, without what differs by its nature."""
    try:
        return cleaned(run(database)), None
    except PyMongoError as error:
        return None, error


def cleaned(value):
    """Without what a driver adds to an answer."""
    if isinstance(value, dict):
        dropped = ("ok", "$clusterTime", "operationTime", "electionId", "opTime")
        return {name: cleaned(it) for name, it in value.items() if name not in dropped}
    if isinstance(value, list):
        return [cleaned(it) for it in value]
    return value


def stored_in_the_clear(raw):
    """What is stored and should not be: secrets, and anything but ciphertext at encrypted paths."""
    for name, fields in cases.SCHEMAS.items():
        for document in raw[name].find():
            if SECRET in bson.encode(document):
                yield f"a secret is stored in {name} {document['_id']}"
            for path in fields:
                for value in values_at(document, path.split(".")):
                    if not (isinstance(value, Binary) and value.subtype == 6):
                        yield f"{value!r} is stored at {path} in {name} {document['_id']}"


def values_at(value, path):
    """The values at a path, whose steps may be patterns."""
    if not path:
        return [value]
    if not isinstance(value, dict):
        return []
    names = [
        name for name in value if re.search(f"^{path[0].lstrip('^')}{'' if '^' in path[0] else '$'}", name)
    ]
    return [found for name in names for found in values_at(value[name], path[1:])]


def check(case, plain, secret, raw, watcher):
    """The faults of one case."""
    name, run, refusal = case
    fill(plain)
    fill(secret)
    before = contents(secret)
    watcher.leaks.clear()
    expected, plain_error = outcome(run, plain)
    given, error = outcome(run, secret)
    if watcher.leaks:
        yield f"a secret left in {watcher.leaks}"
    yield from stored_in_the_clear(raw)
    if refusal:
        if error is None:
            yield f"not refused, but gave {given}"
        elif refusal.lower() not in str(error).lower():
            yield f"refused otherwise: {error}"
        if contents(secret) != before:
            yield "refused, but changed the collection"
        return
    if error or plain_error:
        yield f"ended with {error}, and without encryption with {plain_error}"
    elif given != expected:
        yield f"gave {given}, and without encryption {expected}"
    if contents(secret) != contents(plain):
        yield f"left {contents(secret)}, and without encryption {contents(plain)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=MODES, help="who analyses; without it, all one by one")
    parser.add_argument("-k", dest="only", default="", help="only cases whose name has this")
    options = parser.parse_args()
    if not options.mode:
        for mode in MODES:
            command = [sys.executable, __file__, "--mode", mode, "-k", options.only]
            library = {"PYMONGOCRYPT_LIB": str(fixtures.program("libmongocrypt.so"))}
            own = os.environ | (library if mode == "libmongocrypt" else {})
            subprocess.run(command, env=own, check=True)
        return
    watcher = Watcher()
    faults = 0
    chosen = [case for case in cases.CASES if options.only in case[0]]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(fixtures.scratch())
        uri = stack.enter_context(fixtures.server())
        client = encrypting_client(stack, uri, options.mode, folder, watcher)
        raw = stack.enter_context(MongoClient(uri))
        for case in chosen:
            for fault in check(case, raw.plain, client.secret, raw.secret, watcher):
                faults += 1
                print(f"  NOT SO: {case[0]}: {fault}")
    print(f"  {len(chosen)} cases with {options.mode}, {faults} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
