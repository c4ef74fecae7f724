/*
 * libmongocrypt 1.21, the C interface of MongoDB's client-side encryption, as Fieldveil has it.
 *
 * Names, signatures and values are those of the library that it takes the place of.
 *
 * RULES
 *
 * Ownership. What a *_new function or mongocrypt_ctx_new returns is the caller's, to be given back
 * once to the destroy function of its type; destroying NULL does nothing. A mongocrypt_kms_ctx_t
 * belongs to its context. Strings and views that a function hands out belong to the object that
 * the function was called on, and live as long as it does, unless said otherwise.
 *
 * Inputs. Views and strings are copied before a call returns. A string with a length takes -1 for
 * "up to the NUL". The bytes behind a view must be there for the call, as long as its length says.
 *
 * Threads. After mongocrypt_init a handle may be used by many threads. A context and its KMS
 * contexts are used by one thread at a time. A handle is not destroyed while a thread is in a call
 * on it; contexts outlive it unharmed. Callbacks may be called by every thread that is in a call.
 *
 * Errors. A function that returns bool returns false on failure, and records the reason on the
 * handle, context or KMS context it was called on. A context that failed stays in the state
 * MONGOCRYPT_CTX_ERROR, with its first error. NULL in place of an object is a failure, never a
 * crash. No exception or panic leaves the library.
 */
#ifndef MONGOCRYPT_H
#define MONGOCRYPT_H

#include <stdbool.h>
#include <stdint.h>

#ifndef MONGOCRYPT_EXPORT
#if defined(_WIN32)
#define MONGOCRYPT_EXPORT __declspec(dllimport)
#else
#define MONGOCRYPT_EXPORT
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the library ---- */

/* What mongocrypt_version returns for this header. */
#define MONGOCRYPT_VERSION "1.21.0"

/* The version, which drivers compare with what they need. `len` may be NULL. */
MONGOCRYPT_EXPORT const char *mongocrypt_version(uint32_t *len);

/* Always true: ciphers are built in, and no crypto hooks are needed. */
MONGOCRYPT_EXPORT bool mongocrypt_is_crypto_available(void);

/* ---- views ---- */

/* Bytes that someone else owns. */
typedef struct _mongocrypt_binary_t {
    void *data;
    uint32_t len;
} mongocrypt_binary_t;

/* An empty view, to be filled by another function. */
MONGOCRYPT_EXPORT mongocrypt_binary_t *mongocrypt_binary_new(void);

/* A view of the caller's bytes, which are not copied. */
MONGOCRYPT_EXPORT mongocrypt_binary_t *mongocrypt_binary_new_from_data(uint8_t *data, uint32_t len);

MONGOCRYPT_EXPORT uint8_t *mongocrypt_binary_data(const mongocrypt_binary_t *binary);

MONGOCRYPT_EXPORT uint32_t mongocrypt_binary_len(const mongocrypt_binary_t *binary);

/* Frees the view, not what it points to. */
MONGOCRYPT_EXPORT void mongocrypt_binary_destroy(mongocrypt_binary_t *binary);

/* ---- statuses ---- */

/* Type, code and message of a failure. */
typedef struct _mongocrypt_status_t mongocrypt_status_t;

typedef enum {
    MONGOCRYPT_STATUS_OK = 0,
    MONGOCRYPT_STATUS_ERROR_CLIENT = 1,
    MONGOCRYPT_STATUS_ERROR_KMS = 2,
    MONGOCRYPT_STATUS_ERROR_CRYPT_SHARED = 3,
} mongocrypt_status_type_t;

MONGOCRYPT_EXPORT mongocrypt_status_t *mongocrypt_status_new(void);

/* `message_len` counts the NUL, or is -1 for "up to the NUL". Callbacks report failures by it. */
MONGOCRYPT_EXPORT void mongocrypt_status_set(mongocrypt_status_t *status,
                                             mongocrypt_status_type_t type,
                                             uint32_t code,
                                             const char *message,
                                             int32_t message_len);

