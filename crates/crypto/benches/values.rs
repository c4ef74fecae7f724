//! CSFLE values: single ones of several sizes, and batches as documents have them.
//!
//! `cargo bench -p fieldveil-crypto --bench values`
#![allow(clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fieldveil_crypto::batch::{self, Algorithm, DecryptJob, EncryptJob};
use fieldveil_crypto::{DataKey, hash};

const SIZES: [usize; 6] = [10, 16, 256, 4 << 10, 64 << 10, 1 << 20];
/// Four, eight and nine are what the kernels of AVX-512 take at once.
const BATCHES: [usize; 7] = [1, 4, 8, 9, 10, 100, 1500];
const AAD: [u8; 18] = [1; 18];
const IV: [u8; 16] = [2; 16];

fn key() -> DataKey {
    DataKey::try_from(&[7; 96][..]).expect("96 bytes")
}

fn single(c: &mut Criterion) {
    let key = key();
    for algorithm in ["random", "deterministic", "decrypt"] {
        let mut group = c.benchmark_group(format!("single/{algorithm}"));
        for size in SIZES {
            let plaintext = vec![3; size];
            let mut sealed = Vec::new();
            key.encrypt_random(&IV, &AAD, &plaintext, &mut sealed).expect("not empty");
            let mut out = Vec::with_capacity(batch::ciphertext_len(size));
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter(|| {
                    out.clear();
                    match algorithm {
                        "random" => key.encrypt_random(&IV, &AAD, &plaintext, &mut out),
                        "deterministic" => key.encrypt_deterministic(&AAD, &plaintext, &mut out),
                        _ => key.decrypt(&AAD, &sealed, &mut out),
                    }
                    .expect("valid");
                    black_box(&out);
                });
            });
        }
    }
}

/// Strings of ten characters, as BSON values of 15 bytes: one block each.
fn batches(c: &mut Criterion) {
    let key = key();
    let plaintexts: Vec<Vec<u8>> =
        (0..1500).map(|i| format!("\x0b\0\0\0value {i:04}\0").into_bytes()).collect();
    for algorithm in ["random", "deterministic", "decrypt"] {
        let mut group = c.benchmark_group(format!("batch/{algorithm}"));
        for count in BATCHES {
            let mut sealed = Vec::new();
            let mut jobs = Vec::new();
            for plaintext in &plaintexts[..count] {
                let start = sealed.len();
                sealed.extend_from_slice(&AAD);
                jobs.push(EncryptJob {
                    key: &key,
                    algorithm: match algorithm {
                        "deterministic" => Algorithm::Deterministic,
                        _ => Algorithm::Random { iv: IV },
                    },
                    plaintext,
                    aad: start..sealed.len(),
                });
                sealed.resize(sealed.len() + batch::ciphertext_len(plaintext.len()), 0);
            }
            batch::encrypt(&jobs, &mut sealed).expect("valid");
            group.throughput(Throughput::Elements(count as u64));
            if algorithm == "decrypt" {
                let mut out = Vec::new();
                let mut opened: Vec<DecryptJob<'_>> = jobs
                    .iter()
                    .map(|job| {
                        let end = job.aad.end + batch::ciphertext_len(job.plaintext.len());
                        let (aad, ciphertext) =
                            (&sealed[job.aad.clone()], &sealed[job.aad.end..end]);
                        DecryptJob::new(&key, aad, ciphertext)
                    })
                    .collect();
                group.bench_function(BenchmarkId::from_parameter(count), |b| {
                    b.iter(|| {
                        out.clear();
                        batch::decrypt(&mut opened, &mut out).expect("valid");
                        black_box(&out);
                    });
                });
            } else {
                group.bench_function(BenchmarkId::from_parameter(count), |b| {
                    b.iter(|| {
                        batch::encrypt(&jobs, &mut sealed).expect("valid");
                        black_box(&sealed);
                    });
                });
            }
        }
    }
}

fn hashes(c: &mut Criterion) {
    let mut group = c.benchmark_group("hash");
    for size in SIZES {
        let data = vec![5; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("sha256", size), |b| {
            b.iter(|| hash::sha256(black_box(&data)));
        });
        group.bench_function(BenchmarkId::new("sha512", size), |b| {
            b.iter(|| hash::sha512(black_box(&data)));
        });
    }
}

/// The same batch on one and on two threads, with one key: each iteration decrypts it once on every
/// thread, so that the throughput of two is twice that of one unless they hinder each other.
fn threads(c: &mut Criterion) {
    let key = key();
    let mut sealed = Vec::new();
    key.encrypt_random(&IV, &AAD, b"\x0b\0\0\0value 0000\0", &mut sealed).expect("not empty");
    let decrypt = |iterations: u64| {
        let mut jobs: Vec<_> = (0..1500).map(|_| DecryptJob::new(&key, &AAD, &sealed)).collect();
        let mut out = Vec::new();
        for _ in 0..iterations {
            out.clear();
            batch::decrypt(&mut jobs, &mut out).expect("valid");
            black_box(&out);
        }
    };
    let mut group = c.benchmark_group("threads");
    for count in [1, 2] {
        group.throughput(Throughput::Elements(1500 * count));
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter_custom(|iterations| {
                let begin = Instant::now();
                thread::scope(|scope| {
                    for _ in 0..count {
                        scope.spawn(|| decrypt(iterations));
                    }
                });
                begin.elapsed()
            });
        });
    }
}

criterion_group!(benches, single, batches, hashes, threads);
criterion_main!(benches);
