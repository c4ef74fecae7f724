//! Any document with one stage in each field as a pipeline on a collection with encrypted fields.
#![no_main]

use bson::{RawArrayBuf, RawDocumentBuf, raw::RawDocument, rawdoc};
use libfuzzer_sys::fuzz_target;

mod schema;

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = RawDocument::from_bytes(bytes) else { return };
    let mut pipeline = RawArrayBuf::new();
    for element in document {
        let Ok((name, value)) = element else { return };
        let mut stage = RawDocumentBuf::new();
        stage.append(name, value);
        pipeline.push(stage);
    }
    schema::analyze(rawdoc! { "aggregate": "c", "pipeline": pipeline, "cursor": {} });
});
