/* Wrong calls: each is an error with a reason, and none reads or writes where it should not. */
#include "support.h"

static void null_everywhere(void) {
    mongocrypt_binary_t view = {NULL, 0};
    bool flag = false;
    uint32_t len = 0;
    const char *text = NULL;
    CHECK(mongocrypt_binary_data(NULL) == NULL && mongocrypt_binary_len(NULL) == 0);
    CHECK(mongocrypt_status_ok(NULL) && mongocrypt_status_code(NULL) == 0);
    CHECK(mongocrypt_status_message(NULL, &len) == NULL);
    CHECK(mongocrypt_status_type(NULL) == MONGOCRYPT_STATUS_OK);
    mongocrypt_status_set(NULL, MONGOCRYPT_STATUS_ERROR_CLIENT, 1, "x", -1);
    CHECK(!mongocrypt_setopt_log_handler(NULL, NULL, NULL));
    CHECK(!mongocrypt_setopt_retry_kms(NULL, true));
    CHECK(!mongocrypt_setopt_enable_multiple_collinfo(NULL));
    CHECK(!mongocrypt_setopt_kms_provider_aws(NULL, NULL, 0, NULL, 0));
    CHECK(!mongocrypt_setopt_kms_provider_local(NULL, NULL));
    CHECK(!mongocrypt_setopt_kms_providers(NULL, &view));
    CHECK(!mongocrypt_setopt_schema_map(NULL, &view));
    CHECK(!mongocrypt_setopt_encrypted_field_config_map(NULL, &view));
    mongocrypt_setopt_append_crypt_shared_lib_search_path(NULL, NULL);
    mongocrypt_setopt_set_crypt_shared_lib_path_override(NULL, NULL);
    mongocrypt_setopt_use_need_kms_credentials_state(NULL);
    mongocrypt_setopt_use_need_mongo_collinfo_with_db_state(NULL);
    mongocrypt_setopt_bypass_query_analysis(NULL);
    CHECK(!mongocrypt_setopt_use_range_v2(NULL));
    CHECK(!mongocrypt_setopt_key_expiration(NULL, 1));
    CHECK(!mongocrypt_setopt_crypto_hooks(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL));
    CHECK(!mongocrypt_setopt_aes_256_ctr(NULL, NULL, NULL, NULL));
    CHECK(!mongocrypt_setopt_aes_256_ecb(NULL, NULL, NULL));
    CHECK(!mongocrypt_setopt_crypto_hook_sign_rsaes_pkcs1_v1_5(NULL, NULL, NULL));
    CHECK(!mongocrypt_init(NULL) && !mongocrypt_status(NULL, NULL));
    CHECK(!mongocrypt_crypt_shared_lib_version_string(NULL, NULL));
    CHECK(mongocrypt_crypt_shared_lib_version(NULL) == 0);
    CHECK(!mongocrypt_ctx_new(NULL));
    CHECK(!mongocrypt_ctx_status(NULL, NULL));
    CHECK(!mongocrypt_ctx_setopt_key_id(NULL, &view));
    CHECK(!mongocrypt_ctx_setopt_index_key_id(NULL, &view));
    CHECK(!mongocrypt_ctx_setopt_key_alt_name(NULL, &view));
    CHECK(!mongocrypt_ctx_setopt_key_material(NULL, &view));
    CHECK(!mongocrypt_ctx_setopt_algorithm(NULL, NULL, -1));
    CHECK(!mongocrypt_ctx_setopt_query_type(NULL, NULL, -1));
    CHECK(!mongocrypt_ctx_setopt_contention_factor(NULL, 1));
    CHECK(!mongocrypt_ctx_setopt_algorithm_range(NULL, &view));
    CHECK(!mongocrypt_ctx_setopt_algorithm_text(NULL, &view));
    CHECK(!mongocrypt_ctx_setopt_masterkey_aws(NULL, NULL, -1, NULL, -1));
    CHECK(!mongocrypt_ctx_setopt_masterkey_aws_endpoint(NULL, NULL, -1));
    CHECK(!mongocrypt_ctx_setopt_masterkey_local(NULL));
    CHECK(!mongocrypt_ctx_setopt_key_encryption_key(NULL, &view));
    CHECK(!mongocrypt_ctx_datakey_init(NULL));
    CHECK(!mongocrypt_ctx_encrypt_init(NULL, NULL, -1, NULL));
    CHECK(!mongocrypt_ctx_explicit_encrypt_init(NULL, NULL));
    CHECK(!mongocrypt_ctx_explicit_encrypt_expression_init(NULL, NULL));
    CHECK(!mongocrypt_ctx_decrypt_init(NULL, NULL));
    CHECK(!mongocrypt_ctx_explicit_decrypt_init(NULL, NULL));
    CHECK(!mongocrypt_ctx_rewrap_many_datakey_init(NULL, NULL));
    CHECK(mongocrypt_ctx_state(NULL) == MONGOCRYPT_CTX_ERROR);
    CHECK(!mongocrypt_ctx_mongo_op(NULL, &view) && !mongocrypt_ctx_mongo_db(NULL));
    CHECK(!mongocrypt_ctx_mongo_feed(NULL, &view) && !mongocrypt_ctx_mongo_done(NULL));
    CHECK(!mongocrypt_ctx_next_kms_ctx(NULL) && !mongocrypt_ctx_kms_done(NULL));
    CHECK(!mongocrypt_ctx_provide_kms_providers(NULL, &view));
    CHECK(!mongocrypt_ctx_finalize(NULL, &view));
    CHECK(!mongocrypt_kms_ctx_message(NULL, &view) && !mongocrypt_kms_ctx_endpoint(NULL, &text));
    CHECK(mongocrypt_kms_ctx_bytes_needed(NULL) == 0 && mongocrypt_kms_ctx_usleep(NULL) == 0);
    CHECK(!mongocrypt_kms_ctx_feed(NULL, &view));
    CHECK(!mongocrypt_kms_ctx_feed_with_retry(NULL, &view, &flag));
    CHECK(!mongocrypt_kms_ctx_fail(NULL) && !mongocrypt_kms_ctx_status(NULL, NULL));
    CHECK(!mongocrypt_kms_ctx_get_kms_provider(NULL, &len));
    mongocrypt_binary_destroy(NULL);
    mongocrypt_status_destroy(NULL);
    mongocrypt_ctx_destroy(NULL);
    mongocrypt_destroy(NULL);
}

