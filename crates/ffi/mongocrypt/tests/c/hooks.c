/* Crypto hooks: they are what encrypts, and their failures are heard. */
#include "support.h"

/* Primitives that are no cryptography, but as consistent as it. */
static int cbc_encrypts, cbc_decrypts, randoms, hmacs_512, hmacs_256, hashes, counters, signatures;
/* The key that signing a request to AWS begins with is longer than others. */
static uint32_t hmac_256_key = 32;
static const char *failing;
static int cookie;

static bool fails(const char *name, void *ctx, mongocrypt_status_t *status) {
    CHECK(ctx == &cookie);
    if (failing && 0 == strcmp(failing, name)) {
        mongocrypt_status_set(status, MONGOCRYPT_STATUS_ERROR_CLIENT, 1, "hook failed on purpose", -1);
        return true;
    }
    return false;
}

static bool
flip(mongocrypt_binary_t *key, mongocrypt_binary_t *in, mongocrypt_binary_t *out, uint32_t *written) {
    const uint8_t *from = mongocrypt_binary_data(in);
    uint8_t *to = mongocrypt_binary_data(out);
    CHECK(mongocrypt_binary_len(key) == 32);
    CHECK(mongocrypt_binary_len(out) >= mongocrypt_binary_len(in));
    for (uint32_t at = 0; at < mongocrypt_binary_len(in); at++) {
        to[at] = from[at] ^ 0x5A;
    }
    *written = mongocrypt_binary_len(in);
    return true;
}

static bool cbc_encrypt(void *ctx,
                        mongocrypt_binary_t *key,
                        mongocrypt_binary_t *iv,
                        mongocrypt_binary_t *in,
                        mongocrypt_binary_t *out,
                        uint32_t *written,
                        mongocrypt_status_t *status) {
    cbc_encrypts++;
    CHECK(mongocrypt_binary_len(iv) == 16 && mongocrypt_binary_len(in) % 16 == 0);
    return !fails("cbc_encrypt", ctx, status) && flip(key, in, out, written);
}

static bool cbc_decrypt(void *ctx,
                        mongocrypt_binary_t *key,
                        mongocrypt_binary_t *iv,
                        mongocrypt_binary_t *in,
                        mongocrypt_binary_t *out,
                        uint32_t *written,
                        mongocrypt_status_t *status) {
    cbc_decrypts++;
    CHECK(mongocrypt_binary_len(iv) == 16 && mongocrypt_binary_len(in) % 16 == 0);
    return !fails("cbc_decrypt", ctx, status) && flip(key, in, out, written);
}

static bool counter(void *ctx,
                    mongocrypt_binary_t *key,
                    mongocrypt_binary_t *iv,
                    mongocrypt_binary_t *in,
                    mongocrypt_binary_t *out,
                    uint32_t *written,
                    mongocrypt_status_t *status) {
    counters++;
    CHECK(mongocrypt_binary_len(iv) == 16);
    return !fails("counter", ctx, status) && flip(key, in, out, written);
}

static bool block(void *ctx,
                  mongocrypt_binary_t *key,
                  mongocrypt_binary_t *iv,
                  mongocrypt_binary_t *in,
                  mongocrypt_binary_t *out,
                  uint32_t *written,
                  mongocrypt_status_t *status) {
    counters++;
    CHECK(!iv && mongocrypt_binary_len(in) == 16);
    return !fails("counter", ctx, status) && flip(key, in, out, written);
}

static bool random_bytes(void *ctx, mongocrypt_binary_t *out, uint32_t count, mongocrypt_status_t *status) {
    randoms++;
    CHECK(mongocrypt_binary_len(out) == count);
    memset(mongocrypt_binary_data(out), 0xAB, count);
    /* What is lent is not the hook's to destroy; nothing comes of it. */
    mongocrypt_status_destroy(status);
    return !fails("random", ctx, status);
}

