#!/usr/bin/env python3
"""The C libmongocrypt of the pymongocrypt wheel loads our mongo_crypt_v1 and has it mark commands.

No server is needed: pymongocrypt's state machine runs against collection info and keys that this
script hands it.

Usage: crypt_shared_smoke.py PATH_OF_THE_SHARED_LIBRARY
"""

import os
import sys

import bson
from bson.binary import UUID_SUBTYPE, Binary
from pymongocrypt.auto_encrypter import AutoEncrypter
from pymongocrypt.binding import ffi
from pymongocrypt.explicit_encrypter import ExplicitEncrypter
from pymongocrypt.mongocrypt import MongoCryptOptions
from pymongocrypt.state_machine import MongoCryptCallback

KEY_ID = Binary(b"a" * 16, UUID_SUBTYPE)
SCHEMA = {
    "bsonType": "object",
    "properties": {
        "ssn": {
            "encrypt": {
                "bsonType": "string",
                "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
                "keyId": [KEY_ID],
            }
        },
        "secret": {
            "encrypt": {
                "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random",
                "keyId": [KEY_ID],
            }
        },
    },
}


class Peer(MongoCryptCallback):
    """What a driver would do for libmongocrypt, with one data key made by libmongocrypt itself."""

    def __init__(self):
        self.keys = []

    def kms_request(self, kms_context):
        raise AssertionError("the local provider needs no request")

    def collection_info(self, database, filter):
        return None

    def mark_command(self, database, cmd):
        raise AssertionError("the library in the process was not used")

    def fetch_keys(self, filter):
        yield from self.keys

    def insert_data_key(self, data_key):
        self.keys.append(bytes(data_key))

    def bson_encode(self, doc):
        return bson.encode(doc)

    def close(self):
        pass


def main():
    path = os.path.abspath(sys.argv[1])
    providers = {"local": {"key": b"\x00" * 96}}
    peer = Peer()
    maker = ExplicitEncrypter(peer, MongoCryptOptions(providers))
    maker.create_data_key("local")
    key = bson.decode(peer.keys[0])
    maker.close()
    schema = bson.decode(bson.encode(SCHEMA))
    for field in schema["properties"].values():
        field["encrypt"]["keyId"] = [key["_id"]]

    options = MongoCryptOptions(
        providers,
        schema_map=bson.encode({"db.people": schema}),
        crypt_shared_lib_path=path,
        crypt_shared_lib_required=True,
    )
    auto = AutoEncrypter(peer, options)
    version = ffi.string(auto.mongocrypt.crypt_shared_lib_version).decode()
    assert version.startswith("mongo_crypt_v1-fieldveil-8.2"), version

    def encrypt(command):
        return bson.decode(auto.encrypt("db", bson.encode(command)))

    insert = encrypt(
        {
            "insert": "people",
            "documents": [{"_id": 1, "ssn": "123-12-1234", "secret": {"a": 1}, "name": "S"}],
        }
    )
    document = insert["documents"][0]
    assert document["name"] == "S"
    for field, blob in (("ssn", 1), ("secret", 2)):
        assert document[field].subtype == 6 and document[field][0] == blob, document
    find = encrypt({"find": "people", "filter": {"ssn": "123-12-1234"}})
    assert find["filter"] == {"ssn": {"$eq": document["ssn"]}}, find
    read = bson.decode(auto.decrypt(bson.encode(document)))
    assert read["ssn"] == "123-12-1234" and read["secret"] == {"a": 1}, read

    try:
        encrypt({"find": "people", "filter": {"secret": 1}})
    except Exception as error:
        text = str(error)
        assert "Cannot query on fields encrypted with the randomized encryption algorithm" in text
        assert "[crypt_shared" in text or "crypt_shared" in text, text
    else:
        raise AssertionError("a query on a random field was not refused")
    auto.close()
    print(f"libmongocrypt used {version}: inserted, found, decrypted and refused as it should")


if __name__ == "__main__":
    main()
