//! Drop-in mongo_crypt_v1: the C ABI over fieldveil-analysis.
