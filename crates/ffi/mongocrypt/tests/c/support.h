/* What the test programs share: BSON by hand, checks that name their line, and a driver. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mongocrypt/mongocrypt.h"

#define CHECK(condition)                                                             \
    do {                                                                             \
        if (!(condition)) {                                                          \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);          \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

/* ---- BSON ---- */

typedef struct {
    uint8_t bytes[4096];
    uint32_t len;
    uint32_t open[16];
    int depth;
} doc_t;

static inline void put(doc_t *doc, const void *bytes, size_t len) {
    CHECK(doc->len + len <= sizeof doc->bytes);
    memcpy(doc->bytes + doc->len, bytes, len);
    doc->len += (uint32_t)len;
}

static inline void put_i32(doc_t *doc, int32_t value) {
    put(doc, &value, 4);
}

static inline void begin(doc_t *doc) {
    memset(doc, 0, sizeof *doc);
    put_i32(doc, 0);
}

static inline void put_name(doc_t *doc, uint8_t type, const char *name) {
    put(doc, &type, 1);
    put(doc, name, strlen(name) + 1);
}

static inline void put_text(doc_t *doc, const char *name, const char *value) {
    put_name(doc, 2, name);
    put_i32(doc, (int32_t)strlen(value) + 1);
    put(doc, value, strlen(value) + 1);
}

static inline void put_int(doc_t *doc, const char *name, int32_t value) {
    put_name(doc, 16, name);
    put_i32(doc, value);
}

static inline void put_bool(doc_t *doc, const char *name, bool value) {
    uint8_t byte = value;
    put_name(doc, 8, name);
    put(doc, &byte, 1);
}

static inline void put_binary(doc_t *doc, const char *name, uint8_t subtype, const void *bytes, size_t len) {
    put_name(doc, 5, name);
    put_i32(doc, (int32_t)len);
    put(doc, &subtype, 1);
    put(doc, bytes, len);
}

/* A document or array within; `close_inner` ends it. */
static inline void open_inner(doc_t *doc, const char *name, uint8_t type) {
    put_name(doc, type, name);
    doc->open[doc->depth++] = doc->len;
    put_i32(doc, 0);
}

static inline void close_inner(doc_t *doc) {
    uint32_t start = doc->open[--doc->depth];
    put(doc, "", 1);
    uint32_t len = doc->len - start;
    memcpy(doc->bytes + start, &len, 4);
}

static inline mongocrypt_binary_t *end(doc_t *doc) {
    put(doc, "", 1);
    memcpy(doc->bytes, &doc->len, 4);
    return mongocrypt_binary_new_from_data(doc->bytes, doc->len);
}

/* A view of an exact copy on the heap, so that reading beyond it is noticed. */
static inline mongocrypt_binary_t *on_heap(mongocrypt_binary_t *view) {
    uint32_t len = mongocrypt_binary_len(view);
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, mongocrypt_binary_data(view), len);
    mongocrypt_binary_destroy(view);
    return mongocrypt_binary_new_from_data(copy, len);
}

static inline void drop_heap(mongocrypt_binary_t *view) {
    free(mongocrypt_binary_data(view));
    mongocrypt_binary_destroy(view);
}

/* Where the bytes of `needle` stand in a view; NULL if nowhere. */
static inline const uint8_t *find(mongocrypt_binary_t *view, const void *needle, size_t len) {
    const uint8_t *bytes = mongocrypt_binary_data(view);
    uint32_t total = mongocrypt_binary_len(view);
    for (uint32_t at = 0; at + len <= total; at++) {
        if (0 == memcmp(bytes + at, needle, len)) {
            return bytes + at;
        }
    }
    return NULL;
}

/* ---- checks of statuses ---- */