static void statuses(void) {
    mongocrypt_status_t *status = mongocrypt_status_new();
    uint32_t len = 0;
    CHECK(mongocrypt_status_ok(status) && !mongocrypt_status_message(status, &len));
    mongocrypt_status_set(status, MONGOCRYPT_STATUS_ERROR_KMS, 7, "abc", 4);
    CHECK(!mongocrypt_status_ok(status) && mongocrypt_status_code(status) == 7);
    CHECK(0 == strcmp(mongocrypt_status_message(status, &len), "abc") && len == 3);
    CHECK(mongocrypt_status_type(status) == MONGOCRYPT_STATUS_ERROR_KMS);
    mongocrypt_status_set(status, MONGOCRYPT_STATUS_ERROR_CLIENT, 7, NULL, -1);
    CHECK(0 == strcmp(mongocrypt_status_message(status, &len), "") && len == 0);
    mongocrypt_status_destroy(status);
    mongocrypt_status_destroy(status);
    mongocrypt_status_t *one = mongocrypt_status_new(), *two = mongocrypt_status_new();
    CHECK(one != two && mongocrypt_status_ok(one));
    mongocrypt_status_destroy(one);
    mongocrypt_status_destroy(two);
}

static void handles(void) {
    mongocrypt_binary_t none = {NULL, 0};
    uint8_t junk[] = {9, 0, 0, 0, 1, 2, 3, 4};
    mongocrypt_binary_t broken = {junk, sizeof junk};
    mongocrypt_t *crypt = mongocrypt_new();
    CHECK(!mongocrypt_ctx_new(crypt));
    CHECK_CRYPT(crypt, "cannot create context from uninitialized crypt");
    mongocrypt_destroy(crypt);

    crypt = mongocrypt_new();
    CHECK(!mongocrypt_init(crypt));
    CHECK_CRYPT(crypt, "no kms provider set");
    CHECK(!mongocrypt_init(crypt));
    CHECK_CRYPT(crypt, "already initialized");
    CHECK(!mongocrypt_ctx_new(crypt));
    mongocrypt_destroy(crypt);

    crypt = new_local();
    CHECK(!mongocrypt_status(crypt, NULL));
    CHECK(!mongocrypt_setopt_kms_providers(crypt, NULL));
    CHECK_CRYPT(crypt, "invalid BSON");
    CHECK(!mongocrypt_setopt_kms_providers(crypt, &broken));
    CHECK(!mongocrypt_setopt_schema_map(crypt, NULL));
    CHECK_CRYPT(crypt, "passed null schema map");
    CHECK(!mongocrypt_setopt_schema_map(crypt, &none));
    CHECK(!mongocrypt_setopt_schema_map(crypt, &broken));
    CHECK_CRYPT(crypt, "invalid bson");
    CHECK(!mongocrypt_setopt_encrypted_field_config_map(crypt, &none));
    CHECK_CRYPT(crypt, "passed null encrypted_field_config_map");
    CHECK(!mongocrypt_setopt_kms_provider_aws(crypt, "id", -2, "secret", -1));
    CHECK_CRYPT(crypt, "invalid aws access key id");
    CHECK(!mongocrypt_setopt_kms_provider_aws(crypt, "id", -1, "\xff", 1));
    CHECK_CRYPT(crypt, "invalid aws secret access key");
    CHECK(!mongocrypt_setopt_kms_provider_local(crypt, &broken));
    CHECK_CRYPT(crypt, "local key must be 96 bytes");
    uint8_t key[96] = {0};
    mongocrypt_binary_t key_view = {key, sizeof key};
    CHECK(!mongocrypt_setopt_kms_provider_local(crypt, &key_view));
    CHECK_CRYPT(crypt, "local kms provider already set");
    CHECK(!mongocrypt_setopt_key_expiration(crypt, UINT64_MAX));
    CHECK_CRYPT(crypt, "expiration time must be less than");
    CHECK(!mongocrypt_setopt_crypto_hooks(crypt, NULL, NULL, NULL, NULL, NULL, NULL, NULL));
    CHECK_CRYPT(crypt, "aes_256_cbc_encrypt not set");
    CHECK(!mongocrypt_setopt_aes_256_ecb(crypt, NULL, NULL));
    CHECK_CRYPT(crypt, "aes_256_ecb_encrypt not set");
    /* An option that was refused is not forgotten. */
    CHECK(!mongocrypt_init(crypt));
    mongocrypt_destroy(crypt);

    crypt = local();
    CHECK(!mongocrypt_setopt_retry_kms(crypt, true));
    CHECK_CRYPT(crypt, "options cannot be set after initialization");
    mongocrypt_destroy(crypt);

    crypt = new_local();
    mongocrypt_setopt_set_crypt_shared_lib_path_override(crypt, "/doesnotexist");
    CHECK(!mongocrypt_init(crypt));
    CHECK_CRYPT(crypt, "A crypt_shared override path was specified [/doesnotexist], but we failed");
    mongocrypt_destroy(crypt);
}