static bool digest(mongocrypt_binary_t *in, mongocrypt_binary_t *out, uint32_t len) {
    uint8_t *to = mongocrypt_binary_data(out);
    const uint8_t *from = mongocrypt_binary_data(in);
    uint32_t sum = 1;
    CHECK(mongocrypt_binary_len(out) == len);
    for (uint32_t at = 0; at < mongocrypt_binary_len(in); at++) {
        sum = sum * 31 + from[at];
    }
    for (uint32_t at = 0; at < len; at++) {
        sum = sum * 31 + 7;
        to[at] = (uint8_t)(sum >> 16);
    }
    return true;
}

static bool hmac_512(void *ctx,
                     mongocrypt_binary_t *key,
                     mongocrypt_binary_t *in,
                     mongocrypt_binary_t *out,
                     mongocrypt_status_t *status) {
    hmacs_512++;
    CHECK(mongocrypt_binary_len(key) == 32);
    return !fails("hmac_512", ctx, status) && digest(in, out, 64);
}

static bool hmac_256(void *ctx,
                     mongocrypt_binary_t *key,
                     mongocrypt_binary_t *in,
                     mongocrypt_binary_t *out,
                     mongocrypt_status_t *status) {
    hmacs_256++;
    CHECK(mongocrypt_binary_len(key) == hmac_256_key);
    hmac_256_key = 32;
    return !fails("hmac_256", ctx, status) && digest(in, out, 32);
}

static bool sha_256(void *ctx, mongocrypt_binary_t *in, mongocrypt_binary_t *out, mongocrypt_status_t *status) {
    hashes++;
    return !fails("sha_256", ctx, status) && digest(in, out, 32);
}

static bool sign(void *ctx,
                 mongocrypt_binary_t *key,
                 mongocrypt_binary_t *in,
                 mongocrypt_binary_t *out,
                 mongocrypt_status_t *status) {
    signatures++;
    CHECK(mongocrypt_binary_len(key) == 3 && mongocrypt_binary_len(in) > 40);
    return !fails("sign", ctx, status) && digest(in, out, 256);
}

static mongocrypt_t *hooked(mongocrypt_t *crypt) {
    CHECK(mongocrypt_setopt_crypto_hooks(
        crypt, cbc_encrypt, cbc_decrypt, random_bytes, hmac_512, hmac_256, sha_256, &cookie));
    CHECK(mongocrypt_setopt_crypto_hook_sign_rsaes_pkcs1_v1_5(crypt, sign, &cookie));
    CHECK(!mongocrypt_setopt_crypto_hook_sign_rsaes_pkcs1_v1_5(crypt, sign, &cookie));
    return crypt;
}

static mongocrypt_ctx_t *encrypting(mongocrypt_t *crypt, const char *algorithm, vault_t *vault) {
    doc_t doc;
    mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
    mongocrypt_binary_t id = {vault->id, 16};
    begin(&doc);
    put_text(&doc, "v", "secret text");
    mongocrypt_binary_t *msg = on_heap(end(&doc));
    OK(ctx, mongocrypt_ctx_setopt_key_id(ctx, &id));
    OK(ctx, mongocrypt_ctx_setopt_algorithm(ctx, algorithm, -1));
    if (0 == strcmp(algorithm, "Indexed")) {
        OK(ctx, mongocrypt_ctx_setopt_contention_factor(ctx, 0));
    }
    OK(ctx, mongocrypt_ctx_explicit_encrypt_init(ctx, msg));
    drop_heap(msg);
    return ctx;
}

static mongocrypt_t *local_hooked(void) {
    mongocrypt_t *crypt = mongocrypt_new();
    uint8_t key[96] = {3};
    mongocrypt_binary_t view = {key, sizeof key};
    CHECK(mongocrypt_setopt_kms_provider_local(crypt, &view));
    /* The signature hook was set twice above, which is an error of the handle: not here. */
    CHECK(mongocrypt_setopt_crypto_hooks(
        crypt, cbc_encrypt, cbc_decrypt, random_bytes, hmac_512, hmac_256, sha_256, &cookie));
    return crypt;
}