#define CHECK_TEXT(status, expected)                                                 \
    do {                                                                             \
        const char *text = mongocrypt_status_message(status, NULL);                  \
        if (!text || !strstr(text, expected)) {                                      \
            fprintf(stderr, "%s:%d: \"%s\" is not in \"%s\"\n", __FILE__, __LINE__,  \
                    expected, text ? text : "(ok)");                                 \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

#define CHECK_CTX(ctx, expected)                                                     \
    do {                                                                             \
        mongocrypt_status_t *s = mongocrypt_status_new();                            \
        CHECK(!mongocrypt_ctx_status(ctx, s));                                       \
        CHECK_TEXT(s, expected);                                                     \
        CHECK(mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_ERROR);                    \
        mongocrypt_status_destroy(s);                                                \
    } while (0)

#define CHECK_CRYPT(crypt, expected)                                                 \
    do {                                                                             \
        mongocrypt_status_t *s = mongocrypt_status_new();                            \
        CHECK(!mongocrypt_status(crypt, s));                                         \
        CHECK_TEXT(s, expected);                                                     \
        mongocrypt_status_destroy(s);                                                \
    } while (0)

/* Says why a context failed, for checks that should not fail. */
#define OK(ctx, call)                                                                \
    do {                                                                             \
        if (!(call)) {                                                               \
            mongocrypt_status_t *s = mongocrypt_status_new();                        \
            mongocrypt_ctx_status(ctx, s);                                           \
            const char *text = mongocrypt_status_message(s, NULL);                   \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call,            \
                    text ? text : "(ok)");                                           \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

/* ---- handles ---- */

static inline mongocrypt_t *new_local(void) {
    doc_t doc;
    uint8_t key[96];
    memset(key, 'k', sizeof key);
    mongocrypt_t *crypt = mongocrypt_new();
    begin(&doc);
    open_inner(&doc, "local", 3);
    put_binary(&doc, "key", 0, key, sizeof key);
    close_inner(&doc);
    mongocrypt_binary_t *view = on_heap(end(&doc));
    CHECK(mongocrypt_setopt_kms_providers(crypt, view));
    drop_heap(view);
    return crypt;
}

static inline mongocrypt_t *local(void) {
    mongocrypt_t *crypt = new_local();
    CHECK(mongocrypt_init(crypt));
    return crypt;
}

/* The key vault: one document. */
typedef struct {
    uint8_t bytes[4096];
    uint32_t len;
    uint8_t id[16];
} vault_t;

static inline void set_master_key(mongocrypt_ctx_t *ctx, const char *provider) {
    doc_t doc;
    begin(&doc);
    put_text(&doc, "provider", provider);
    mongocrypt_binary_t *view = on_heap(end(&doc));
    OK(ctx, mongocrypt_ctx_setopt_key_encryption_key(ctx, view));
    drop_heap(view);
}

static inline void set_name(mongocrypt_ctx_t *ctx, const char *name) {
    doc_t doc;
    begin(&doc);
    put_text(&doc, "keyAltName", name);
    mongocrypt_binary_t *view = on_heap(end(&doc));
    OK(ctx, mongocrypt_ctx_setopt_key_alt_name(ctx, view));
    drop_heap(view);
}

static inline void keep(vault_t *vault, mongocrypt_binary_t *key) {
    vault->len = mongocrypt_binary_len(key);
    CHECK(vault->len <= sizeof vault->bytes);
    memcpy(vault->bytes, mongocrypt_binary_data(key), vault->len);
    /* { length, type 5, "_id", NUL, length 16, subtype 4, 16 bytes } */
    memcpy(vault->id, vault->bytes + 4 + 1 + 4 + 4 + 1, 16);
}

/* Makes a data key with the name "name". */
static inline void make_key(mongocrypt_t *crypt, vault_t *vault) {
    mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
    mongocrypt_binary_t *out = mongocrypt_binary_new();
    CHECK(ctx);
    set_master_key(ctx, "local");
    set_name(ctx, "name");
    OK(ctx, mongocrypt_ctx_datakey_init(ctx));
    CHECK(mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_READY);
    OK(ctx, mongocrypt_ctx_finalize(ctx, out));
    CHECK(mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_DONE);
    keep(vault, out);
    mongocrypt_binary_destroy(out);
    mongocrypt_ctx_destroy(ctx);
}

/* Feeds the key if it is asked for, then takes the result into `out`. */
static inline void run(mongocrypt_ctx_t *ctx, vault_t *vault, mongocrypt_binary_t *out) {
    if (mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_NEED_MONGO_KEYS) {
        mongocrypt_binary_t *key = on_heap(mongocrypt_binary_new_from_data(vault->bytes, vault->len));
        mongocrypt_binary_t *filter = mongocrypt_binary_new();
        OK(ctx, mongocrypt_ctx_mongo_op(ctx, filter));
        CHECK(find(filter, "$or", 4));
        OK(ctx, mongocrypt_ctx_mongo_feed(ctx, key));
        drop_heap(key);
        OK(ctx, mongocrypt_ctx_mongo_done(ctx));
        /* The filter outlives its state. */
        CHECK(find(filter, "keyAltNames", 12));
        mongocrypt_binary_destroy(filter);
    }
    CHECK(mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_READY);
    OK(ctx, mongocrypt_ctx_finalize(ctx, out));
    CHECK(mongocrypt_ctx_state(ctx) == MONGOCRYPT_CTX_DONE);
}

#endif
