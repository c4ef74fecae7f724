//! Queryable Encryption: values, tokens of many values at once, state in counter mode.
//!
//! `cargo bench -p fieldveil-crypto --bench queryable`
#![allow(clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fieldveil_crypto::DataKey;
use fieldveil_crypto::qe::state::IndexKind;

const AAD: [u8; 17] = [1; 17];
const IV: [u8; 16] = [2; 16];

fn key() -> DataKey {
    DataKey::try_from(&[7; 96][..]).expect("96 bytes")
}

fn values(c: &mut Criterion) {
    let key = key();
    for direction in ["encrypt", "decrypt"] {
        let mut group = c.benchmark_group(format!("qe/{direction}"));
        for size in [16, 256, 4 << 10, 64 << 10] {
            let (plaintext, mut sealed, mut out) = (vec![3; size], Vec::new(), Vec::new());
            key.encrypt_qe(&IV, &AAD, &plaintext, &mut sealed).expect("not empty");
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter(|| {
                    out.clear();
                    match direction {
                        "encrypt" => key.encrypt_qe(&IV, &AAD, &plaintext, &mut out),
                        _ => key.decrypt_qe(&AAD, &sealed, &mut out),
                    }
                    .expect("valid");
                    black_box(&out);
                });
            });
        }
    }
}

/// As many as a number has edges, and more.
fn tokens(c: &mut Criterion) {
    let key = key();
    let top = key.index_tokens();
    let edges: Vec<String> = (0..128).map(|length| "01".repeat(length / 4)).collect();
    let mut group = c.benchmark_group("qe/tokens");
    for count in [1, 8, 32, 128] {
        let values: Vec<&[u8]> = edges.iter().take(count).map(String::as_bytes).collect();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("insert", count), |b| {
            b.iter(|| top.insert_tokens(None, black_box(&values), 3));
        });
        group.bench_function(BenchmarkId::new("find", count), |b| {
            b.iter(|| top.find_tokens(None, black_box(&values)));
        });
    }
}

/// Counter mode, of 32 bytes and of many.
fn state(c: &mut Criterion) {
    let key = key();
    let top = key.index_tokens();
    let tokens = top.insert_tokens(None, &[b"value"], 3);
    let esc = &tokens.first().expect("one value").esc;
    let mut out = Vec::new();
    c.bench_function("qe/state", |b| {
        b.iter(|| {
            out.clear();
            top.ecoc.encrypt_state(&IV, esc, IndexKind::Equality, &mut out).expect("no tags");
            black_box(&out);
        });
    });
    let mut group = c.benchmark_group("qe/layer");
    for size in [64, 4 << 10, 64 << 10] {
        let value = vec![3; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| {
                out.clear();
                top.server_data_encryption.encrypt_value(&IV, &value, &mut out);
                black_box(&out);
            });
        });
    }
}

criterion_group!(benches, values, tokens, state);
criterion_main!(benches);
