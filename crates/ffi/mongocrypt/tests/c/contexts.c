/* Every kind of context, from its options to its result. */
#include "support.h"

/* {v: "secret text"} */
static mongocrypt_binary_t *message(void) {
    doc_t doc;
    begin(&doc);
    put_text(&doc, "v", "secret text");
    return on_heap(end(&doc));
}

static mongocrypt_binary_t *copy(mongocrypt_binary_t *view) {
    return on_heap(
        mongocrypt_binary_new_from_data(mongocrypt_binary_data(view), mongocrypt_binary_len(view)));
}

static mongocrypt_binary_t *
encrypt(mongocrypt_t *crypt, vault_t *vault, const char *algorithm, bool by_name) {
    mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
    mongocrypt_binary_t *out = mongocrypt_binary_new(), *msg = message();
    if (by_name) {
        set_name(ctx, "name");
    } else {
        mongocrypt_binary_t *id = on_heap(mongocrypt_binary_new_from_data(vault->id, 16));
        OK(ctx, mongocrypt_ctx_setopt_key_id(ctx, id));
        drop_heap(id);
    }
    OK(ctx, mongocrypt_ctx_setopt_algorithm(ctx, algorithm, -1));
    OK(ctx, mongocrypt_ctx_explicit_encrypt_init(ctx, msg));
    drop_heap(msg);
    run(ctx, vault, out);
    CHECK(!find(out, "secret", 6));
    mongocrypt_binary_t *result = copy(out);
    mongocrypt_binary_destroy(out);
    mongocrypt_ctx_destroy(ctx);
    return result;
}

static void explicit_round_trip(void) {
    mongocrypt_t *crypt = local();
    vault_t vault;
    make_key(crypt, &vault);
    mongocrypt_binary_t *one = encrypt(crypt, &vault, MONGOCRYPT_ALGORITHM_DETERMINISTIC_STR, false);
    mongocrypt_binary_t *two = encrypt(crypt, &vault, MONGOCRYPT_ALGORITHM_DETERMINISTIC_STR, true);
    mongocrypt_binary_t *three = encrypt(crypt, &vault, MONGOCRYPT_ALGORITHM_RANDOM_STR, true);
    mongocrypt_binary_t *four = encrypt(crypt, &vault, MONGOCRYPT_ALGORITHM_RANDOM_STR, false);
    uint32_t len = mongocrypt_binary_len(one);
    CHECK(mongocrypt_binary_len(two) == len && mongocrypt_binary_len(four) == len);
    CHECK(0 == memcmp(mongocrypt_binary_data(one), mongocrypt_binary_data(two), len));
    CHECK(0 != memcmp(mongocrypt_binary_data(three), mongocrypt_binary_data(four), len));
    mongocrypt_binary_t *all[] = {one, two, three, four};
    for (int at = 0; at < 4; at++) {
        mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
        mongocrypt_binary_t *out = mongocrypt_binary_new(), *msg = message();
        OK(ctx, mongocrypt_ctx_explicit_decrypt_init(ctx, all[at]));
        run(ctx, &vault, out);
        CHECK(mongocrypt_binary_len(out) == mongocrypt_binary_len(msg));
        CHECK(0 == memcmp(mongocrypt_binary_data(out), mongocrypt_binary_data(msg), mongocrypt_binary_len(msg)));
        mongocrypt_binary_destroy(out);
        mongocrypt_ctx_destroy(ctx);
        drop_heap(msg);
    }
    /* A flipped bit is noticed. */
    mongocrypt_binary_data(one)[len - 2] ^= 1;
    mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
    mongocrypt_binary_t *out = mongocrypt_binary_new();
    CHECK(!mongocrypt_ctx_explicit_decrypt_init(ctx, one) || !mongocrypt_ctx_finalize(ctx, out));
    CHECK_CTX(ctx, "HMAC validation failure");
    mongocrypt_binary_destroy(out);
    mongocrypt_ctx_destroy(ctx);
    for (int at = 0; at < 4; at++) {
        drop_heap(all[at]);
    }
    mongocrypt_destroy(crypt);
}

