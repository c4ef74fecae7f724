//! How long analysis of one command takes: inserts with 1, 10 and 100 encrypted fields, and a find
//! with five predicates; with a compiled schema, and as a request that carries its schema.
#![expect(clippy::unwrap_used, reason = "a benchmark may stop")]

use std::{hint::black_box, sync::Arc};

use bson::{
    Binary, RawDocumentBuf,
    raw::{CString, cstr},
    rawdoc,
    spec::BinarySubtype,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fieldveil_analysis::{Analyzer, EncryptionSchema, SchemaOrigin, SchemaSet, analyze};

const FIELDS: usize = 100;

fn name(index: usize) -> CString {
    CString::try_from(format!("field_{index}")).unwrap()
}

/// A schema with a hundred encrypted fields.
fn schema() -> RawDocumentBuf {
    let key = Binary { subtype: BinarySubtype::Uuid, bytes: vec![1; 16] };
    let mut properties = RawDocumentBuf::new();
    for index in 0..FIELDS {
        let encrypt = rawdoc! {
            "bsonType": "string",
            "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
            "keyId": [key.clone()],
        };
        properties.append(name(index), rawdoc! { "encrypt": encrypt });
    }
    rawdoc! { "bsonType": "object", "properties": properties }
}

/// An insert of one document with so many encrypted fields, and a plain one.
fn insert(fields: usize) -> RawDocumentBuf {
    let mut document = rawdoc! { "_id": 1, "plain": "nothing to hide" };
    for index in 0..fields {
        document.append(name(index), "a value of usual length");
    }
    rawdoc! { "insert": "c", "documents": [document], "ordered": true }
}

fn find() -> RawDocumentBuf {
    rawdoc! { "find": "c", "filter": {
        "field_1": "a",
        "field_2": { "$in": ["b", "c"] },
        "field_3": { "$ne": "d" },
        "plain": { "$gt": 5 },
        "other": "e",
    }, "limit": 10 }
}

fn request(command: &RawDocumentBuf) -> RawDocumentBuf {
    let mut request = command.clone();
    request.append(cstr!("jsonSchema"), schema());
    request.append(cstr!("isRemoteSchema"), true);
    request.append(cstr!("$db"), "db");
    request
}

fn commands(c: &mut Criterion) {
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

criterion_group!(benches, commands);
criterion_main!(benches);
