//! How long analysis of one command takes: inserts with 1, 10 and 100 encrypted fields, and a find
//! with five predicates; with a compiled schema, and as a request that carries its schema.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop")]

mod commands;

use std::{hint::black_box, sync::Arc};

use commands::{find, insert, request, schema};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fieldveil_analysis::{Analyzer, EncryptionSchema, SchemaOrigin, SchemaSet, analyze};

fn all(c: &mut Criterion) {
    let compiled = EncryptionSchema::parse(&schema(), SchemaOrigin::Remote).unwrap();
    let schemas = SchemaSet::single("db.c", Arc::new(compiled));
    let mut group = c.benchmark_group("analyze/insert");
    for fields in [1, 10, 100] {
        let command = insert(fields);
        group.throughput(Throughput::Elements(fields as u64));
        group.bench_with_input(BenchmarkId::from_parameter(fields), &command, |b, command| {
            b.iter(|| analyze(black_box(command), "db", &schemas).unwrap());
        });
    }
    group.finish();
    let command = find();
    c.bench_function("analyze/find/5", |b| {
        b.iter(|| analyze(black_box(&command), "db", &schemas).unwrap());
    });
    let command = request(&find());
    let analyzer = Analyzer::new();
    c.bench_function("analyze_request/find/5", |b| {
        b.iter(|| analyzer.analyze_request(black_box(&command)).unwrap());
    });
    let command = schema();
    c.bench_function("schema/100", |b| {
        b.iter(|| EncryptionSchema::parse(black_box(&command), SchemaOrigin::Remote).unwrap());
    });
}

criterion_group!(benches, all);
criterion_main!(benches);