/* {"db.coll": {bsonType: "object", properties: {ssn: {encrypt: {keyId: [id], ...}}}}} */
static mongocrypt_binary_t *schema_map(const vault_t *vault) {
    doc_t doc;
    begin(&doc);
    open_inner(&doc, "db.coll", 3);
    put_text(&doc, "bsonType", "object");
    open_inner(&doc, "properties", 3);
    open_inner(&doc, "ssn", 3);
    open_inner(&doc, "encrypt", 3);
    open_inner(&doc, "keyId", 4);
    put_binary(&doc, "0", 4, vault->id, 16);
    close_inner(&doc);
    put_text(&doc, "bsonType", "string");
    put_text(&doc, "algorithm", MONGOCRYPT_ALGORITHM_DETERMINISTIC_STR);
    close_inner(&doc);
    close_inner(&doc);
    close_inner(&doc);
    close_inner(&doc);
    return on_heap(end(&doc));
}

/* {insert: "coll", documents: [{ssn: "secret text"}]} */
static mongocrypt_binary_t *insert(void) {
    doc_t doc;
    begin(&doc);
    put_text(&doc, "insert", "coll");
    open_inner(&doc, "documents", 4);
    open_inner(&doc, "0", 3);
    put_text(&doc, "ssn", "secret text");
    close_inner(&doc);
    close_inner(&doc);
    return on_heap(end(&doc));
}

static void decrypt_again(mongocrypt_t *crypt, vault_t *vault, mongocrypt_binary_t *encrypted) {
    mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
    mongocrypt_binary_t *out = mongocrypt_binary_new();
    OK(ctx, mongocrypt_ctx_decrypt_init(ctx, encrypted));
    run(ctx, vault, out);
    CHECK(find(out, "secret text", 12));
    mongocrypt_binary_destroy(out);
    mongocrypt_ctx_destroy(ctx);
}

static void automatic_with_built_in_analysis(void) {
    vault_t vault;
    mongocrypt_t *maker = local();
    make_key(maker, &vault);
    mongocrypt_destroy(maker);

    mongocrypt_t *crypt = new_local();
    mongocrypt_binary_t *map = schema_map(&vault), *command = insert();
    CHECK(mongocrypt_setopt_schema_map(crypt, map));
    drop_heap(map);
    mongocrypt_setopt_append_crypt_shared_lib_search_path(crypt, "$SYSTEM");
    CHECK(mongocrypt_init(crypt));
    uint32_t len = 0;
    const char *version = mongocrypt_crypt_shared_lib_version_string(crypt, &len);
    CHECK(version && strlen(version) == len);
    CHECK(mongocrypt_crypt_shared_lib_version(crypt) >> 48 >= 8);

    mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
    mongocrypt_binary_t *out = mongocrypt_binary_new();
    OK(ctx, mongocrypt_ctx_encrypt_init(ctx, "db", 2, command));
    drop_heap(command);
    run(ctx, &vault, out);
    CHECK(!find(out, "secret", 6) && find(out, "insert", 7));
    mongocrypt_binary_t *encrypted = copy(out);
    mongocrypt_binary_destroy(out);
    mongocrypt_ctx_destroy(ctx);
    decrypt_again(crypt, &vault, encrypted);
    drop_heap(encrypted);
    mongocrypt_destroy(crypt);
}

