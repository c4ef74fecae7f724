//! Key documents and cache, ciphertext formats, and the encryption state machines, without I/O.
#![forbid(unsafe_code)]
