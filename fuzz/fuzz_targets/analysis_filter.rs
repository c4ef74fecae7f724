//! Any document as the filter of a find on a collection with encrypted fields.
#![no_main]

use bson::{raw::RawDocument, rawdoc};
use libfuzzer_sys::fuzz_target;

mod schema;

fuzz_target!(|bytes: &[u8]| {
    let Ok(filter) = RawDocument::from_bytes(bytes) else { return };
    schema::analyze(rawdoc! { "find": "c", "filter": filter.to_owned() });
});
