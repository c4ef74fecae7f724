/* A mongo_crypt_v1 library that the caller names: at most one in a process. Run with its path, and
 * with the path of a copy of it. */
#include "support.h"

static mongocrypt_t *with_override(const char *path) {
    mongocrypt_t *crypt = new_local();
    mongocrypt_setopt_set_crypt_shared_lib_path_override(crypt, path);
    return crypt;
}

/* {insert: "coll", documents: [{ssn: "secret text"}]} comes back encrypted, and nobody is asked. */
static void analyses(mongocrypt_t *crypt, vault_t *vault) {
    doc_t doc;
    begin(&doc);
    put_text(&doc, "insert", "coll");
    open_inner(&doc, "documents", 4);
    open_inner(&doc, "0", 3);
    put_text(&doc, "ssn", "secret text");
    close_inner(&doc);
    close_inner(&doc);
    mongocrypt_binary_t *command = on_heap(end(&doc)), *out = mongocrypt_binary_new();
    mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
    OK(ctx, mongocrypt_ctx_encrypt_init(ctx, "db", -1, command));
    drop_heap(command);
    run(ctx, vault, out);
    CHECK(find(out, "insert", 7) && !find(out, "secret", 6));
    mongocrypt_binary_destroy(out);
    mongocrypt_ctx_destroy(ctx);
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    const char *library = argv[1], *copy = argv[2], *wrong = argv[3];
    vault_t vault;
    doc_t doc;
    mongocrypt_t *maker = local();
    make_key(maker, &vault);
    mongocrypt_destroy(maker);

    /* Not a library of that kind, but of ours. */
    mongocrypt_t *crypt = with_override(wrong);
    CHECK(!mongocrypt_init(crypt));
    CHECK_CRYPT(crypt, "but detected libmongocrypt");
    mongocrypt_destroy(crypt);

    crypt = with_override(library);
    begin(&doc);
    open_inner(&doc, "db.coll", 3);
    put_text(&doc, "bsonType", "object");
    open_inner(&doc, "properties", 3);
    open_inner(&doc, "ssn", 3);
    open_inner(&doc, "encrypt", 3);
    open_inner(&doc, "keyId", 4);
    put_binary(&doc, "0", 4, vault.id, 16);
    close_inner(&doc);
    put_text(&doc, "bsonType", "string");
    put_text(&doc, "algorithm", MONGOCRYPT_ALGORITHM_DETERMINISTIC_STR);
    close_inner(&doc);
    close_inner(&doc);
    close_inner(&doc);
    close_inner(&doc);
    mongocrypt_binary_t *map = on_heap(end(&doc));
    CHECK(mongocrypt_setopt_schema_map(crypt, map));
    drop_heap(map);
    CHECK(mongocrypt_init(crypt));
    CHECK(mongocrypt_crypt_shared_lib_version(crypt) > 0);
    CHECK(strstr(mongocrypt_crypt_shared_lib_version_string(crypt, NULL), "mongo_crypt_v1"));
    analyses(crypt, &vault);

    /* The same again is fine, another is not, and neither is none. */
    mongocrypt_t *same = with_override(library);
    CHECK(mongocrypt_init(same));
    mongocrypt_destroy(same);
    mongocrypt_t *other = with_override(copy);
    CHECK(!mongocrypt_init(other));
    CHECK_CRYPT(other, "attempted to load a second crypt_shared library");
    mongocrypt_destroy(other);
    other = new_local();
    mongocrypt_setopt_append_crypt_shared_lib_search_path(other, "/doesnotexist");
    CHECK(!mongocrypt_init(other));
    CHECK_CRYPT(other, "failed to find that same library");
    mongocrypt_destroy(other);
    mongocrypt_destroy(crypt);

    /* Once nobody uses the first, the other may be loaded. */
    other = with_override(copy);
    CHECK(mongocrypt_init(other));
    mongocrypt_destroy(other);
    puts("ok");
    return 0;
}