static mongocrypt_t *crypt;

static mongocrypt_ctx_t *fresh(void) {
    return mongocrypt_ctx_new(crypt);
}

#define REFUSED(ctx, call, text)                                                     \
    do {                                                                             \
        mongocrypt_ctx_t *refused = (ctx);                                           \
        CHECK(!(call));                                                              \
        CHECK_CTX(refused, text);                                                    \
        /* Nothing works any more, and the reason stays. */                          \
        CHECK(!mongocrypt_ctx_datakey_init(refused));                                \
        CHECK(!mongocrypt_ctx_mongo_done(refused));                                  \
        CHECK_CTX(refused, text);                                                    \
        mongocrypt_ctx_destroy(refused);                                             \
    } while (0)

static void context_options(void) {
    mongocrypt_binary_t none = {NULL, 0};
    uint8_t junk[15] = {9};
    mongocrypt_binary_t broken = {junk, sizeof junk};
    REFUSED(fresh(), mongocrypt_ctx_setopt_key_id(refused, NULL), "option must be non-NULL");
    REFUSED(fresh(), mongocrypt_ctx_setopt_key_id(refused, &none), "option must be non-NULL");
    REFUSED(fresh(), mongocrypt_ctx_setopt_key_id(refused, &broken), "expected 16 byte UUID");
    REFUSED(fresh(), mongocrypt_ctx_setopt_index_key_id(refused, &broken), "expected 16 byte UUID");
    REFUSED(fresh(), mongocrypt_ctx_setopt_key_alt_name(refused, &broken), "invalid keyAltName bson object");
    REFUSED(fresh(), mongocrypt_ctx_setopt_key_material(refused, &broken), "invalid keyMaterial bson object");
    REFUSED(fresh(), mongocrypt_ctx_setopt_algorithm(refused, NULL, -1), "passed null algorithm");
    REFUSED(fresh(), mongocrypt_ctx_setopt_algorithm(refused, "x", -2), "invalid algorithm length");
    REFUSED(fresh(), mongocrypt_ctx_setopt_algorithm(refused, "xyz", 2), "unsupported algorithm string \"xy\"");
    REFUSED(fresh(), mongocrypt_ctx_setopt_algorithm(refused, "RangePreview", -1), "please use 'range'");
    REFUSED(fresh(), mongocrypt_ctx_setopt_query_type(refused, NULL, -1), "Invalid null query_type string");
    REFUSED(fresh(), mongocrypt_ctx_setopt_query_type(refused, "x", -3), "Invalid query_type string length");
    REFUSED(fresh(), mongocrypt_ctx_setopt_query_type(refused, "x", 1), "Unsupported query_type \"x\"");
    REFUSED(fresh(), mongocrypt_ctx_setopt_algorithm_range(refused, &broken), "invalid BSON");
    REFUSED(fresh(), mongocrypt_ctx_setopt_algorithm_text(refused, NULL), "invalid BSON");
    REFUSED(fresh(), mongocrypt_ctx_setopt_key_encryption_key(refused, NULL), "invalid NULL key encryption key document");
    REFUSED(fresh(), mongocrypt_ctx_setopt_key_encryption_key(refused, &broken), "invalid BSON");
    REFUSED(fresh(), mongocrypt_ctx_setopt_masterkey_aws(refused, NULL, -1, "k", 1), "invalid region");
    REFUSED(fresh(), mongocrypt_ctx_setopt_masterkey_aws(refused, "r", 1, "k", 0), "invalid cmk");
    REFUSED(fresh(), mongocrypt_ctx_setopt_masterkey_aws_endpoint(refused, "nodot", -1), "expected dot separator in host");

    mongocrypt_ctx_t *ctx = fresh();
    CHECK(mongocrypt_ctx_setopt_masterkey_local(ctx));
    REFUSED(ctx, mongocrypt_ctx_setopt_masterkey_local(refused), "master key already set");
    ctx = fresh();
    set_name(ctx, "a");
    doc_t doc;
    begin(&doc);
    put_text(&doc, "keyAltName", "a");
    mongocrypt_binary_t *view = on_heap(end(&doc));
    REFUSED(ctx, mongocrypt_ctx_setopt_key_alt_name(refused, view), "duplicate keyAltNames found");
    drop_heap(view);
    ctx = fresh();
    OK(ctx, mongocrypt_ctx_setopt_algorithm(ctx, "indexed", -1));
    REFUSED(ctx, mongocrypt_ctx_setopt_algorithm(refused, "range", -1), "already set algorithm");
    begin(&doc);
    put_binary(&doc, "keyMaterial", 0, junk, 15);
    view = on_heap(end(&doc));
    REFUSED(fresh(), mongocrypt_ctx_setopt_key_material(refused, view),
            "keyMaterial should have length 96, but has length 15");
    drop_heap(view);
}

