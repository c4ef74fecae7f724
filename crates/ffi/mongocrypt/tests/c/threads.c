/* One handle, many threads. */
#include <pthread.h>

#include "support.h"

enum { THREADS = 8, ROUNDS = 200 };

static mongocrypt_t *crypt;
static vault_t vault;

static void *work(void *number) {
    for (int round = 0; round < ROUNDS; round++) {
        char text[32];
        doc_t doc;
        snprintf(text, sizeof text, "value %d of %d", round, *(int *)number);
        begin(&doc);
        put_text(&doc, "v", text);
        mongocrypt_binary_t *msg = end(&doc), *out = mongocrypt_binary_new();
        mongocrypt_ctx_t *ctx = mongocrypt_ctx_new(crypt);
        set_name(ctx, "name");
        OK(ctx, mongocrypt_ctx_setopt_algorithm(ctx, MONGOCRYPT_ALGORITHM_RANDOM_STR, -1));
        OK(ctx, mongocrypt_ctx_explicit_encrypt_init(ctx, msg));
        run(ctx, &vault, out);

        mongocrypt_ctx_t *back = mongocrypt_ctx_new(crypt);
        OK(back, mongocrypt_ctx_explicit_decrypt_init(back, out));
        run(back, &vault, out);
        CHECK(mongocrypt_binary_len(out) == doc.len);
        CHECK(0 == memcmp(mongocrypt_binary_data(out), doc.bytes, doc.len));
        mongocrypt_ctx_destroy(back);
        mongocrypt_ctx_destroy(ctx);
        mongocrypt_binary_destroy(out);
        mongocrypt_binary_destroy(msg);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    int numbers[THREADS];
    crypt = local();
    make_key(crypt, &vault);
    for (int at = 0; at < THREADS; at++) {
        numbers[at] = at;
        CHECK(0 == pthread_create(&threads[at], NULL, work, &numbers[at]));
    }
    for (int at = 0; at < THREADS; at++) {
        pthread_join(threads[at], NULL);
    }
    mongocrypt_destroy(crypt);
    puts("ok");
    return 0;
}