static void encrypts_with_hooks(int with_counter) {
    vault_t vault;
    mongocrypt_t *crypt = local_hooked();
    if (with_counter == 1) {
        CHECK(mongocrypt_setopt_aes_256_ctr(crypt, counter, counter, &cookie));
    }
    if (with_counter == 2) {
        CHECK(mongocrypt_setopt_aes_256_ecb(crypt, block, &cookie));
    }
    CHECK(mongocrypt_init(crypt));
    cbc_encrypts = cbc_decrypts = randoms = hmacs_512 = hmacs_256 = counters = 0;
    make_key(crypt, &vault);
    /* The local master key wraps through the hooks. */
    CHECK(randoms > 0 && cbc_encrypts == 1 && hmacs_512 == 1);
    CHECK(find(&(mongocrypt_binary_t){vault.bytes, vault.len}, "\xAB\xAB\xAB\xAB", 4));

    mongocrypt_binary_t *out = mongocrypt_binary_new();
    mongocrypt_ctx_t *ctx = encrypting(crypt, MONGOCRYPT_ALGORITHM_RANDOM_STR, &vault);
    run(ctx, &vault, out);
    CHECK(cbc_decrypts == 1 && cbc_encrypts == 2);
    /* "secret" with each byte flipped by 0x5A. */
    CHECK(find(out, "\x29\x3F\x39\x28\x3F\x2E", 6));
    mongocrypt_ctx_t *back = mongocrypt_ctx_new(crypt);
    mongocrypt_binary_t *plain = mongocrypt_binary_new();
    OK(back, mongocrypt_ctx_explicit_decrypt_init(back, out));
    run(back, &vault, plain);
    CHECK(find(plain, "secret text", 12));
    mongocrypt_binary_destroy(plain);
    mongocrypt_ctx_destroy(back);
    mongocrypt_ctx_destroy(ctx);

    int before = cbc_encrypts;
    ctx = encrypting(crypt, "Indexed", &vault);
    run(ctx, &vault, out);
    CHECK(hmacs_256 > 0);
    CHECK(with_counter ? counters > 0 : cbc_encrypts > before + 1);
    mongocrypt_ctx_destroy(ctx);
    mongocrypt_binary_destroy(out);
    mongocrypt_destroy(crypt);
}

static void failures_are_heard(void) {
    vault_t vault;
    mongocrypt_t *crypt = local_hooked();
    CHECK(mongocrypt_init(crypt));
    make_key(crypt, &vault);
    const char *names[] = {"random", "cbc_encrypt", "hmac_512"};
    for (int at = 0; at < 3; at++) {
        failing = NULL;
        mongocrypt_binary_t *out = mongocrypt_binary_new();
        mongocrypt_ctx_t *ctx = encrypting(crypt, MONGOCRYPT_ALGORITHM_RANDOM_STR, &vault);
        run(ctx, &vault, out);
        mongocrypt_ctx_destroy(ctx);
        failing = names[at];
        ctx = mongocrypt_ctx_new(crypt);
        CHECK(mongocrypt_ctx_setopt_masterkey_local(ctx));
        CHECK(!mongocrypt_ctx_datakey_init(ctx) || !mongocrypt_ctx_finalize(ctx, out));
        CHECK_CTX(ctx, "hook failed on purpose");
        mongocrypt_ctx_destroy(ctx);
        mongocrypt_binary_destroy(out);
    }
    failing = NULL;
    mongocrypt_destroy(crypt);
}

/* A GCP service account signs with the hook; the key is "foo". */
static void signs_with_the_hook(bool fail) {
    doc_t doc;
    mongocrypt_t *crypt = mongocrypt_new();
    begin(&doc);
    open_inner(&doc, "gcp", 3);
    put_text(&doc, "email", "me@example.com");
    put_text(&doc, "privateKey", "Zm9v");
    close_inner(&doc);
    mongocrypt_binary_t *view = on_heap(end(&doc));
    CHECK(mongocrypt_setopt_kms_providers(crypt, view));
    drop_heap(view);
    CHECK(mongocrypt_setopt_crypto_hook_sign_rsaes_pkcs1_v1_5(crypt, sign, &cookie));
    CHECK(mongocrypt_init(crypt));
    mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
    begin(&doc);
    put_text(&doc, "provider", "gcp");
    put_text(&doc, "projectId", "p");
    put_text(&doc, "location", "l");
    put_text(&doc, "keyRing", "r");
    put_text(&doc, "keyName", "k");
    view = on_heap(end(&doc));
    OK(ctx, mongocrypt_ctx_setopt_key_encryption_key(ctx, view));
    drop_heap(view);
    signatures = 0;
    failing = fail ? "sign" : NULL;
    CHECK(mongocrypt_ctx_datakey_init(ctx) == !fail && signatures == 1);
    if (fail) {
        CHECK_CTX(ctx, "hook failed on purpose");
    } else {
        mongocrypt_kms_ctx_t *kms = mongocrypt_ctx_next_kms_ctx(ctx);
        mongocrypt_binary_t message = {NULL, 0};
        CHECK(mongocrypt_kms_ctx_message(kms, &message) && find(&message, "POST /token", 11));
    }
    failing = NULL;
    mongocrypt_ctx_destroy(ctx);
    mongocrypt_destroy(crypt);
}