static void operations(void) {
    mongocrypt_binary_t none = {NULL, 0};
    uint8_t junk[8] = {9};
    mongocrypt_binary_t broken = {junk, sizeof junk};
    REFUSED(fresh(), mongocrypt_ctx_datakey_init(refused), "master key required");
    REFUSED(fresh(), mongocrypt_ctx_encrypt_init(refused, NULL, -1, &broken), "invalid db");
    REFUSED(fresh(), mongocrypt_ctx_encrypt_init(refused, "db", -2, &broken), "invalid");
    REFUSED(fresh(), mongocrypt_ctx_encrypt_init(refused, "db", -1, NULL), "invalid command");
    REFUSED(fresh(), mongocrypt_ctx_explicit_decrypt_init(refused, &none), "invalid msg");
    REFUSED(fresh(), mongocrypt_ctx_explicit_decrypt_init(refused, &broken), "malformed bson");
    REFUSED(fresh(), mongocrypt_ctx_decrypt_init(refused, NULL), "invalid doc");
    REFUSED(fresh(), mongocrypt_ctx_decrypt_init(refused, &broken), "malformed bson");
    REFUSED(fresh(), mongocrypt_ctx_rewrap_many_datakey_init(refused, NULL), "filter must not be null");
    REFUSED(fresh(), mongocrypt_ctx_explicit_encrypt_init(refused, NULL), "");

    doc_t doc;
    begin(&doc);
    put_int(&doc, "v", 1);
    mongocrypt_binary_t *view = on_heap(end(&doc));
    REFUSED(fresh(), mongocrypt_ctx_explicit_encrypt_init(refused, view),
            "either key id or key alt name required");
    REFUSED(fresh(), mongocrypt_ctx_explicit_decrypt_init(refused, view), "'v' must contain a binary");
    mongocrypt_ctx_t *ctx = fresh();
    CHECK(mongocrypt_ctx_setopt_masterkey_local(ctx));
    REFUSED(ctx, mongocrypt_ctx_decrypt_init(refused, view), "master key prohibited");
    ctx = fresh();
    set_name(ctx, "a");
    REFUSED(ctx, mongocrypt_ctx_decrypt_init(refused, view), "key id and alt name prohibited");

    /* The wrong state. */
    REFUSED(fresh(), mongocrypt_ctx_state(refused), "ctx NULL or uninitialized");
    REFUSED(fresh(), mongocrypt_ctx_mongo_op(refused, &none), "ctx NULL or uninitialized");
    REFUSED(fresh(), mongocrypt_ctx_kms_done(refused), "ctx NULL or uninitialized");
    REFUSED(fresh(), mongocrypt_ctx_finalize(refused, &none), "ctx NULL or uninitialized");
    mongocrypt_ctx_t *ready[7];
    for (int at = 0; at < 7; at++) {
        ready[at] = fresh();
        CHECK(mongocrypt_ctx_setopt_masterkey_local(ready[at]));
        OK(ready[at], mongocrypt_ctx_datakey_init(ready[at]));
    }
    REFUSED(ready[0], mongocrypt_ctx_mongo_op(refused, &none), "wrong state");
    REFUSED(ready[1], mongocrypt_ctx_mongo_feed(refused, view), "wrong state");
    REFUSED(ready[2], mongocrypt_ctx_next_kms_ctx(refused), "wrong state");
    REFUSED(ready[3], mongocrypt_ctx_provide_kms_providers(refused, view), "wrong state");
    REFUSED(ready[4], mongocrypt_ctx_datakey_init(refused), "cannot double initialize");
    REFUSED(ready[5], mongocrypt_ctx_setopt_masterkey_local(refused), "cannot set options after init");
    REFUSED(ready[6], mongocrypt_ctx_finalize(refused, NULL), "invalid NULL output");

    /* A result is taken once. */
    ctx = fresh();
    CHECK(mongocrypt_ctx_setopt_masterkey_local(ctx));
    OK(ctx, mongocrypt_ctx_datakey_init(ctx));
    OK(ctx, mongocrypt_ctx_finalize(ctx, &none));
    REFUSED(ctx, mongocrypt_ctx_finalize(refused, &broken), "wrong state");
    drop_heap(view);
}

