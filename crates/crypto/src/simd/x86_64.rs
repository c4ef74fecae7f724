//! x86-64: AES-NI with AVX, VAES, SHA extensions, AVX2, AVX-512.

mod aes;
mod avx2;
mod avx512;
mod constants;
mod sha256;
mod sha512;
mod vaes;
mod woven;

pub(crate) use aes::{Aes, RoundKeys};
pub(crate) use avx2::Avx2;
pub(crate) use avx512::{Avx512, SHORT, Short};
pub(crate) use sha256::ShaNi;
pub(crate) use sha512::Bmi2;
pub(crate) use vaes::Vaes;
pub(crate) use woven::Woven;
