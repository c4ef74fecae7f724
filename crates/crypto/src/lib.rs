//! Ciphers, MACs and tokens of MongoDB's in-use encryption: bytes in, bytes out.
//!
//! The lowest room of the workspace. It knows no BSON, no key ids and no I/O: callers hand in key
//! material, associated data and plaintext, and get ciphertext. Randomness comes from the caller
//! as well, through [`Random`].
//!
//! - [`DataKey`] holds 96 bytes of key material together with everything that can be computed
//!   from them once: AES key schedules and keyed HMAC states.
//! - [`aead`] is client-side field level encryption (CSFLE), one value at a time.
//! - [`batch`] is the same for many values in one call, which is how to be fast.
//! - [`qe`] is Queryable Encryption: encryption of values and of state, and the tree of tokens.
//! - [`hash`] and [`hmac`] are SHA-2 and HMAC over it, so that no other room needs a hash crate.
//!
//! Key material lives in types that are wiped on drop and print as `[redacted]`. No branch and no
//! index depends on secret bytes; lengths are public.
#![deny(unsafe_code)]
#![warn(clippy::indexing_slicing)]

pub mod aead;
pub mod batch;
pub mod hash;
pub mod hmac;
pub mod qe;

mod cipher;
mod data_key;
mod engine;
mod error;
mod random;
mod secret;
mod simd;

pub use data_key::DataKey;
pub use error::CryptoError;
pub use random::{Random, RandomError, expand};
pub use secret::Secret;
