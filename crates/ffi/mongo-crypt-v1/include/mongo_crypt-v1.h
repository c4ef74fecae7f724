/*
 * The C interface of query analysis for in-use encryption, as drivers load it from the shared
 * library mongo_crypt_v1.
 *
 * A caller makes a library handle, from it any number of query analyzers, and hands each command,
 * together with the schemas of the collections it touches, to an analyzer. The answer is the same
 * command in which every value to encrypt is marked.
 *
 * Rules for all functions
 *   - `status` may be NULL where details of a failure are not wanted. Otherwise it is overwritten,
 *     on success as well.
 *   - Strings in a status belong to the status, and last until it is used again or destroyed.
 *   - No function may be called on the same object from two threads at once, except with objects
 *     that it takes as const. One library handle may make analyzers from several threads.
 */
#ifndef MONGO_CRYPT_V1_H
#define MONGO_CRYPT_V1_H

#include <stdint.h>

#if defined(_WIN32)
#define MONGO_CRYPT_V1_API __declspec(dllimport)
#define MONGO_CRYPT_V1_CALL __cdecl
#else
#define MONGO_CRYPT_V1_API
#define MONGO_CRYPT_V1_CALL
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What went wrong, as mongo_crypt_v1_status_get_error tells. */
typedef enum {
    /* The status itself could not be filled. */
    MONGO_CRYPT_V1_ERROR_IN_REPORTING_ERROR = -2,
    MONGO_CRYPT_V1_ERROR_UNKNOWN = -1,
    MONGO_CRYPT_V1_SUCCESS = 0,
    MONGO_CRYPT_V1_ERROR_ENOMEM = 1,
    /* Analysis refused the command: see mongo_crypt_v1_status_get_code. */
    MONGO_CRYPT_V1_ERROR_EXCEPTION = 2,
    MONGO_CRYPT_V1_ERROR_LIBRARY_ALREADY_INITIALIZED = 3,
    MONGO_CRYPT_V1_ERROR_LIBRARY_NOT_INITIALIZED = 4,
    MONGO_CRYPT_V1_ERROR_INVALID_LIB_HANDLE = 5,
    MONGO_CRYPT_V1_ERROR_REENTRANCY_NOT_ALLOWED = 6
} mongo_crypt_v1_error;

typedef struct mongo_crypt_v1_status mongo_crypt_v1_status;
typedef struct mongo_crypt_v1_lib mongo_crypt_v1_lib;
typedef struct mongo_crypt_v1_query_analyzer mongo_crypt_v1_query_analyzer;

/* Four 16-bit numbers, the most significant first: major, minor, patch, and zero. */
MONGO_CRYPT_V1_API uint64_t MONGO_CRYPT_V1_CALL mongo_crypt_v1_get_version(void);

/* The version as text, which lasts as long as the library is loaded. */
MONGO_CRYPT_V1_API const char *MONGO_CRYPT_V1_CALL mongo_crypt_v1_get_version_str(void);

/* A new status; NULL if there is no memory. Needs no library handle. */
MONGO_CRYPT_V1_API mongo_crypt_v1_status *MONGO_CRYPT_V1_CALL mongo_crypt_v1_status_create(void);

/* Frees a status; NULL is accepted. */
MONGO_CRYPT_V1_API void MONGO_CRYPT_V1_CALL
mongo_crypt_v1_status_destroy(mongo_crypt_v1_status *status);

/* One of mongo_crypt_v1_error. */
MONGO_CRYPT_V1_API int MONGO_CRYPT_V1_CALL
mongo_crypt_v1_status_get_error(const mongo_crypt_v1_status *status);

/* The reason for a failure; the empty string after success. */
MONGO_CRYPT_V1_API const char *MONGO_CRYPT_V1_CALL
mongo_crypt_v1_status_get_explanation(const mongo_crypt_v1_status *status);

/* The MongoDB error code of a command that was refused. */
MONGO_CRYPT_V1_API int MONGO_CRYPT_V1_CALL
mongo_crypt_v1_status_get_code(const mongo_crypt_v1_status *status);

/* The library handle, of which a process has one at most; NULL on failure. */
MONGO_CRYPT_V1_API mongo_crypt_v1_lib *MONGO_CRYPT_V1_CALL
mongo_crypt_v1_lib_create(mongo_crypt_v1_status *status);

/* Gives the handle back; all its analyzers must be destroyed before. The error, or success. */
MONGO_CRYPT_V1_API int MONGO_CRYPT_V1_CALL
mongo_crypt_v1_lib_destroy(mongo_crypt_v1_lib *lib, mongo_crypt_v1_status *status);

/* A new analyzer; NULL on failure. */
MONGO_CRYPT_V1_API mongo_crypt_v1_query_analyzer *MONGO_CRYPT_V1_CALL
mongo_crypt_v1_query_analyzer_create(mongo_crypt_v1_lib *lib, mongo_crypt_v1_status *status);

/* Frees an analyzer; NULL is accepted. */
MONGO_CRYPT_V1_API void MONGO_CRYPT_V1_CALL
mongo_crypt_v1_query_analyzer_destroy(mongo_crypt_v1_query_analyzer *analyzer);

/*
 * Analyses a command.
 *
 * documentBSON   the command as BSON, with $db and the schema fields
 * ns_str, ns_len the collection that the command is about: database.collection
 * bson_len       gets the number of bytes returned
 *
 * Returns {hasEncryptionPlaceholders, schemaRequiresEncryption, result} as BSON, which belongs to
 * the caller until mongo_crypt_v1_bson_free; NULL if the command is refused.
 */
MONGO_CRYPT_V1_API uint8_t *MONGO_CRYPT_V1_CALL mongo_crypt_v1_analyze_query(
    mongo_crypt_v1_query_analyzer *analyzer, const uint8_t *documentBSON, const char *ns_str,
    uint32_t ns_len, uint32_t *bson_len, mongo_crypt_v1_status *status);

/* Frees what mongo_crypt_v1_analyze_query returned; NULL is accepted. */
MONGO_CRYPT_V1_API void MONGO_CRYPT_V1_CALL mongo_crypt_v1_bson_free(uint8_t *bson);

#ifdef __cplusplus
}
#endif

#endif
