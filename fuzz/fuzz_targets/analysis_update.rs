//! Any document as an update, and as a document to insert, on a collection with encrypted fields.
#![no_main]

use bson::{raw::RawDocument, rawdoc};
use libfuzzer_sys::fuzz_target;

mod schema;

fuzz_target!(|bytes: &[u8]| {
    let Ok(update) = RawDocument::from_bytes(bytes) else { return };
    let update = update.to_owned();
    schema::analyze(rawdoc! { "update": "c", "updates": [{ "q": {}, "u": update.clone() }] });
    schema::analyze(rawdoc! { "insert": "c", "documents": [update] });
});