MONGOCRYPT_EXPORT mongocrypt_status_type_t mongocrypt_status_type(mongocrypt_status_t *status);

MONGOCRYPT_EXPORT uint32_t mongocrypt_status_code(mongocrypt_status_t *status);

/* NULL if the status is OK. `len` may be NULL; the length does not count the NUL. */
MONGOCRYPT_EXPORT const char *mongocrypt_status_message(mongocrypt_status_t *status, uint32_t *len);

MONGOCRYPT_EXPORT bool mongocrypt_status_ok(mongocrypt_status_t *status);

/* Destroying a status twice does nothing, unless mongocrypt_status_new gave it out in between. */
MONGOCRYPT_EXPORT void mongocrypt_status_destroy(mongocrypt_status_t *status);

/* ---- log ---- */

typedef enum {
    MONGOCRYPT_LOG_LEVEL_FATAL = 0,
    MONGOCRYPT_LOG_LEVEL_ERROR = 1,
    MONGOCRYPT_LOG_LEVEL_WARNING = 2,
    MONGOCRYPT_LOG_LEVEL_INFO = 3,
    MONGOCRYPT_LOG_LEVEL_TRACE = 4
} mongocrypt_log_level_t;

/* `message` has a NUL, which `message_len` does not count. */
typedef void (*mongocrypt_log_fn_t)(mongocrypt_log_level_t level,
                                    const char *message,
                                    uint32_t message_len,
                                    void *ctx);

/* ---- the handle and its options ---- */

/* Options, key services, schemas and caches. */
typedef struct _mongocrypt_t mongocrypt_t;

MONGOCRYPT_EXPORT mongocrypt_t *mongocrypt_new(void);

/* Who is told about events; nobody unless set. */
MONGOCRYPT_EXPORT bool
mongocrypt_setopt_log_handler(mongocrypt_t *crypt, mongocrypt_log_fn_t log_fn, void *log_ctx);

/* Whether busy key services are asked again: see mongocrypt_kms_ctx_feed_with_retry. */
MONGOCRYPT_EXPORT bool mongocrypt_setopt_retry_kms(mongocrypt_t *crypt, bool enable);

/* Several documents are fed in MONGOCRYPT_CTX_NEED_MONGO_COLLINFO where several are asked for. */
MONGOCRYPT_EXPORT bool mongocrypt_setopt_enable_multiple_collinfo(mongocrypt_t *crypt);

/* Older than mongocrypt_setopt_kms_providers. */
MONGOCRYPT_EXPORT bool mongocrypt_setopt_kms_provider_aws(mongocrypt_t *crypt,
                                                          const char *aws_access_key_id,
                                                          int32_t aws_access_key_id_len,
                                                          const char *aws_secret_access_key,
                                                          int32_t aws_secret_access_key_len);

/* Older than mongocrypt_setopt_kms_providers. `key` has 96 bytes. */
MONGOCRYPT_EXPORT bool mongocrypt_setopt_kms_provider_local(mongocrypt_t *crypt, mongocrypt_binary_t *key);

/* A BSON document of key services by id: "aws", "azure", "gcp", "kmip", "local", or one of them
 * with a name, "local:name". An empty document without a name asks for credentials at run time. */
MONGOCRYPT_EXPORT bool mongocrypt_setopt_kms_providers(mongocrypt_t *crypt, mongocrypt_binary_t *kms_providers);

/* A BSON document of JSON schemas by namespace. */
MONGOCRYPT_EXPORT bool mongocrypt_setopt_schema_map(mongocrypt_t *crypt, mongocrypt_binary_t *schema_map);

/* A BSON document of encryptedFields by namespace. */
MONGOCRYPT_EXPORT bool mongocrypt_setopt_encrypted_field_config_map(mongocrypt_t *crypt, mongocrypt_binary_t *efc_map);

