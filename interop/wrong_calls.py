"""Wrong calls of the C interface, as data: what is called with what.

Every entry is a name, the worker's operation, and its arguments. NULL is not among them: the
library that is compared with ends the process there, where ours gives an error.
"""

import bson
from bson import Binary

LOCAL = ["mongocrypt_setopt_kms_providers", bson.encode({"local": {"key": bytes(96)}})]
AWS = [
    "mongocrypt_setopt_kms_providers",
    bson.encode({"aws": {"accessKeyId": "id", "secretAccessKey": "secret"}}),
]
ID = bytes(range(16))
DETERMINISTIC = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
JUNK = b"\x09\x00\x00\x00"


def all_of_them():
    yield from handles()
    yield from providers()
    yield from context_options()
    yield from operations()
    yield from states()
    yield from key_documents()
    yield from kms_replies()


def handle(*calls):
    return f"handle: {calls}", "crypt_calls", {"calls": [list(call) for call in calls]}


def context(*calls, options=(LOCAL,), only_last=False):
    """`only_last`: how many calls it takes until the error shows makes no difference."""
    arguments = {"options": list(options), "calls": [list(call) for call in calls]}
    return f"context: {calls}", "ctx_calls", arguments | {"only_last": only_last}


def handles():
    yield handle(["mongocrypt_init"])
    yield handle(LOCAL, ["mongocrypt_init"], ["mongocrypt_init"])
    yield handle(LOCAL, ["mongocrypt_init"], ["mongocrypt_setopt_retry_kms", True])
    yield handle(["mongocrypt_setopt_schema_map", JUNK])
    yield handle(["mongocrypt_setopt_encrypted_field_config_map", JUNK])
    schema = ["mongocrypt_setopt_schema_map", bson.encode({"a.b": {}})]
    fields = ["mongocrypt_setopt_encrypted_field_config_map", bson.encode({"a.b": {"fields": []}})]
    yield handle(schema, schema)
    yield handle(fields, fields)
    yield handle(LOCAL, schema, fields, ["mongocrypt_init"])
    yield handle(["mongocrypt_setopt_key_expiration", 2**64 - 1])
    yield handle(["mongocrypt_setopt_kms_provider_local", bytes(95)])
    local = ["mongocrypt_setopt_kms_provider_local", bytes(96)]
    yield handle(local, local)
    aws = ["mongocrypt_setopt_kms_provider_aws", "id", -1, "secret", -1]
    yield handle(aws, aws)
    yield handle(["mongocrypt_setopt_kms_provider_aws", "id", -2, "secret", -1])
    path = ["mongocrypt_setopt_set_crypt_shared_lib_path_override", "/doesnotexist"]
    yield handle(LOCAL, path, ["mongocrypt_init"])


def providers():
    for document in [
        {"foo": {}},
        {"aws:": {"x": 1}},
        {"aws:a-b": {"x": 1}},
        {"local:a": {}},
        {"aws": 1},
        {"aws": {"accessKeyId": 1}},
        {"aws": {"accessKeyId": "a"}},
        {"aws": {"accessKeyId": "a", "secretAccessKey": "b", "x": 1}},
        {"azure": {"tenantId": "a"}},
        {"azure": {"accessToken": "a", "x": 1}},
        {"azure": {"tenantId": "a", "clientId": "b", "clientSecret": "c", "identityPlatformEndpoint": "d"}},
        {"gcp": {"email": "a"}},
        {"gcp": {"email": "a", "privateKey": "!"}},
        {"gcp": {"email": "a", "privateKey": 1}},
        {"kmip": {"x": 1}},
        {"kmip": {"endpoint": 1}},
        {"local": {"key": bytes(1)}},
        {"local": {"key": 1}},
        {"local": {"x": bytes(96)}},
        {"local": {"key": bytes(96), "x": 1}},
        {"local:x": {"key": bytes(97)}},
        {"aws": {}},
    ]:
        yield handle(["mongocrypt_setopt_kms_providers", bson.encode(document)], ["mongocrypt_init"])
    yield handle(["mongocrypt_setopt_kms_providers", JUNK])
    yield handle(LOCAL, LOCAL)
    named = ["mongocrypt_setopt_kms_providers", bson.encode({"local:a": {"key": bytes(96)}})]
    yield handle(named, named)


