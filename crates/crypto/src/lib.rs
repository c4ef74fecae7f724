//! Ciphers, MACs and tokens of MongoDB's in-use encryption: bytes in, bytes out.
#![deny(unsafe_code)]