/* A directory with a mongo_crypt_v1 library. "$SYSTEM" finds the analysis that is built in; a
 * leading "$ORIGIN" is the directory of this library. Without a path the caller is asked for
 * markings. */
MONGOCRYPT_EXPORT void mongocrypt_setopt_append_crypt_shared_lib_search_path(mongocrypt_t *crypt, const char *path);

/* The mongo_crypt_v1 library to load; mongocrypt_init fails without it. */
MONGOCRYPT_EXPORT void mongocrypt_setopt_set_crypt_shared_lib_path_override(mongocrypt_t *crypt, const char *path);

/* Contexts may ask for credentials: MONGOCRYPT_CTX_NEED_KMS_CREDENTIALS. */
MONGOCRYPT_EXPORT void mongocrypt_setopt_use_need_kms_credentials_state(mongocrypt_t *crypt);

/* Contexts may name a database: MONGOCRYPT_CTX_NEED_MONGO_COLLINFO_WITH_DB. */
MONGOCRYPT_EXPORT void mongocrypt_setopt_use_need_mongo_collinfo_with_db_state(mongocrypt_t *crypt);

/* Commands go out without analysis. */
MONGOCRYPT_EXPORT void mongocrypt_setopt_bypass_query_analysis(mongocrypt_t *crypt);

/* Makes no difference any more. */
MONGOCRYPT_EXPORT bool mongocrypt_setopt_use_range_v2(mongocrypt_t *crypt);

/* How long data keys are kept; 0 is for ever. 60000 unless set. */
MONGOCRYPT_EXPORT bool mongocrypt_setopt_key_expiration(mongocrypt_t *crypt, uint64_t cache_expiration_ms);

/* Ends the setting of options. */
MONGOCRYPT_EXPORT bool mongocrypt_init(mongocrypt_t *crypt);

/* Copies the handle's status. */
MONGOCRYPT_EXPORT bool mongocrypt_status(mongocrypt_t *crypt, mongocrypt_status_t *status);

MONGOCRYPT_EXPORT void mongocrypt_destroy(mongocrypt_t *crypt);

/* The version of the analysis in use; NULL if the caller analyses. `len` may be NULL. */
MONGOCRYPT_EXPORT const char *mongocrypt_crypt_shared_lib_version_string(const mongocrypt_t *crypt, uint32_t *len);

/* The same as a number, 16 bits for each of four parts, the major one highest; 0 if absent. */
MONGOCRYPT_EXPORT uint64_t mongocrypt_crypt_shared_lib_version(const mongocrypt_t *crypt);

/* ---- contexts and their options ---- */

/* One operation. */
typedef struct _mongocrypt_ctx_t mongocrypt_ctx_t;

/* NULL if the handle was not initialised; its status says so. */
MONGOCRYPT_EXPORT mongocrypt_ctx_t *mongocrypt_ctx_new(mongocrypt_t *crypt);

/* Copies the context's status. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_status(mongocrypt_ctx_t *ctx, mongocrypt_status_t *status);

/* The data key by its id, 16 bytes. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_setopt_key_id(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *key_id);

/* {keyAltName: string}: the data key by name, or one more name of a new data key. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_setopt_key_alt_name(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *key_alt_name);

/* {keyMaterial: 96 bytes}: the bytes of a new data key. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_setopt_key_material(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *key_material);

/* One of the names below, in any case. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_setopt_algorithm(mongocrypt_ctx_t *ctx, const char *algorithm, int len);

#define MONGOCRYPT_ALGORITHM_DETERMINISTIC_STR "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
#define MONGOCRYPT_ALGORITHM_RANDOM_STR "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
#define MONGOCRYPT_ALGORITHM_INDEXED_STR "Indexed"
#define MONGOCRYPT_ALGORITHM_UNINDEXED_STR "Unindexed"
#define MONGOCRYPT_ALGORITHM_RANGEPREVIEW_DEPRECATED_STR "RangePreview"
#define MONGOCRYPT_ALGORITHM_RANGE_STR "Range"
#define MONGOCRYPT_ALGORITHM_TEXTPREVIEW_DEPRECATED_STR "textPreview"
#define MONGOCRYPT_ALGORITHM_STRING_STR "string"

/* Older than mongocrypt_ctx_setopt_key_encryption_key. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_setopt_masterkey_aws(mongocrypt_ctx_t *ctx,
                                                           const char *region,
                                                           int32_t region_len,
                                                           const char *cmk,
                                                           int32_t cmk_len);

/* Older than mongocrypt_ctx_setopt_key_encryption_key. */
MONGOCRYPT_EXPORT bool
mongocrypt_ctx_setopt_masterkey_aws_endpoint(mongocrypt_ctx_t *ctx, const char *endpoint, int32_t endpoint_len);

