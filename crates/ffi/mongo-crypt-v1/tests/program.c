/*
 * Uses the library as a driver does: loads it, finds every function, and calls each with right and
 * with wrong arguments. Run under AddressSanitizer, so that a wrong free, a leak or a read beyond
 * an end is a failure.
 *
 * Usage: program <path of the shared library>
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mongo_crypt-v1.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void *library;

static void *find(const char *name) {
    void *symbol = dlsym(library, name);
    if (!symbol) {
        fprintf(stderr, "%s is missing\n", name);
        exit(1);
    }
    return symbol;
}

#define FIND(name) name##_t *name = (name##_t *) find("mongo_crypt_v1_" #name)

typedef uint64_t get_version_t(void);
typedef const char *get_version_str_t(void);
typedef mongo_crypt_v1_status *status_create_t(void);
typedef void status_destroy_t(mongo_crypt_v1_status *);
typedef int status_get_error_t(const mongo_crypt_v1_status *);
typedef const char *status_get_explanation_t(const mongo_crypt_v1_status *);
typedef int status_get_code_t(const mongo_crypt_v1_status *);
typedef mongo_crypt_v1_lib *lib_create_t(mongo_crypt_v1_status *);
typedef int lib_destroy_t(mongo_crypt_v1_lib *, mongo_crypt_v1_status *);
typedef mongo_crypt_v1_query_analyzer *query_analyzer_create_t(mongo_crypt_v1_lib *,
                                                               mongo_crypt_v1_status *);
typedef void query_analyzer_destroy_t(mongo_crypt_v1_query_analyzer *);
typedef uint8_t *analyze_query_t(mongo_crypt_v1_query_analyzer *, const uint8_t *, const char *,
                                 uint32_t, uint32_t *, mongo_crypt_v1_status *);
typedef void bson_free_t(uint8_t *);

/* A growing BSON document; the nesting needed here is one level. */
typedef struct {
    uint8_t bytes[1024];
    size_t len;
    size_t open[8];
    int depth;
} bson_t;

static void put(bson_t *b, const void *bytes, size_t len) {
    CHECK(b->len + len <= sizeof b->bytes);
    memcpy(b->bytes + b->len, bytes, len);
    b->len += len;
}

static void begin(bson_t *b, uint8_t type, const char *name) {
    if (name) {
        put(b, &type, 1);
        put(b, name, strlen(name) + 1);
    }
    b->open[b->depth++] = b->len;
    put(b, "\0\0\0\0", 4);
}

static void end(bson_t *b) {
    put(b, "", 1);
    size_t start = b->open[--b->depth];
    uint32_t len = (uint32_t) (b->len - start);
    for (int i = 0; i < 4; i++) {
        b->bytes[start + i] = (uint8_t) (len >> (8 * i));
    }
}

static void string(bson_t *b, const char *name, const char *value) {
    uint32_t len = (uint32_t) strlen(value) + 1;
    uint8_t prefix[4] = {(uint8_t) len, (uint8_t) (len >> 8), 0, 0};
    put(b, "\x02", 1);
    put(b, name, strlen(name) + 1);
    put(b, prefix, 4);
    put(b, value, len);
}

static void boolean(bson_t *b, const char *name, int value) {
    put(b, "\x08", 1);
    put(b, name, strlen(name) + 1);
    put(b, value ? "\x01" : "\0", 1);
}

/* {find: "c", filter: {<field>: "plain text"}, jsonSchema: .., isRemoteSchema: false, $db: "db"} */
static void request(bson_t *b, const char *field) {
    memset(b, 0, sizeof *b);
    begin(b, 0, NULL);
    string(b, "find", "c");
    begin(b, 3, "filter");
    string(b, field, "plain text");
    end(b);
    begin(b, 3, "jsonSchema");
    string(b, "bsonType", "object");
    begin(b, 3, "properties");
    begin(b, 3, "ssn");
    begin(b, 3, "encrypt");
    string(b, "bsonType", "string");
    string(b, "algorithm", "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic");
    begin(b, 4, "keyId");
    put(b, "\x05" "0\0" "\x10\0\0\0\x04" "aaaaaaaaaaaaaaaa", 24);
    end(b);
    end(b);
    end(b);
    end(b);
    end(b);
    boolean(b, "isRemoteSchema", 0);
    string(b, "$db", "db");
    end(b);
}