static void automatic_with_the_callers_analysis(void) {
    vault_t vault;
    doc_t doc;
    mongocrypt_t *maker = local();
    make_key(maker, &vault);
    mongocrypt_destroy(maker);

    mongocrypt_t *crypt = new_local();
    mongocrypt_binary_t *map = schema_map(&vault), *command = insert();
    CHECK(mongocrypt_setopt_schema_map(crypt, map));
    drop_heap(map);
    CHECK(mongocrypt_init(crypt));
    CHECK(!mongocrypt_crypt_shared_lib_version_string(crypt, NULL));

    mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
    mongocrypt_binary_t *out = mongocrypt_binary_new(), *op = mongocrypt_binary_new();
    OK(ctx, mongocrypt_ctx_encrypt_init(ctx, "db", -1, command));
    drop_heap(command);
    CHECK(mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_NEED_MONGO_MARKINGS);
    OK(ctx, mongocrypt_ctx_mongo_op(ctx, op));
    CHECK(find(op, "jsonSchema", 11));
    mongocrypt_binary_destroy(op);

    /* A marking: 0, then {a: 1, ki: id, v: "secret text"}. */
    doc_t marking;
    begin(&marking);
    put_int(&marking, "a", 1);
    put_binary(&marking, "ki", 4, vault.id, 16);
    put_text(&marking, "v", "secret text");
    mongocrypt_binary_destroy(end(&marking));
    uint8_t bytes[256] = {0};
    memcpy(bytes + 1, marking.bytes, marking.len);
    begin(&doc);
    put_bool(&doc, "hasEncryptedPlaceholders", true);
    put_bool(&doc, "schemaRequiresEncryption", true);
    open_inner(&doc, "result", 3);
    put_text(&doc, "insert", "coll");
    open_inner(&doc, "documents", 4);
    open_inner(&doc, "0", 3);
    put_binary(&doc, "ssn", 6, bytes, marking.len + 1);
    close_inner(&doc);
    close_inner(&doc);
    close_inner(&doc);
    mongocrypt_binary_t *reply = on_heap(end(&doc));
    OK(ctx, mongocrypt_ctx_mongo_feed(ctx, reply));
    drop_heap(reply);
    OK(ctx, mongocrypt_ctx_mongo_done(ctx));
    run(ctx, &vault, out);
    CHECK(!find(out, "secret", 6));
    mongocrypt_binary_t *encrypted = copy(out);
    mongocrypt_binary_destroy(out);
    mongocrypt_ctx_destroy(ctx);
    decrypt_again(crypt, &vault, encrypted);
    drop_heap(encrypted);
    mongocrypt_destroy(crypt);
}

static void rewrap(void) {
    vault_t vault;
    doc_t doc;
    mongocrypt_t *crypt = local();
    make_key(crypt, &vault);
    begin(&doc);
    mongocrypt_binary_t *filter = on_heap(end(&doc));
    for (int with_key = 0; with_key < 2; with_key++) {
        mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
        mongocrypt_binary_t *out = mongocrypt_binary_new();
        set_master_key(ctx, "local");
        OK(ctx, mongocrypt_ctx_rewrap_many_datakey_init(ctx, filter));
        CHECK(mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_NEED_MONGO_KEYS);
        if (with_key) {
            mongocrypt_binary_t *key = mongocrypt_binary_new_from_data(vault.bytes, vault.len);
            OK(ctx, mongocrypt_ctx_mongo_feed(ctx, key));
            mongocrypt_binary_destroy(key);
            OK(ctx, mongocrypt_ctx_mongo_done(ctx));
            CHECK(mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_READY);
            OK(ctx, mongocrypt_ctx_finalize(ctx, out));
            CHECK(find(out, vault.id, 16) && find(out, "keyMaterial", 12));
        } else {
            OK(ctx, mongocrypt_ctx_mongo_done(ctx));
        }
        CHECK(mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_DONE);
        mongocrypt_binary_destroy(out);
        mongocrypt_ctx_destroy(ctx);
    }
    drop_heap(filter);
    mongocrypt_destroy(crypt);
}

static void feed_text(mongocrypt_kms_ctx_t *kms, const char *text, bool expected) {
    size_t len = strlen(text);
    while (len > 0) {
        uint32_t part = mongocrypt_kms_ctx_bytes_needed(kms);
        part = part > 7 ? 7 : part;
        part = part > len ? (uint32_t)len : part;
        CHECK(part > 0);
        mongocrypt_binary_t *view =
            on_heap(mongocrypt_binary_new_from_data((uint8_t *)(uintptr_t)text, part));
        bool fed = mongocrypt_kms_ctx_feed(kms, view);
        drop_heap(view);
        text += part;
        len -= part;
        if (!fed) {
            CHECK(!expected);
            return;
        }
    }
    CHECK(expected);
}