/* Older than mongocrypt_ctx_setopt_key_encryption_key. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_setopt_masterkey_local(mongocrypt_ctx_t *ctx);

/* {provider: id, ...}: the master key of a new data key, or of all rewrapped ones. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_setopt_key_encryption_key(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *bin);

/* 0 up to INT64_MAX - 1. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_setopt_contention_factor(mongocrypt_ctx_t *ctx, int64_t contention_factor);

/* The data key of the index, if it is not that of the value. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_setopt_index_key_id(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *key_id);

/* One of the names below, in any case. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_setopt_query_type(mongocrypt_ctx_t *ctx, const char *query_type, int len);

#define MONGOCRYPT_QUERY_TYPE_EQUALITY_STR "equality"
#define MONGOCRYPT_QUERY_TYPE_RANGEPREVIEW_DEPRECATED_STR "rangePreview"
#define MONGOCRYPT_QUERY_TYPE_RANGE_STR "range"
#define MONGOCRYPT_QUERY_TYPE_SUBSTRINGPREVIEW_DEPRECATED_STR "substringPreview"
#define MONGOCRYPT_QUERY_TYPE_SUBSTRING_STR "substring"
#define MONGOCRYPT_QUERY_TYPE_SUFFIXPREVIEW_DEPRECATED_STR "suffixPreview"
#define MONGOCRYPT_QUERY_TYPE_SUFFIX_STR "suffix"
#define MONGOCRYPT_QUERY_TYPE_PREFIXPREVIEW_DEPRECATED_STR "prefixPreview"
#define MONGOCRYPT_QUERY_TYPE_PREFIX_STR "prefix"

/* {min?, max?, sparsity?, precision?, trimFactor?} */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_setopt_algorithm_range(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *opts);

/* {caseSensitive, diacriticSensitive, prefix?, suffix?, substring?} */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_setopt_algorithm_text(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *opts);

/* ---- starting an operation ---- */

/* A new data key. The result is its document for the key vault. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_datakey_init(mongocrypt_ctx_t *ctx);

/* A command, encrypted by the schema of its collection. */
MONGOCRYPT_EXPORT bool
mongocrypt_ctx_encrypt_init(mongocrypt_ctx_t *ctx, const char *db, int32_t db_len, mongocrypt_binary_t *cmd);

/* {v: value} becomes {v: binary of subtype 6}. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_explicit_encrypt_init(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *msg);

/* {v: expression}, a range query whose bounds become payloads. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_explicit_encrypt_expression_init(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *msg);

/* A document with every encrypted value in it decrypted. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_decrypt_init(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *doc);

/* {v: binary of subtype 6} becomes {v: value}. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_explicit_decrypt_init(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *msg);

/* All data keys that `filter` matches, wrapped anew: {v: [{keyMaterial, masterKey, _id}, ...]}.
 * Without a master key each stays under its own. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_rewrap_many_datakey_init(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *filter);

/* ---- carrying it on ---- */

