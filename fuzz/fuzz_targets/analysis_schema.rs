//! Any document as a schema: it compiles, or has a fault that can be told.
#![no_main]

use bson::raw::RawDocument;
use fieldveil_analysis::{EncryptionSchema, SchemaOrigin, check_schema};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(schema) = RawDocument::from_bytes(bytes) else { return };
    for origin in [SchemaOrigin::Local, SchemaOrigin::Remote] {
        let report = check_schema(schema, origin);
        let parsed = EncryptionSchema::parse(schema, origin);
        assert_eq!(parsed.is_ok(), report.errors.is_empty());
        for error in report.errors {
            let _ = (error.to_string(), error.code());
        }
        for warning in report.warnings {
            let _ = warning.to_string();
        }
    }
});
