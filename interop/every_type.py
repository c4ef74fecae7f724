"""What PyMongo writes, Fieldveil reads, and the other way round: every type each algorithm allows.

The Rust side (`fieldveil-peer`) describes the document; here it is handled as raw BSON, so that
types which Python has no class for are compared byte for byte as well.
"""

import os
import subprocess

from bson import json_util
from bson.binary import STANDARD, Binary
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.encryption import AutoEncryptionOpts, ClientEncryption

from fixtures import check, program, scratch, server, spawned_daemon

VAULT = "encryption.__keyVault"
RAW = CodecOptions(document_class=RawBSONDocument)


def main():
    with scratch() as folder, server() as uri:
        key = os.urandom(96)
        master_key = folder / "master-key.bin"
        master_key.touch(mode=0o600)
        master_key.write_bytes(key)
        providers = {"local": {"key": key}}
        plain = MongoClient(uri)
        with ClientEncryption(providers, VAULT, plain, CodecOptions(uuid_representation=STANDARD)) as keys:
            key_id = keys.create_data_key("local")

        def peer(mode, *arguments):
            subprocess.run([program("fieldveil-peer"), mode, *arguments, folder], check=True)

        def exchange(mode, namespace):
            peer(mode, "--uri", uri, "--key-vault", VAULT, "--namespace", namespace,
                 "--master-key", master_key)

        peer("describe", "--key-id", key_id.hex())
        expected = RawBSONDocument((folder / "document.bson").read_bytes())
        schema = json_util.loads((folder / "schema.json").read_text())
        schema_map = {f"types.by_{side}": schema for side in ("pymongo", "fieldveil")}
        options = AutoEncryptionOpts(providers, VAULT, schema_map=schema_map, **spawned_daemon(folder))
        with MongoClient(uri, auto_encryption_opts=options) as client:
            types = client.get_database("types", codec_options=RAW)
            types.by_pymongo.insert_one(expected)
            exchange("read", "types.by_pymongo")
            check(f"Fieldveil reads what PyMongo wrote, {len(expected)} fields", True)
            exchange("write", "types.by_fieldveil")
            found = types.by_fieldveil.find_one({}, {"_id": 0})
            check("PyMongo reads what Fieldveil wrote, byte for byte", found.raw == expected.raw)

        stored = [plain.types[name].find_one({}, {"_id": 0}) for name in ("by_pymongo", "by_fieldveil")]
        for document in stored:
            check("every field is stored as ciphertext",
                  all(isinstance(v, Binary) and v.subtype == 6 for v in document.values()))
        same = {name: stored[0][name] == stored[1][name] for name in stored[0]}
        check("Deterministic ciphertext is equal on both sides, Random is not",
              all(equal == name.endswith("_Deterministic") for name, equal in same.items()))


if __name__ == "__main__":
    main()