/* A request to AWS is signed with the hooks: two hashes, and five with a key. */
static void signs_for_aws(const char *fail) {
    doc_t doc;
    mongocrypt_t *crypt = mongocrypt_new();
    CHECK(mongocrypt_setopt_kms_provider_aws(crypt, "example", -1, "secret", -1));
    CHECK(mongocrypt_setopt_crypto_hooks(
        crypt, cbc_encrypt, cbc_decrypt, random_bytes, hmac_512, hmac_256, sha_256, &cookie));
    CHECK(mongocrypt_init(crypt));
    mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
    begin(&doc);
    put_text(&doc, "provider", "aws");
    put_text(&doc, "region", "us-east-1");
    put_text(&doc, "key", "alias/example");
    mongocrypt_binary_t *view = on_heap(end(&doc));
    OK(ctx, mongocrypt_ctx_setopt_key_encryption_key(ctx, view));
    drop_heap(view);
    hashes = hmacs_256 = 0;
    hmac_256_key = sizeof "AWS4secret" - 1;
    failing = fail;
    CHECK(mongocrypt_ctx_datakey_init(ctx) == !fail);
    if (fail) {
        CHECK_CTX(ctx, "hook failed on purpose");
    } else {
        CHECK(hashes == 2 && hmacs_256 == 5);
        mongocrypt_kms_ctx_t *kms = mongocrypt_ctx_next_kms_ctx(ctx);
        mongocrypt_binary_t message = {NULL, 0};
        CHECK(mongocrypt_kms_ctx_message(kms, &message) && find(&message, "TrentService.Encrypt", 20));
    }
    failing = NULL;
    hmac_256_key = 32;
    mongocrypt_ctx_destroy(ctx);
    mongocrypt_destroy(crypt);
}

/* What is logged, and when. */
static int logged;
static mongocrypt_t *logging;

static void log_message(mongocrypt_log_level_t level, const char *message, uint32_t len, void *ctx) {
    CHECK(ctx == &cookie && strlen(message) == len && level <= MONGOCRYPT_LOG_LEVEL_INFO);
    logged++;
    /* A handler may ask the handle that is being initialised. */
    mongocrypt_status_t *status = mongocrypt_status_new();
    CHECK(mongocrypt_status(logging, status));
    mongocrypt_status_destroy(status);
}

static void logs(void) {
    mongocrypt_t *crypt = new_local();
    CHECK(mongocrypt_setopt_log_handler(crypt, log_message, &cookie));
    logging = crypt;
    mongocrypt_setopt_append_crypt_shared_lib_search_path(crypt, "/doesnotexist");
    mongocrypt_setopt_append_crypt_shared_lib_search_path(crypt, "$SYSTEM");
    CHECK(mongocrypt_init(crypt) && logged == 2);
    mongocrypt_destroy(crypt);
}

int main(void) {
    mongocrypt_destroy(hooked(mongocrypt_new()));
    for (int with_counter = 0; with_counter < 3; with_counter++) {
        encrypts_with_hooks(with_counter);
    }
    failures_are_heard();
    signs_with_the_hook(false);
    signs_with_the_hook(true);
    signs_for_aws(NULL);
    signs_for_aws("sha_256");
    signs_for_aws("hmac_256");
    logs();
    puts("ok");
    return 0;
}
