"""One side of `differential.py`: pymongocrypt over the library that the environment names.

Reads requests from standard input and writes replies to standard output, one JSON document a line;
bytes are base64 under the key `$b`. An error of the library is a reply, not a failure.
"""

import base64
import json
import os
import sys
import traceback

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongocrypt import crypto
from pymongocrypt.binding import ffi, lib
from pymongocrypt.errors import MongoCryptError
from pymongocrypt.mongocrypt import MongoCrypt, MongoCryptOptions
from pymongocrypt.options import DataKeyOpts, ExplicitEncryptOpts
from pymongocrypt.synchronous.state_machine import MongoCryptCallback, run_state_machine

RAW = CodecOptions(document_class=RawBSONDocument)


def pack(value):
    """Python to what JSON can carry."""
    if isinstance(value, bytes):
        return {"$b": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [pack(item) for item in value]
    if isinstance(value, dict):
        return {name: pack(item) for name, item in value.items()}
    return value


def unpack(value):
    """The inverse of `pack`."""
    if isinstance(value, dict):
        if set(value) == {"$b"}:
            return base64.b64decode(value["$b"])
        return {name: unpack(item) for name, item in value.items()}
    return [unpack(item) for item in value] if isinstance(value, list) else value


class Vault(MongoCryptCallback):
    """Key documents that the request brought; no other I/O is expected."""

    def __init__(self, keys):
        self.keys = keys

    def fetch_keys(self, filter):
        wanted = bson.decode(filter)
        if "$or" not in wanted:
            return self.keys
        ids = {bytes(key) for key in wanted["$or"][0]["_id"]["$in"]}
        names = set(wanted["$or"][1]["keyAltNames"]["$in"])
        found = []
        for key in self.keys:
            document = bson.decode(key)
            if bytes(document["_id"]) in ids or names & set(document.get("keyAltNames", [])):
                found.append(key)
        return found

    def insert_data_key(self, data_key):
        return data_key

    def bson_encode(self, doc):
        return bson.encode(doc)

    def unexpected(self, *_):
        raise AssertionError("no such I/O was expected")

    kms_request = collection_info = mark_command = unexpected

    def close(self):
        pass


class Worker:
    def __init__(self):
        local = {"local": {"key": bytes(range(96))}}
        self.crypt = MongoCrypt(MongoCryptOptions(local, bypass_encryption=True), Vault([]))

    def run(self, context, keys):
        with context as ctx:
            return bytes(run_state_machine(ctx, Vault(keys)))

    def key(self, material, names):
        names = [bson.encode({"keyAltName": name}) for name in names]
        options = DataKeyOpts(None, names, bson.encode({"keyMaterial": material}))
        return self.run(self.crypt.data_key_context("local", options), [])

    def encrypt(self, document, keys, **options):
        options = ExplicitEncryptOpts(**options)
        return self.run(self.crypt.explicit_encryption_context(document, options), keys)

    def decrypt(self, document, keys):
        return self.run(self.crypt.decryption_context(document), keys)

    def decrypt_value(self, document, keys):
        return self.run(self.crypt.explicit_decryption_context(document), keys)

    def rewrap(self, keys):
        context = self.crypt.rewrap_many_data_key_context({}, "local", None)
        return self.run(context, keys)

    def crypt_calls(self, calls):
        """Calls on a fresh handle; gives each result with the status text after it."""
        crypt = lib.mongocrypt_new()
        try:
            return [self.call(crypt, crypt, lib.mongocrypt_status, call) for call in calls]
        finally:
            lib.mongocrypt_destroy(crypt)

    def ctx_calls(self, options, calls, only_last=False):
        """Calls on a fresh context of a handle with `options`; also on its KMS contexts."""
        crypt = lib.mongocrypt_new()
        set_hooks(crypt)
        for name, *arguments in options:
            with_arguments(getattr(lib, name), crypt, arguments)
        if not lib.mongocrypt_init(crypt):
            raise AssertionError(self.text(crypt, lib.mongocrypt_status))
        ctx = lib.mongocrypt_ctx_new(crypt)
        kms = ffi.NULL
        results = []
        for call in calls:
            if call[0] == "mongocrypt_ctx_next_kms_ctx":
                kms = lib.mongocrypt_ctx_next_kms_ctx(ctx)
                results.append([kms != ffi.NULL, self.text(ctx, lib.mongocrypt_ctx_status)])
            elif call[0].startswith("mongocrypt_kms_"):
                results.append(self.call(crypt, kms, lib.mongocrypt_kms_ctx_status, call))
            else:
                results.append(self.call(crypt, ctx, lib.mongocrypt_ctx_status, call))
        lib.mongocrypt_ctx_destroy(ctx)
        lib.mongocrypt_destroy(crypt)
        return results[-1:] if only_last else results

    def call(self, crypt, target, status, call):
        name, *arguments = call
        result = with_arguments(getattr(lib, name), target, arguments)
        return [result, self.text(target, status)]

    def text(self, target, read):
        status = lib.mongocrypt_status_new()
        read(target, status)
        message = lib.mongocrypt_status_message(status, ffi.NULL)
        text = "" if message == ffi.NULL else ffi.string(message).decode(errors="replace")
        lib.mongocrypt_status_destroy(status)
        return text


def set_hooks(crypt):
    """A library without ciphers of its own gets pymongocrypt's."""
    if lib.mongocrypt_is_crypto_available():
        return
    hooks = [
        crypto.aes_256_cbc_encrypt,
        crypto.aes_256_cbc_decrypt,
        crypto.secure_random,
        crypto.hmac_sha_512,
        crypto.hmac_sha_256,
        crypto.sha_256,
    ]
    lib.mongocrypt_setopt_crypto_hooks(crypt, *hooks, ffi.NULL)
    ctr = [crypto.aes_256_ctr_encrypt, crypto.aes_256_ctr_decrypt]
    lib.mongocrypt_setopt_aes_256_ctr(crypt, *ctr, ffi.NULL)


def with_arguments(function, target, arguments):
    """Calls with bytes as views, text as C strings, `{"out": 1}` as a view to be filled."""
    alive, converted, outputs = [], [], []
    for argument in arguments:
        if isinstance(argument, bytes):
            data = ffi.new("uint8_t[]", argument or b"\0")
            view = lib.mongocrypt_binary_new_from_data(data, len(argument))
            alive.append(data)
            outputs.append(view)
            converted.append(view)
        elif isinstance(argument, dict):
            view = lib.mongocrypt_binary_new()
            outputs.append(view)
            converted.append(view)
        elif isinstance(argument, str):
            converted.append(argument.encode())
        else:
            converted.append(ffi.NULL if argument is None else argument)
    result = function(target, *converted)
    for view in outputs:
        lib.mongocrypt_binary_destroy(view)
    return result if isinstance(result, (bool, int)) else None


def main():
    worker = Worker()
    print(json.dumps({"version": os.environ.get("PYMONGOCRYPT_LIB", "shipped")}), flush=True)
    for line in sys.stdin:
        request = unpack(json.loads(line))
        try:
            reply = {"ok": pack(getattr(worker, request.pop("op"))(**request))}
        except MongoCryptError as error:
            reply = {"error": str(error)}
        except Exception:
            reply = {"crash": traceback.format_exc()}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