def context_options():
    prefix = "mongocrypt_ctx_setopt_"
    for call in [
        ["key_id", b"short"],
        ["index_key_id", b"short"],
        ["key_alt_name", JUNK],
        ["key_alt_name", bson.encode({})],
        ["key_alt_name", bson.encode({"x": 1})],
        ["key_alt_name", bson.encode({"keyAltName": 1})],
        ["key_alt_name", bson.encode({"keyAltName": "a", "x": 1})],
        ["key_material", JUNK],
        ["key_material", bson.encode({})],
        ["key_material", bson.encode({"x": 1})],
        ["key_material", bson.encode({"keyMaterial": 1})],
        ["key_material", bson.encode({"keyMaterial": bytes(97)})],
        ["key_material", bson.encode({"keyMaterial": bytes(96), "x": 1})],
        ["algorithm", "x", -2],
        ["algorithm", "foo", -1],
        ["algorithm", "rangePreview", -1],
        ["algorithm", "TextPreview", -1],
        ["query_type", "x", -2],
        ["query_type", "foo", -1],
        ["query_type", "RANGEPREVIEW", -1],
        ["query_type", "prefixPreview", -1],
        ["query_type", "suffixPreview", -1],
        ["query_type", "SubstringPreview", -1],
        ["algorithm_range", JUNK],
        ["algorithm_range", bson.encode({"x": 1})],
        ["algorithm_range", bson.encode({"min": 1, "max": "a"})],
        ["algorithm_range", bson.encode({"min": 1, "max": 2, "sparsity": 1.5})],
        ["algorithm_range", bson.encode({"min": 1, "max": 2, "precision": -1})],
        ["algorithm_text", JUNK],
        ["algorithm_text", bson.encode({"x": 1})],
        ["algorithm_text", bson.encode({"caseSensitive": 1, "diacriticSensitive": True})],
        ["key_encryption_key", JUNK],
        ["key_encryption_key", bson.encode({})],
        ["key_encryption_key", bson.encode({"provider": "foo"})],
        ["key_encryption_key", bson.encode({"provider": "local", "x": 1})],
        ["key_encryption_key", bson.encode({"provider": "aws", "key": "k"})],
        ["key_encryption_key", bson.encode({"provider": "aws", "key": "k", "region": "r", "endpoint": "x"})],
        ["key_encryption_key", bson.encode({"provider": "azure", "keyName": "k"})],
        ["key_encryption_key", bson.encode({"provider": "gcp", "projectId": 1})],
        ["key_encryption_key", bson.encode({"provider": "kmip", "delegated": 1})],
        ["masterkey_aws", "", 0, "k", -1],
        ["masterkey_aws", "r", -1, "k", -2],
        ["masterkey_aws_endpoint", "nodot", -1],
    ]:
        yield context([prefix + call[0], *call[1:]], ["mongocrypt_ctx_datakey_init"])
    name = [prefix + "key_alt_name", bson.encode({"keyAltName": "a"})]
    local = [prefix + "masterkey_local"]
    for call in [
        name,
        local,
        [prefix + "key_id", ID],
        [prefix + "algorithm", "indexed", -1],
        [prefix + "key_material", bson.encode({"keyMaterial": bytes(96)})],
        [prefix + "algorithm_range", bson.encode({"min": 1, "max": 2})],
        [prefix + "key_encryption_key", bson.encode({"provider": "local"})],
        [prefix + "masterkey_aws_endpoint", "a.b", -1],
    ]:
        yield context(call, call)
    yield context(local, [prefix + "masterkey_aws", "r", -1, "k", -1])
    yield context(local, [prefix + "masterkey_aws_endpoint", "a.b", -1])
    yield context(local, ["mongocrypt_ctx_datakey_init"], name)
    yield context(local, ["mongocrypt_ctx_datakey_init"], [prefix + "algorithm", "indexed", -1])


