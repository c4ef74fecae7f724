//! Each kernel alone, whether or not it is the one that this processor would be given, beside the
//! portable code of `sha2` and `aes`.
//!
//! `cargo bench -p fieldveil-crypto --bench kernels`
//!
//! The kernels are compiled into this program from their source, so that the crate need not export
//! them.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

#[path = "../src/simd"]
#[allow(dead_code, unused_imports, reason = "a part is enough here")]
#[allow(unsafe_code, clippy::indexing_slicing, clippy::needless_range_loop, reason = "simd.rs")]
mod simd {
    #[cfg(target_arch = "x86_64")]
    pub(crate) mod x86_64;
}

/// Bytes of a block of SHA-512, and of AES.
const HASH_BLOCK: usize = 128;
const AES_BLOCK: usize = 16;

fn group<'a>(c: &'a mut Criterion, name: &str, bytes: usize) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes as u64));
    group
}

/// What the kernels are compared with.
fn portable(c: &mut Criterion) {
    use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

    let (mut state, block) = ([1; 8], [[2; HASH_BLOCK]]);
    group(c, "sha512/block", HASH_BLOCK).bench_function("sha2", |b| {
        b.iter(|| sha2::block_api::compress512(black_box(&mut state), &block));
    });
    let (mut state, block) = ([1; 8], [[2; 64]]);
    group(c, "sha256/block", 64).bench_function("sha2", |b| {
        b.iter(|| sha2::block_api::compress256(black_box(&mut state), &block));
    });
    let cipher = aes::Aes256::new(&[3; 32].into());
    let mut blocks = [aes::Block::from([4; AES_BLOCK]); 8];
    let mut group = group(c, "aes/8 blocks", 8 * AES_BLOCK);
    group.bench_function("encrypt/aes", |b| b.iter(|| cipher.encrypt_blocks(&mut blocks)));
    group.bench_function("decrypt/aes", |b| b.iter(|| cipher.decrypt_blocks(&mut blocks)));
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::*;
    use simd::x86_64::{Aes, Avx2, Avx512, Bmi2, ShaNi, Short, Vaes, Woven};

    pub(super) fn sha512(c: &mut Criterion) {
        let (mut state, block) = ([1; 8], [[2; HASH_BLOCK]]);
        let mut one = group(c, "sha512/block", HASH_BLOCK);
        if let Some(bmi2) = Bmi2::detect() {
            one.bench_function("avx2", |b| b.iter(|| bmi2.sha512(black_box(&mut state), &block)));
        }
        if let Some(avx512) = Avx512::detect() {
            one.bench_function("avx512", |b| {
                b.iter(|| avx512.sha512(black_box(&mut state), &block));
            });
        }
        one.finish();
        let (mut state, blocks) = ([[1; 4]; 8], [[2; HASH_BLOCK]; 4]);
        let mut four = group(c, "sha512/4 lanes", 4 * HASH_BLOCK);
        if let Some(avx2) = Avx2::detect() {
            four.bench_function("avx2", |b| {
                b.iter(|| avx2.sha512_x4(black_box(&mut state), &blocks));
            });
        }
        let Some(avx512) = Avx512::detect() else { return };
        four.bench_function("avx512", |b| {
            b.iter(|| avx512.sha512_x4(black_box(&mut state), &blocks));
        });
        four.finish();
        let (mut state, blocks) = ([[1; 8]; 8], [[2; HASH_BLOCK]; 8]);
        group(c, "sha512/8 lanes", 8 * HASH_BLOCK).bench_function("avx512", |b| {
            b.iter(|| avx512.sha512_x8(black_box(&mut state), &blocks));
        });
    }

    /// HMAC-SHA-512 of what a short field has: 18 bytes, an initialization vector and a block.
    pub(super) fn hmac(c: &mut Criterion) {
        let Some(avx512) = Avx512::detect() else { return };
        let pads = [[1; 8], [2; 8]];
        let parts: [&[u8]; 3] = [&[3; 18], &[4; 32], &[5; 8]];
        let message = Short { inner: &pads[0], outer: &pads[1], parts };
        let mut group = c.benchmark_group("hmac-sha512");
        let mut tag = [0; 64];
        group.bench_function("1/avx512", |b| {
            b.iter(|| avx512.hmac(black_box(&message), &mut tag));
        });
        let (messages, mut tags) = ([message; 4], [[0; 32]; 4]);
        group.bench_function("4/avx512", |b| {
            b.iter(|| avx512.hmac_x4(black_box(&messages), &mut tags));
        });
        let (messages, mut tags) = ([message; 8], [[0; 32]; 8]);
        group.bench_function("8/avx512", |b| {
            b.iter(|| avx512.hmac_x8(black_box(&messages), &mut tags));
        });
        let (messages, mut tags) = ([message; 9], [[0; 32]; 9]);
        group.bench_function("9/avx512 and general registers", |b| {
            b.iter(|| avx512.hmac_x9(black_box(&messages), &mut tags));
        });
    }

    pub(super) fn sha256(c: &mut Criterion) {
        if let Some(sha_ni) = ShaNi::detect() {
            let (mut states, blocks) = ([[1; 8]; 2], [[2; 64]; 2]);
            group(c, "sha256/2 messages", 128).bench_function("sha extensions", |b| {
                b.iter(|| sha_ni.sha256_x2(black_box(&mut states), &blocks));
            });
        }
        if let Some(avx2) = Avx2::detect() {
            let (mut states, blocks) = ([[1; 8]; 8], [[2; 64]; 8]);
            group(c, "sha256/8 lanes", 512).bench_function("avx2", |b| {
                b.iter(|| avx2.sha256_x8(black_box(&mut states), &blocks));
            });
        }
    }

    pub(super) fn aes(c: &mut Criterion) {
        let Some(aes) = Aes::detect() else { return };
        let iv = [5; AES_BLOCK];
        let keys = aes.expand(&[3; 32]);
        group(c, "aes", 32).bench_function("expand/aes-ni", |b| {
            b.iter(|| aes.expand(black_box(&[3; 32])));
        });
        let mut blocks = [[4; AES_BLOCK]; 8];
        let mut eight = group(c, "aes/8 blocks", 8 * AES_BLOCK);
        eight.bench_function("encrypt, eight keys/aes-ni", |b| {
            b.iter(|| aes.encrypt_lanes(black_box([&keys; 8]), &mut blocks));
        });
        eight.bench_function("decrypt, eight keys/aes-ni", |b| {
            b.iter(|| aes.decrypt_lanes(black_box([&keys; 8]), &mut blocks));
        });
        eight.bench_function("cbc encrypt/aes-ni", |b| {
            b.iter(|| aes.cbc_encrypt(black_box(&keys), &iv, &mut blocks));
        });
        eight.bench_function("cbc decrypt/aes-ni", |b| {
            b.iter(|| aes.cbc_decrypt(black_box(&keys), &iv, &mut blocks));
        });
        eight.finish();
        let Some(vaes) = Vaes::detect() else { return };
        let mut groups = [[[4; AES_BLOCK]; 16]];
        let mut sixteen = group(c, "aes/16 blocks", 16 * AES_BLOCK);
        sixteen.bench_function("encrypt/vaes", |b| {
            b.iter(|| vaes.encrypt_blocks(black_box(&keys), &mut groups));
        });
        sixteen.bench_function("cbc decrypt/vaes", |b| {
            b.iter(|| vaes.cbc_decrypt(black_box(&keys), &iv, &mut groups));
        });
    }

    /// AES-CBC encryption and SHA-512 of the same 16 KiB.
    pub(super) fn woven(c: &mut Criterion) {
        let Some(woven) = Woven::detect() else { return };
        let Some(aes) = Aes::detect() else { return };
        let keys = aes.expand(&[3; 32]);
        let (mut chain, mut state) = ([5; AES_BLOCK], [1; 8]);
        let mut buffer = vec![4; (16 << 10) + HASH_BLOCK];
        group(c, "aes-cbc and sha512", 16 << 10).bench_function("woven", |b| {
            b.iter(|| {
                let buffer = black_box(&mut buffer);
                woven.encrypt(&keys, &mut chain, &mut state, buffer, HASH_BLOCK, 0)
            });
        });
    }
}

#[cfg(target_arch = "x86_64")]
criterion_group!(
    kernels,
    portable,
    x86_64::sha512,
    x86_64::hmac,
    x86_64::sha256,
    x86_64::aes,
    x86_64::woven
);
#[cfg(not(target_arch = "x86_64"))]
criterion_group!(kernels, portable);
criterion_main!(kernels);
