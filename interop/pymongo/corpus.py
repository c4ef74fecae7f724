"""The published corpus of encrypted values, without the cloud accounts that it was made with.

It has each value encrypted under five data keys. Those of the local provider, of KMIP and of AWS are
known from what is published, so those ciphertexts are compared as they are. The keys of Azure and
GCP can be unwrapped by their owners alone; there the fakes of `kms/loose_fakes.py` give other data keys,
and the ciphertexts to expect are made here, from those of the local key.
"""

import hmac

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bson.binary import Binary

from kms import loose_fakes

CLOUDS = ("azure", "gcp")
# Of a ciphertext: algorithm, id of the data key, BSON type. All of it is authenticated.
PREFIX_LENGTH = 18


def without_accounts(corpus, key_documents, local_master_key):
    """`corpus` with the ciphertexts of the clouds replaced; `key_documents` by provider."""
    local = decrypt(local_master_key, b"", key_documents["local"]["keyMaterial"])
    for provider in CLOUDS:
        document = key_documents[provider]
        key = loose_fakes.unwrap(document["keyMaterial"])
        for name, entry in corpus.items():
            if name.startswith(f"{provider}_") and is_encrypted(entry):
                model = corpus["local" + name.removeprefix(provider)]["value"]
                plain = decrypt(local, model[:PREFIX_LENGTH], model[PREFIX_LENGTH:])
                prefix = model[:1] + document["_id"] + model[PREFIX_LENGTH - 1 : PREFIX_LENGTH]
                entry["value"] = Binary(prefix + encrypt(key, prefix, plain), 6)
    return corpus


def is_encrypted(entry):
    return isinstance(entry["value"], Binary) and entry["value"].subtype == 6


def decrypt(key, associated, ciphertext):
    body, tag = ciphertext[:-32], ciphertext[-32:]
    assert tag == mac(key[:32], associated, body, length_of(associated))[:32]
    decryptor = Cipher(algorithms.AES(key[32:64]), modes.CBC(body[:16])).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    return unpadder.update(decryptor.update(body[16:]) + decryptor.finalize()) + unpadder.finalize()


def encrypt(key, associated, plain):
    # A random ciphertext only has to differ from others, and does, since its prefix does.
    iv = mac(key[64:], associated, length_of(associated), plain)[:16]
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key[32:64]), modes.CBC(iv)).encryptor()
    body = iv + encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    return body + mac(key[:32], associated, body, length_of(associated))[:32]


def mac(key, *parts):
    return hmac.digest(key, b"".join(parts), "sha512")


def length_of(associated):
    return (8 * len(associated)).to_bytes(8, "big")