typedef enum {
    MONGOCRYPT_CTX_ERROR = 0,
    MONGOCRYPT_CTX_NEED_MONGO_COLLINFO = 1,         /* listCollections on the command's database */
    MONGOCRYPT_CTX_NEED_MONGO_COLLINFO_WITH_DB = 8, /* ... on the database of mongocrypt_ctx_mongo_db */
    MONGOCRYPT_CTX_NEED_MONGO_MARKINGS = 2,         /* the command, on mongocryptd */
    MONGOCRYPT_CTX_NEED_MONGO_KEYS = 3,             /* find on the key vault, read concern majority */
    MONGOCRYPT_CTX_NEED_KMS = 4,                    /* messages to key services */
    MONGOCRYPT_CTX_NEED_KMS_CREDENTIALS = 7,        /* credentials of key services */
    MONGOCRYPT_CTX_READY = 5,                       /* mongocrypt_ctx_finalize */
    MONGOCRYPT_CTX_DONE = 6,
} mongocrypt_ctx_state_t;

MONGOCRYPT_EXPORT mongocrypt_ctx_state_t mongocrypt_ctx_state(mongocrypt_ctx_t *ctx);

/* The filter or command of a NEED_MONGO state. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_mongo_op(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *op_bson);

/* The database of MONGOCRYPT_CTX_NEED_MONGO_COLLINFO_WITH_DB. */
MONGOCRYPT_EXPORT const char *mongocrypt_ctx_mongo_db(mongocrypt_ctx_t *ctx);

/* One document of the answer: the only one for markings, each of many or none for the others. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_mongo_feed(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *reply);

MONGOCRYPT_EXPORT bool mongocrypt_ctx_mongo_done(mongocrypt_ctx_t *ctx);

/* A document as for mongocrypt_setopt_kms_providers, for this context. */
MONGOCRYPT_EXPORT bool
mongocrypt_ctx_provide_kms_providers(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *kms_providers_definition);

/* One exchange of messages, to be used until mongocrypt_ctx_kms_done. */
typedef struct _mongocrypt_kms_ctx_t mongocrypt_kms_ctx_t;

/* The next exchange; one again that has to be retried; NULL if there is none left. */
MONGOCRYPT_EXPORT mongocrypt_kms_ctx_t *mongocrypt_ctx_next_kms_ctx(mongocrypt_ctx_t *ctx);

/* What to send. It lives until mongocrypt_ctx_kms_done. */
MONGOCRYPT_EXPORT bool mongocrypt_kms_ctx_message(mongocrypt_kms_ctx_t *kms, mongocrypt_binary_t *msg);

/* Where to connect with TLS: host:port. */
MONGOCRYPT_EXPORT bool mongocrypt_kms_ctx_endpoint(mongocrypt_kms_ctx_t *kms, const char **endpoint);

/* How many bytes may be fed, fewer being fine; 0 when no more are wanted. */
MONGOCRYPT_EXPORT uint32_t mongocrypt_kms_ctx_bytes_needed(mongocrypt_kms_ctx_t *kms);

/* Microseconds to wait before sending. */
MONGOCRYPT_EXPORT int64_t mongocrypt_kms_ctx_usleep(mongocrypt_kms_ctx_t *kms);

MONGOCRYPT_EXPORT bool mongocrypt_kms_ctx_feed(mongocrypt_kms_ctx_t *kms, mongocrypt_binary_t *bytes);

/* As mongocrypt_kms_ctx_feed; `should_retry` says that the message is to be sent again, on a new
 * connection. Without it, mongocrypt_ctx_next_kms_ctx hands the exchange out again. */
MONGOCRYPT_EXPORT bool
mongocrypt_kms_ctx_feed_with_retry(mongocrypt_kms_ctx_t *kms, mongocrypt_binary_t *bytes, bool *should_retry);

/* The connection failed; true means that the exchange may be retried. */
MONGOCRYPT_EXPORT bool mongocrypt_kms_ctx_fail(mongocrypt_kms_ctx_t *kms);

