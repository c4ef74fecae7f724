//! Kernels in vector instructions: the one place of this crate with `unsafe`.
//!
//! For each set of instructions there is a type whose values prove that the processor has them, such
//! as [`x86_64::Aes`], [`x86_64::Vaes`], [`x86_64::Avx2`] or [`x86_64::ShaNi`]. They come from
//! `detect()` alone, so that their methods are safe. The kernels compute; what goes into which lane
//! is decided in safe code elsewhere. All of them run the same instructions on any data of the same
//! lengths: no branch and no address depends on contents.
//!
//! For aarch64 there is none: `aes` and `sha2` use its instructions for AES, SHA-256 and SHA-512.
#![allow(unsafe_code, reason = "the one place for it")]
#![allow(clippy::indexing_slicing, reason = "indices are counters of loops over arrays")]
#![allow(clippy::needless_range_loop, reason = "several arrays are walked by one counter")]
#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;