def operations():
    prefix = "mongocrypt_ctx_setopt_"
    value = bson.encode({"v": 1})
    explicit = ["mongocrypt_ctx_explicit_encrypt_init", value]
    expression = ["mongocrypt_ctx_explicit_encrypt_expression_init", value]
    key_id = [prefix + "key_id", ID]
    name = [prefix + "key_alt_name", bson.encode({"keyAltName": "a"})]
    other_name = [prefix + "key_alt_name", bson.encode({"keyAltName": "b"})]
    master = [prefix + "masterkey_local"]
    contention = [prefix + "contention_factor", 1]
    index_id = [prefix + "index_key_id", ID]
    text = {"caseSensitive": True, "diacriticSensitive": True, "prefix": {"strMinQueryLength": 1, "strMaxQueryLength": 2}}
    range_options = [prefix + "algorithm_range", bson.encode({"min": 1, "max": 2})]
    text_options = [prefix + "algorithm_text", bson.encode(text)]

    def algorithm(text):
        return [prefix + "algorithm", text, -1]

    def query(text):
        return [prefix + "query_type", text, -1]

    for options in [
        [],
        [key_id],
        [key_id, name],
        [name, other_name],
        [name, algorithm("indexed")],
        [name, index_id],
        [name, contention],
        [name, query("equality")],
        [name, range_options],
        [key_id, algorithm(DETERMINISTIC), index_id],
        [key_id, algorithm(DETERMINISTIC), contention],
        [key_id, algorithm(DETERMINISTIC), query("equality")],
        [key_id, algorithm(DETERMINISTIC), range_options],
        [key_id, algorithm("unindexed"), contention],
        [key_id, algorithm("unindexed"), query("equality")],
        [key_id, algorithm("unindexed"), range_options],
        [key_id, algorithm("indexed")],
        [key_id, algorithm("indexed"), contention, range_options],
        [key_id, algorithm("indexed"), contention, query("range")],
        [key_id, algorithm("indexed"), [prefix + "contention_factor", -1]],
        [key_id, algorithm("range")],
        [key_id, algorithm("range"), contention],
        [key_id, algorithm("range"), contention, range_options, query("range")],
        [key_id, algorithm("string")],
        [key_id, algorithm("string"), contention],
        [key_id, algorithm("string"), contention, text_options, range_options],
        [key_id, algorithm("string"), contention, text_options, query("equality")],
        [key_id, algorithm("indexed"), contention, text_options],
        [key_id, algorithm("indexed"), contention, query("prefix")],
        [key_id, algorithm("indexed"), contention, query("suffix")],
        [key_id, algorithm("indexed"), contention, query("substring")],
        [master, key_id, algorithm(DETERMINISTIC)],
    ]:
        yield context(*options, explicit)
        yield context(*options, expression)
    keyed = [key_id, algorithm(DETERMINISTIC)]
    for message in [JUNK, bson.encode({}), bson.encode({"x": 1})]:
        yield context(*keyed, ["mongocrypt_ctx_explicit_encrypt_init", message])
    for message in [JUNK, bson.encode({}), bson.encode({"v": 1}), bson.encode({"v": Binary(b"x", 0)})]:
        yield context(["mongocrypt_ctx_explicit_decrypt_init", message])
    yield context(["mongocrypt_ctx_decrypt_init", JUNK])
    yield context(["mongocrypt_ctx_datakey_init"])
    for other in [key_id, name, master, algorithm(DETERMINISTIC), range_options]:
        yield context(other, ["mongocrypt_ctx_decrypt_init", value])
        yield context(other, ["mongocrypt_ctx_encrypt_init", "db", -1, bson.encode({"find": "c"})])
        yield context(other, ["mongocrypt_ctx_rewrap_many_datakey_init", bson.encode({})])
        yield context(master, other, ["mongocrypt_ctx_datakey_init"])
    aws = [prefix + "masterkey_aws", "r", -1, "k", -1]
    yield context(aws, ["mongocrypt_ctx_datakey_init"])
    yield context(aws, ["mongocrypt_ctx_rewrap_many_datakey_init", bson.encode({})])
    yield context(["mongocrypt_ctx_encrypt_init", "", 0, bson.encode({"find": "c"})])
    yield context(["mongocrypt_ctx_encrypt_init", "db", -1, bson.encode({"foo": "c"})])


def states():
    data_key = [["mongocrypt_ctx_setopt_masterkey_local"], ["mongocrypt_ctx_datakey_init"]]
    value = bson.encode({"v": 1})
    calls = [
        ["mongocrypt_ctx_state"],
        ["mongocrypt_ctx_mongo_op", {"out": 1}],
        ["mongocrypt_ctx_mongo_feed", value],
        ["mongocrypt_ctx_mongo_done"],
        ["mongocrypt_ctx_next_kms_ctx"],
        ["mongocrypt_ctx_kms_done"],
        ["mongocrypt_ctx_provide_kms_providers", value],
        ["mongocrypt_ctx_finalize", {"out": 1}],
        ["mongocrypt_ctx_datakey_init"],
    ]
    for call in calls:
        yield context(call)
    for call in calls[4:7] + calls[8:]:
        yield context(*data_key, call)
    keyed = [["mongocrypt_ctx_setopt_key_id", ID], ["mongocrypt_ctx_setopt_algorithm", DETERMINISTIC, -1]]
    waiting = [*keyed, ["mongocrypt_ctx_explicit_encrypt_init", value], ["mongocrypt_ctx_state"]]
    for call in calls[3:]:
        yield context(*waiting, call)