/* Keys that were not asked for, are malformed, or are missing. */
static void feeding(void) {
    doc_t doc;
    uint8_t id[16] = {1};
    mongocrypt_binary_t id_view = {id, 16}, none = {NULL, 0};
    mongocrypt_ctx_t *waiting[4];
    begin(&doc);
    put_int(&doc, "v", 1);
    mongocrypt_binary_t *view = on_heap(end(&doc));
    for (int at = 0; at < 4; at++) {
        waiting[at] = fresh();
        OK(waiting[at], mongocrypt_ctx_setopt_key_id(waiting[at], &id_view));
        OK(waiting[at], mongocrypt_ctx_setopt_algorithm(waiting[at], MONGOCRYPT_ALGORITHM_RANDOM_STR, -1));
        OK(waiting[at], mongocrypt_ctx_explicit_encrypt_init(waiting[at], view));
        CHECK(mongocrypt_ctx_state(waiting[at]) == MONGOCRYPT_CTX_NEED_MONGO_KEYS);
    }
    vault_t vault;
    make_key(crypt, &vault);
    mongocrypt_binary_t key = {vault.bytes, vault.len};
    REFUSED(waiting[0], mongocrypt_ctx_mongo_feed(refused, &key), "unexpected key returned");
    REFUSED(waiting[1], mongocrypt_ctx_mongo_feed(refused, NULL), "invalid NULL input");
    REFUSED(waiting[2], mongocrypt_ctx_mongo_done(refused), "not all keys requested were satisfied");
    REFUSED(waiting[3], mongocrypt_ctx_mongo_feed(refused, &none), "");
    drop_heap(view);
}

int main(void) {
    null_everywhere();
    statuses();
    handles();
    crypt = local();
    context_options();
    operations();
    feeding();
    /* Contexts outlive their handle. */
    mongocrypt_ctx_t *ctx = fresh();
    CHECK(mongocrypt_ctx_setopt_masterkey_local(ctx));
    mongocrypt_destroy(crypt);
    OK(ctx, mongocrypt_ctx_datakey_init(ctx));
    mongocrypt_ctx_destroy(ctx);
    puts("ok");
    return 0;
}
