//! The collection of the targets: short names, so that a fuzzer finds them.

use std::sync::{Arc, LazyLock};

use bson::{Binary, RawDocumentBuf, rawdoc, spec::BinarySubtype};
use fieldveil_analysis::{EncryptionSchema, Explanation, SchemaOrigin, SchemaSet, explain};

static SCHEMAS: LazyLock<SchemaSet> = LazyLock::new(|| {
    let key = Binary { subtype: BinarySubtype::Uuid, bytes: vec![1; 16] };
    let field = |algorithm: &str, kind: &str| {
        rawdoc! { "encrypt": { "algorithm": algorithm, "keyId": [key.clone()], "bsonType": kind } }
    };
    let deterministic = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic";
    let random = "AEAD_AES_256_CBC_HMAC_SHA_512-Random";
    let schema = rawdoc! {
        "bsonType": "object",
        "properties": {
            "a": field(deterministic, "string"),
            "b": field(random, "int"),
            "c": { "bsonType": "object", "properties": { "d": field(deterministic, "int") } },
        },
        "patternProperties": { "^s": field(random, "object") },
    };
    let schema = EncryptionSchema::parse(&schema, SchemaOrigin::Local).expect("a good schema");
    SchemaSet::single("db.c", Arc::new(schema))
});

/// Analyses a command, which must not panic; a refusal must be able to tell itself.
pub fn analyze(command: RawDocumentBuf) {
    if let Explanation::Refused(refusal) = explain(&command, "db", &SCHEMAS) {
        let _ = (refusal.error.to_string(), refusal.error.code_name());
    }
}
