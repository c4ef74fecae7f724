//! Drop-in libmongocrypt: the C interface of MongoDB's client-side encryption, over
//! `fieldveil-core`.
//!
//! Every official driver encrypts through this interface. This crate has its exported functions,
//! and no behaviour of its own: handles are checked, views become slices, errors become statuses,
//! and `fieldveil-core` does the rest. Query analysis is built in.
//!
//! - `crypt` is `mongocrypt_t`, `ctx` is `mongocrypt_ctx_t`, `kms` is `mongocrypt_kms_ctx_t`.
//! - `border` has what turns pointers into values, and keeps panics from unwinding into C.
//! - `include/mongocrypt/mongocrypt.h` is the header for C, with the rules of ownership.
#![deny(unsafe_op_in_unsafe_fn)]

mod binary;
mod border;
mod clock;
mod crypt;
mod crypt_shared;
mod ctx;
mod hooks;
mod kms;
mod log;
mod random;
mod spares;
mod status;

pub use binary::*;
pub use crypt::*;
pub use ctx::*;
pub use hooks::{CryptoFn, HashFn, HmacFn, RandomFn};
pub use kms::*;
pub use log::LogFn;
pub use status::*;