def key_documents():
    good = {
        "_id": Binary(ID, 4),
        "keyMaterial": bytes(160),
        "creationDate": bson.datetime.datetime(2026, 1, 1),
        "updateDate": bson.datetime.datetime(2026, 1, 1),
        "status": 0,
        "masterKey": {"provider": "local"},
    }
    start = [
        ["mongocrypt_ctx_setopt_key_id", ID],
        ["mongocrypt_ctx_setopt_algorithm", DETERMINISTIC, -1],
        ["mongocrypt_ctx_explicit_encrypt_init", bson.encode({"v": 1})],
    ]

    done = ["mongocrypt_ctx_mongo_done"]

    def feed(document):
        return ["mongocrypt_ctx_mongo_feed", bson.encode(document)]

    for change in [
        {"x": 1},
        {"_id": 1},
        {"_id": Binary(ID, 0)},
        {"_id": Binary(bytes(16), 4)},
        {"keyAltNames": 1},
        {"keyAltNames": [1]},
        {"keyAltNames": ["a", "a"]},
        {"keyMaterial": 1},
        {"keyMaterial": b""},
        {"creationDate": 1},
        {"updateDate": 1},
        {"version": 1},
        {"masterKey": 1},
        {"masterKey": {}},
        {"masterKey": {"provider": "foo"}},
        {"masterKey": {"provider": "aws", "region": "r", "key": "k"}},
        {"masterKey": {"provider": "kmip"}},
        {"keyMaterial": bytes(160)},
    ]:
        yield context(*start, feed(good | change), done, only_last=True)
    for name in good:
        change = {k: v for k, v in good.items() if k != name}
        yield context(*start, feed(change), done, only_last=True)
    yield context(*start, ["mongocrypt_ctx_mongo_feed", JUNK])
    yield context(*start, done)


def kms_replies():
    start = [
        ["mongocrypt_ctx_setopt_masterkey_aws", "us-east-1", -1, "arn", -1],
        ["mongocrypt_ctx_datakey_init"],
        ["mongocrypt_ctx_next_kms_ctx"],
        ["mongocrypt_kms_ctx_bytes_needed"],
    ]

    def reply(status, body, length=None):
        length = len(body) if length is None else length
        return f"HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}".encode()

    for bytes_ in [
        b"",
        b"x" * 1025,
        b"junk\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 abc OK\r\n",
        b"HTTP/1.1 200 OK\r\nnocolon\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        reply(200, "x", 5),
        reply(200, "xyz", 1),
        reply(200, "{}"),
        reply(200, '{"CiphertextBlob": 1}'),
        reply(200, '{"CiphertextBlob": "!"}'),
        reply(200, '{"CiphertextBlob": "Zm9v"}'),
        reply(302, "moved"),
        reply(404, ""),
        reply(404, "who?"),
        reply(503, "busy"),
    ]:
        calls = [
            ["mongocrypt_kms_ctx_feed", bytes_],
            ["mongocrypt_kms_ctx_bytes_needed"],
            ["mongocrypt_ctx_kms_done"],
            ["mongocrypt_ctx_state"],
        ]
        yield context(*start, *calls, options=(AWS,))
    retrying = [*start, ["mongocrypt_kms_ctx_feed", reply(503, "busy")]]
    options = (AWS, ["mongocrypt_setopt_retry_kms", True])
    busy = ["mongocrypt_kms_ctx_feed", reply(503, "busy")]
    again = ["mongocrypt_ctx_next_kms_ctx"]
    yield context(*retrying, busy, options=options)
    yield context(*retrying, again, busy, again, busy, again, busy, options=options)
    fail = ["mongocrypt_kms_ctx_fail"]
    yield context(*start, fail, options=(AWS,))
    yield context(*start, fail, again, fail, again, fail, again, fail, options=options)