static int contains(const uint8_t *bytes, size_t len, const void *part, size_t part_len) {
    for (size_t i = 0; i + part_len <= len; i++) {
        if (memcmp(bytes + i, part, part_len) == 0) {
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    FIND(get_version);
    FIND(get_version_str);
    FIND(status_create);
    FIND(status_destroy);
    FIND(status_get_error);
    FIND(status_get_explanation);
    FIND(status_get_code);
    FIND(lib_create);
    FIND(lib_destroy);
    FIND(query_analyzer_create);
    FIND(query_analyzer_destroy);
    FIND(analyze_query);
    FIND(bson_free);
    /* By this name a loader would take the library for libmongocrypt. */
    CHECK(dlsym(library, "mongocrypt_version") == NULL);

    CHECK(get_version() >> 48 == 8 && ((get_version() >> 32) & 0xffff) == 2);
    CHECK(strncmp(get_version_str(), "mongo_crypt_v1-", 15) == 0);

    mongo_crypt_v1_status *status = status_create();
    CHECK(status && status_get_error(status) == MONGO_CRYPT_V1_SUCCESS);
    CHECK(strcmp(status_get_explanation(status), "") == 0);

    /* Handles in the wrong order, foreign ones, and none. */
    CHECK(query_analyzer_create(NULL, status) == NULL);
    CHECK(status_get_error(status) == MONGO_CRYPT_V1_ERROR_LIBRARY_NOT_INITIALIZED);
    CHECK(lib_destroy(NULL, status) == MONGO_CRYPT_V1_ERROR_LIBRARY_NOT_INITIALIZED);
    mongo_crypt_v1_lib *lib = lib_create(status);
    CHECK(lib && status_get_error(status) == MONGO_CRYPT_V1_SUCCESS);
    CHECK(lib_create(status) == NULL);
    CHECK(status_get_error(status) == MONGO_CRYPT_V1_ERROR_LIBRARY_ALREADY_INITIALIZED);
    CHECK(strlen(status_get_explanation(status)) > 0);
    CHECK(lib_create(NULL) == NULL);
    CHECK(query_analyzer_create(NULL, NULL) == NULL);
    CHECK(query_analyzer_create((mongo_crypt_v1_lib *) status, status) == NULL);
    CHECK(status_get_error(status) == MONGO_CRYPT_V1_ERROR_INVALID_LIB_HANDLE);
    CHECK(lib_destroy((mongo_crypt_v1_lib *) status, NULL) ==
          MONGO_CRYPT_V1_ERROR_INVALID_LIB_HANDLE);
    mongo_crypt_v1_query_analyzer *analyzer = query_analyzer_create(lib, status);
    CHECK(analyzer && status_get_error(status) == MONGO_CRYPT_V1_SUCCESS);
    CHECK(lib_destroy(lib, status) != MONGO_CRYPT_V1_SUCCESS);

    /* A command that is marked. */
    bson_t query;
    request(&query, "ssn");
    uint32_t len = 0;
    uint8_t *reply = analyze_query(analyzer, query.bytes, "db.c, and more", 4, &len, status);
    CHECK(status_get_error(status) == MONGO_CRYPT_V1_SUCCESS);
    CHECK(reply && len > 5 && reply[len - 1] == 0);
    CHECK((uint32_t) (reply[0] | reply[1] << 8) == len);
    CHECK(contains(reply, len, "\x08hasEncryptionPlaceholders\0\x01", 28));
    CHECK(contains(reply, len, "aaaaaaaaaaaaaaaa", 16));
    CHECK(!contains(reply, len, "jsonSchema", 10));
    /* What the caller does to its bytes does not matter to freeing them. */
    memset(reply, 0xff, len);
    bson_free(reply);

    /* A command that is refused: the text and the code tell why. */
    request(&query, "ssn.below");
    CHECK(analyze_query(analyzer, query.bytes, "db.c", 4, &len, status) == NULL);
    CHECK(status_get_error(status) == MONGO_CRYPT_V1_ERROR_EXCEPTION);
    CHECK(status_get_code(status) != 0);
    CHECK(strstr(status_get_explanation(status), "encrypted path prefix"));
    CHECK(analyze_query(analyzer, query.bytes, "db.c", 4, &len, NULL) == NULL);

    /* Another collection than the command's. */
    request(&query, "ssn");
    CHECK(analyze_query(analyzer, query.bytes, "db.other", 8, &len, status) == NULL);
    CHECK(status_get_code(status) == 73);

    /* Arguments that are missing or no BSON. */
    CHECK(analyze_query(NULL, query.bytes, "db.c", 4, &len, status) == NULL);
    CHECK(status_get_error(status) == MONGO_CRYPT_V1_ERROR_EXCEPTION);
    CHECK(analyze_query(analyzer, NULL, "db.c", 4, &len, status) == NULL);
    CHECK(analyze_query(analyzer, query.bytes, "db.c", 4, NULL, status) == NULL);
    CHECK(analyze_query(analyzer, query.bytes, "\xff\xff", 2, &len, status) == NULL);
    uint8_t *bare = malloc(5);
    memcpy(bare, "\5\0\0\0\0", 5);
    CHECK(analyze_query(analyzer, bare, NULL, 0, &len, status) == NULL);
    bare[4] = 1;
    CHECK(analyze_query(analyzer, bare, NULL, 0, &len, status) == NULL);
    bare[0] = 4;
    CHECK(analyze_query(analyzer, bare, NULL, 0, &len, status) == NULL);
    memset(bare, 0xff, 5);
    CHECK(analyze_query(analyzer, bare, NULL, 0, &len, status) == NULL);
    free(bare);
    reply = analyze_query(analyzer, query.bytes, NULL, 0, &len, NULL);
    CHECK(reply);

    /* Bytes outlive the library; NULL can be freed. */
    query_analyzer_destroy(analyzer);
    query_analyzer_destroy(NULL);
    CHECK(lib_destroy(lib, status) == MONGO_CRYPT_V1_SUCCESS);
    CHECK(status_get_error(status) == MONGO_CRYPT_V1_SUCCESS);
    bson_free(reply);
    bson_free(NULL);

    /* And once more from the beginning. */
    lib = lib_create(NULL);
    CHECK(lib);
    CHECK(lib_destroy(lib, NULL) == MONGO_CRYPT_V1_SUCCESS);
    status_destroy(status);
    status_destroy(NULL);
    puts("done");
    return 0;
}