/* Copies the status of the exchange. */
MONGOCRYPT_EXPORT bool mongocrypt_kms_ctx_status(mongocrypt_kms_ctx_t *kms, mongocrypt_status_t *status);

/* The id of the key service. `len` may be NULL. */
MONGOCRYPT_EXPORT const char *mongocrypt_kms_ctx_get_kms_provider(mongocrypt_kms_ctx_t *kms, uint32_t *len);

MONGOCRYPT_EXPORT bool mongocrypt_ctx_kms_done(mongocrypt_ctx_t *ctx);

/* The result; the context is MONGOCRYPT_CTX_DONE then. */
MONGOCRYPT_EXPORT bool mongocrypt_ctx_finalize(mongocrypt_ctx_t *ctx, mongocrypt_binary_t *out);

MONGOCRYPT_EXPORT void mongocrypt_ctx_destroy(mongocrypt_ctx_t *ctx);

/* ---- crypto hooks ---- */

/* Never needed; where set, they are called for all ciphers, keyed hashes and random bytes of a handle.
 * `sha_256` has to be set, and is not called. The CTR and ECB hooks count along with the others only;
 * without them counter mode is made of the CBC hook. A hook that fails fails the context, with the
 * message that the hook set. */

/* A cipher. `out` is large enough; `bytes_written` receives how much of it was used. */
typedef bool (*mongocrypt_crypto_fn)(void *ctx,
                                     mongocrypt_binary_t *key,
                                     mongocrypt_binary_t *iv,
                                     mongocrypt_binary_t *in,
                                     mongocrypt_binary_t *out,
                                     uint32_t *bytes_written,
                                     mongocrypt_status_t *status);

/* A keyed hash, or a signature. */
typedef bool (*mongocrypt_hmac_fn)(void *ctx,
                                   mongocrypt_binary_t *key,
                                   mongocrypt_binary_t *in,
                                   mongocrypt_binary_t *out,
                                   mongocrypt_status_t *status);

/* A hash. */
typedef bool (*mongocrypt_hash_fn)(void *ctx,
                                   mongocrypt_binary_t *in,
                                   mongocrypt_binary_t *out,
                                   mongocrypt_status_t *status);

/* `count` random bytes. */
typedef bool (*mongocrypt_random_fn)(void *ctx, mongocrypt_binary_t *out, uint32_t count, mongocrypt_status_t *status);

MONGOCRYPT_EXPORT bool mongocrypt_setopt_crypto_hooks(mongocrypt_t *crypt,
                                                      mongocrypt_crypto_fn aes_256_cbc_encrypt,
                                                      mongocrypt_crypto_fn aes_256_cbc_decrypt,
                                                      mongocrypt_random_fn random,
                                                      mongocrypt_hmac_fn hmac_sha_512,
                                                      mongocrypt_hmac_fn hmac_sha_256,
                                                      mongocrypt_hash_fn sha_256,
                                                      void *ctx);

MONGOCRYPT_EXPORT bool mongocrypt_setopt_aes_256_ctr(mongocrypt_t *crypt,
                                                     mongocrypt_crypto_fn aes_256_ctr_encrypt,
                                                     mongocrypt_crypto_fn aes_256_ctr_decrypt,
                                                     void *ctx);

MONGOCRYPT_EXPORT bool
mongocrypt_setopt_aes_256_ecb(mongocrypt_t *crypt, mongocrypt_crypto_fn aes_256_ecb_encrypt, void *ctx);

/* Signs for GCP service accounts: the key is PKCS#8 in DER, the signature has 256 bytes. */
MONGOCRYPT_EXPORT bool mongocrypt_setopt_crypto_hook_sign_rsaes_pkcs1_v1_5(mongocrypt_t *crypt,
                                                                           mongocrypt_hmac_fn sign_rsaes_pkcs1_v1_5,
                                                                           void *sign_ctx);

#ifdef __cplusplus
}
#endif

#endif /* MONGOCRYPT_H */
