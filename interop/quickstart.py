"""The quick start's story by an unmodified PyMongo with its own libmongocrypt.

Four variants: Random and Deterministic, schema in the client and on the server. The server is
`fieldveil serve`; query analysis is our `mongocryptd`, spawned by the driver.
"""

import os

import bson
from bson.binary import STANDARD, Binary
from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.encryption import AutoEncryptionOpts, ClientEncryption
from pymongo.errors import EncryptionError, WriteError

from fixtures import check, scratch, server, spawned_daemon

VAULT = "encryption.__keyVault"
ALGORITHM = "AEAD_AES_256_CBC_HMAC_SHA_512-"
SOPHIA = {"name": "Sophia Duleep Singh", "ssn": "123-12-1234"}
REFUSAL = "Cannot query on fields encrypted with the randomized encryption algorithm"


def schema(key_id, algorithm):
    return {
        "bsonType": "object",
        "properties": {
            "ssn": {
                "encrypt": {
                    "bsonType": "string",
                    "algorithm": ALGORITHM + algorithm,
                    "keyId": [key_id],
                }
            }
        },
    }


def encrypted_client(uri, providers, folder, schema_map):
    options = AutoEncryptionOpts(providers, VAULT, schema_map=schema_map, **spawned_daemon(folder))
    return MongoClient(uri, auto_encryption_opts=options)


def story(uri, folder, providers, key_id, algorithm, schema_on_server):
    """One variant, in a database of its own."""
    where = "server" if schema_on_server else "client"
    print(f"{algorithm}, schema on the {where}", flush=True)
    name = f"{algorithm}_{where}".lower()
    rule = schema(key_id, algorithm)
    plain = MongoClient(uri)[name]
    plain.create_collection("people", **({"validator": {"$jsonSchema": rule}} if schema_on_server else {}))
    schema_map = None if schema_on_server else {f"{name}.people": rule}

    with encrypted_client(uri, providers, folder, schema_map) as client:
        people = client[name].people
        people.insert_one(dict(SOPHIA))
        found = people.find_one({"name": SOPHIA["name"]})
        check("the document comes back decrypted", found["ssn"] == SOPHIA["ssn"])

        stored = plain.people.find_one({"name": SOPHIA["name"]})["ssn"]
        check("without keys it is Binary(..., 6)", isinstance(stored, Binary) and stored.subtype == 6)
        check("its first byte names the algorithm", stored[0] == {"Deterministic": 1, "Random": 2}[algorithm])
        check("no plaintext is in it", SOPHIA["ssn"].encode() not in stored)

        if algorithm == "Random":
            try:
                people.find_one({"ssn": SOPHIA["ssn"]})
                check("a query on the Random field is refused", False)
            except EncryptionError as error:
                check("a query on the Random field is refused", REFUSAL in str(error))
        else:
            check("a query on the Deterministic field finds it",
                  people.find_one({"ssn": SOPHIA["ssn"]})["name"] == SOPHIA["name"])
            check("count_documents counts it", people.count_documents({"ssn": SOPHIA["ssn"]}) == 1)
            people.update_one({"ssn": SOPHIA["ssn"]}, {"$set": {"ssn": "999-99-9999"}})
            check("distinct gives plaintext", people.distinct("ssn") == ["999-99-9999"])
            check("delete_one finds it by the new value",
                  people.delete_one({"ssn": "999-99-9999"}).deleted_count == 1)

    dora = {"name": "Dora Thewlis", "ssn": "234-23-2345"}
    if schema_on_server:
        try:
            plain.people.insert_one(dora)
            check("the validator refuses plaintext", False)
        except WriteError as error:
            check("the validator refuses plaintext", error.code == 121 and "errInfo" in error.details)
    else:
        plain.people.insert_one(dora)
        check("the pitfall: a client without schema stores plaintext",
              plain.people.find_one({"name": dora["name"]})["ssn"] == dora["ssn"])


def main():
    providers = {"local": {"key": os.urandom(96)}}
    with scratch() as folder, server() as uri:
        plain = MongoClient(uri)
        vault = plain.get_database("encryption")["__keyVault"]
        vault.create_index("keyAltNames", unique=True,
                           partialFilterExpression={"keyAltNames": {"$exists": True}})
        codec = CodecOptions(uuid_representation=STANDARD)
        with ClientEncryption(providers, VAULT, plain, codec) as keys:
            key_id = keys.create_data_key("local", key_alt_names=["example"])
            check("the data key is found by its alternate name",
                  keys.get_key_by_alt_name("example")["_id"] == key_id)
            for algorithm in ("Random", "Deterministic"):
                for schema_on_server in (False, True):
                    story(uri, folder, providers, key_id, algorithm, schema_on_server)
    print(f"PyMongo {__import__('pymongo').version}, bson C extension: {bson.has_c()}: all as told")


if __name__ == "__main__":
    main()