/* A new data key under AWS, whose credentials are asked for. */
static void key_services(void) {
    doc_t doc;
    mongocrypt_t *crypt = mongocrypt_new();
    begin(&doc);
    open_inner(&doc, "aws", 3);
    close_inner(&doc);
    mongocrypt_binary_t *providers = on_heap(end(&doc));
    CHECK(mongocrypt_setopt_kms_providers(crypt, providers));
    drop_heap(providers);
    mongocrypt_setopt_use_need_kms_credentials_state(crypt);
    CHECK(mongocrypt_setopt_retry_kms(crypt, true));
    CHECK(mongocrypt_init(crypt));

    mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
    OK(ctx, mongocrypt_ctx_setopt_masterkey_aws(ctx, "us-east-1", -1, "arn", 3));
    OK(ctx, mongocrypt_ctx_setopt_masterkey_aws_endpoint(ctx, "kms.example.com:99", -1));
    OK(ctx, mongocrypt_ctx_datakey_init(ctx));
    CHECK(mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_NEED_KMS_CREDENTIALS);
    begin(&doc);
    open_inner(&doc, "aws", 3);
    put_text(&doc, "accessKeyId", "id");
    put_text(&doc, "secretAccessKey", "secret");
    close_inner(&doc);
    providers = on_heap(end(&doc));
    OK(ctx, mongocrypt_ctx_provide_kms_providers(ctx, providers));
    drop_heap(providers);
    CHECK(mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_NEED_KMS);

    mongocrypt_kms_ctx_t *kms = mongocrypt_ctx_next_kms_ctx(ctx);
    CHECK(kms && !mongocrypt_ctx_next_kms_ctx(ctx));
    const char *endpoint = NULL;
    uint32_t len = 0;
    mongocrypt_binary_t *view = mongocrypt_binary_new();
    CHECK(mongocrypt_kms_ctx_endpoint(kms, &endpoint) && 0 == strcmp(endpoint, "kms.example.com:99"));
    CHECK(0 == strcmp(mongocrypt_kms_ctx_get_kms_provider(kms, &len), "aws") && len == 3);
    CHECK(mongocrypt_kms_ctx_message(kms, view) && find(view, "TrentService.Encrypt", 20));
    mongocrypt_binary_destroy(view);

    /* Busy: the same exchange is handed out again. */
    CHECK(mongocrypt_kms_ctx_usleep(kms) == 0);
    feed_text(kms, "HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nbusy", true);
    CHECK(mongocrypt_kms_ctx_bytes_needed(kms) == 0 && mongocrypt_kms_ctx_usleep(kms) > 0);
    CHECK(mongocrypt_ctx_next_kms_ctx(ctx) == kms && !mongocrypt_ctx_next_kms_ctx(ctx));
    /* The network fails: again. */
    CHECK(mongocrypt_kms_ctx_fail(kms) && mongocrypt_ctx_next_kms_ctx(ctx) == kms);
    /* Busy: the caller is told at once. */
    bool again = false;
    static const char busy[] = "HTTP/1.1 429 X\r\n\r\n";
    view = mongocrypt_binary_new_from_data((uint8_t *)(uintptr_t)busy, sizeof busy - 1);
    CHECK(mongocrypt_kms_ctx_feed_with_retry(kms, view, &again) && again);
    mongocrypt_binary_destroy(view);
    CHECK(mongocrypt_ctx_next_kms_ctx(ctx) == kms);

    char reply[512];
    char blob[129];
    memset(blob, 'A', 128);
    blob[128] = 0;
    snprintf(reply, sizeof reply, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n{\"CiphertextBlob\":\"%s\"}", 21 + 128, blob);
    feed_text(kms, reply, true);
    CHECK(mongocrypt_kms_ctx_bytes_needed(kms) == 0);
    OK(ctx, mongocrypt_ctx_kms_done(ctx));
    CHECK(mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_READY);

    /* The exchange is over, but not gone. */
    mongocrypt_status_t *status = mongocrypt_status_new();
    CHECK(mongocrypt_kms_ctx_status(kms, status));
    CHECK(mongocrypt_kms_ctx_bytes_needed(kms) == 0 && !mongocrypt_kms_ctx_fail(kms));
    CHECK(!mongocrypt_kms_ctx_status(kms, status));
    CHECK_TEXT(status, "no longer in use");
    CHECK(0 == strcmp(endpoint, "kms.example.com:99"));
    mongocrypt_status_destroy(status);

    view = mongocrypt_binary_new();
    OK(ctx, mongocrypt_ctx_finalize(ctx, view));
    CHECK(find(view, "masterKey", 10) && find(view, "kms.example.com:99", 19));
    mongocrypt_binary_destroy(view);
    mongocrypt_ctx_destroy(ctx);
    mongocrypt_destroy(crypt);
}

/* A failed exchange fails its context. */
static void failing_key_service(void) {
    mongocrypt_t *crypt = mongocrypt_new();
    CHECK(mongocrypt_setopt_kms_provider_aws(crypt, "id", -1, "secret", 6));
    CHECK(mongocrypt_init(crypt));
    mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
    OK(ctx, mongocrypt_ctx_setopt_masterkey_aws(ctx, "us-east-1", 9, "arn", -1));
    OK(ctx, mongocrypt_ctx_datakey_init(ctx));
    mongocrypt_kms_ctx_t *kms = mongocrypt_ctx_next_kms_ctx(ctx);
    feed_text(kms, "HTTP/1.1 404 X\r\nContent-Length: 4\r\n\r\nwho?", false);
    mongocrypt_status_t *status = mongocrypt_status_new();
    CHECK(!mongocrypt_kms_ctx_status(kms, status));
    CHECK_TEXT(status, "HTTP status=404. Response body=\nwho?");
    CHECK(mongocrypt_kms_ctx_bytes_needed(kms) == 0);
    mongocrypt_status_destroy(status);
    CHECK(!mongocrypt_ctx_kms_done(ctx));
    CHECK_CTX(ctx, "HTTP status=404");
    mongocrypt_ctx_destroy(ctx);
    mongocrypt_destroy(crypt);
}

/* A context that fails otherwise ends its exchanges, which C still holds. */
static void exchange_of_a_failed_context(void) {
    mongocrypt_t *crypt = mongocrypt_new();
    CHECK(mongocrypt_setopt_kms_provider_aws(crypt, "id", -1, "secret", 6));
    CHECK(mongocrypt_init(crypt));
    for (int way = 0; way < 3; way++) {
        mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
        mongocrypt_binary_t view = {NULL, 0};
        OK(ctx, mongocrypt_ctx_setopt_masterkey_aws(ctx, "us-east-1", 9, "arn", -1));
        OK(ctx, mongocrypt_ctx_datakey_init(ctx));
        mongocrypt_kms_ctx_t *kms = mongocrypt_ctx_next_kms_ctx(ctx);
        CHECK(kms && mongocrypt_kms_ctx_message(kms, &view));
        CHECK(way != 0 || !mongocrypt_ctx_mongo_done(ctx));
        CHECK(way != 1 || !mongocrypt_ctx_setopt_masterkey_local(ctx));
        CHECK(way != 2 || !mongocrypt_ctx_datakey_init(ctx));
        CHECK(!mongocrypt_kms_ctx_message(kms, &view) && mongocrypt_kms_ctx_bytes_needed(kms) == 0);
        CHECK(!mongocrypt_kms_ctx_feed(kms, &view) && !mongocrypt_kms_ctx_fail(kms));
        mongocrypt_ctx_destroy(ctx);
    }
    mongocrypt_destroy(crypt);
}

int main(void) {
    uint32_t len = 0;
    CHECK(0 == strcmp(mongocrypt_version(&len), MONGOCRYPT_VERSION));
    CHECK(len == strlen(MONGOCRYPT_VERSION) && mongocrypt_is_crypto_available());
    explicit_round_trip();
    automatic_with_built_in_analysis();
    automatic_with_the_callers_analysis();
    rewrap();
    key_services();
    failing_key_service();
    exchange_of_a_failed_context();
    puts("ok");
    return 0;
}
