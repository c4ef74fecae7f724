//! Drop-in libmongocrypt: the C ABI over fieldveil-core.
