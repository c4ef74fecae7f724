//! What a person is told about a command.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failure in a helper is a failed test")]

use std::sync::Arc;

use bson::{Binary, RawDocumentBuf, rawdoc, spec::BinarySubtype};
use fieldveil_analysis::{
    EncryptedValue, EncryptionSchema, Explanation, Purpose, Refusal, SchemaOrigin, SchemaSet,
    explain,
};

fn schemas() -> SchemaSet {
    let key = Binary { subtype: BinarySubtype::Uuid, bytes: vec![1; 16] };
    let field = |algorithm: &str| {
        rawdoc! { "encrypt": { "algorithm": algorithm, "keyId": [key.clone()], "bsonType": "string" } }
    };
    let schema = rawdoc! {
        "bsonType": "object",
        "properties": {
            "ssn": field("AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"),
            "insurance": { "bsonType": "object", "properties": {
                "policy": field("AEAD_AES_256_CBC_HMAC_SHA_512-Random"),
            } },
            "own": { "encrypt": {
                "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": "/user",
            } },
        },
        "patternProperties": { "^secret_": field("AEAD_AES_256_CBC_HMAC_SHA_512-Random") },
    };
    let schema = EncryptionSchema::parse(&schema, SchemaOrigin::Local).unwrap();
    SchemaSet::single("db.c", Arc::new(schema))
}

fn values(command: &RawDocumentBuf) -> Vec<EncryptedValue> {
    match explain(command, "db", &schemas()) {
        Explanation::Passed { analysis, values } => {
            assert_eq!(analysis.has_encryption_placeholders, !values.is_empty());
            values
        }
        Explanation::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn refusal(command: &RawDocumentBuf) -> Refusal {
    match explain(command, "db", &schemas()) {
        Explanation::Passed { analysis, .. } => panic!("{analysis:?}"),
        Explanation::Refused(refusal) => refusal,
    }
}

#[test]
fn every_encrypted_value_is_told_with_its_place() {
    let found = values(&rawdoc! { "insert": "c", "documents": [
        { "_id": 1 },
        { "ssn": "a", "insurance": { "policy": "b" }, "secret_note": "c", "own": "d", "user": "u" },
    ] });
    let told: Vec<_> = found
        .iter()
        .map(|value| {
            let name = value.key_alt_name.as_deref();
            (value.place.as_str(), value.path.as_str(), value.schema_path.as_str(), name)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("documents.1.ssn", "ssn", "ssn", None),
            ("documents.1.insurance.policy", "insurance.policy", "insurance.policy", None),
            ("documents.1.secret_note", "secret_note", "/^secret_/", None),
            ("documents.1.own", "own", "own", Some("u")),
        ]
    );
    assert!(found.iter().all(|value| value.purpose == Purpose::Stored));
    assert!(found.iter().all(|value| value.bson_type == "string"));
}

#[test]
fn filters_updates_and_pipelines_are_told() {
    let places = |command: &RawDocumentBuf| -> Vec<(String, Purpose)> {
        values(command).into_iter().map(|value| (value.place, value.purpose)).collect()
    };
    let update = rawdoc! { "update": "c", "updates": [{
        "q": { "x": 1, "$or": [{ "ssn": { "$in": ["a", "b"] } }] },
        "u": { "$set": { "insurance": { "policy": "c" }, "secret_x": "d" } },
    }] };
    assert_eq!(
        places(&update),
        [
            ("updates.0.q.$or.0.ssn.$in.0".to_owned(), Purpose::Compared),
            ("updates.0.q.$or.0.ssn.$in.1".to_owned(), Purpose::Compared),
            ("updates.0.u.$set.insurance.policy".to_owned(), Purpose::Stored),
            ("updates.0.u.$set.secret_x".to_owned(), Purpose::Stored),
        ]
    );
    let explained = rawdoc! { "explain": { "aggregate": "c", "pipeline": [
        { "$match": { "ssn": "a" } },
        { "$set": { "y": { "$cond": [{ "$eq": ["$ssn", "b"] }, 1, 2] } } },
    ], "cursor": {} } };
    assert_eq!(
        places(&explained),
        [
            ("explain.pipeline.0.$match.ssn".to_owned(), Purpose::Compared),
            ("explain.pipeline.1.$set.y.$cond.0.$eq.1".to_owned(), Purpose::Compared),
        ]
    );
}

#[test]
fn a_refusal_tells_its_place_and_what_to_do() {
    let cases = [
        (
            rawdoc! { "insert": "c", "documents": [{ "insurance": { "policy": 5 } }] },
            "documents.0.insurance.policy",
            "give 'insurance.policy' a value of a type that the schema allows",
        ),
        (
            rawdoc! { "find": "c", "filter": { "$and": [{ "insurance.policy": "a" }] } },
            "filter.$and.0.insurance.policy",
            "find the document by another field",
        ),
        (
            rawdoc! { "update": "c", "updates": [{ "q": {}, "u": { "$inc": { "ssn": 1 } } }] },
            "updates.0.u.$inc.ssn",
            "compute the new value in the application",
        ),
        (
            rawdoc! { "update": "c", "updates": [{ "q": {}, "u": {
                "$set": { "insurance": { "policy": { "x": 1 } } },
            } }] },
            "updates.0.u.$set.insurance.policy",
            "give 'insurance.policy' a value",
        ),
        (
            rawdoc! { "aggregate": "c", "pipeline": [{ "$match": {} }, { "$out": "x" }] },
            "pipeline.1",
            "do this part in the application",
        ),
        (
            rawdoc! { "aggregate": "c", "pipeline": [{ "$group": { "_id": 1, "n": { "$max": "$ssn" } } }] },
            "pipeline.0.$group.n.$max",
            "$push the values",
        ),
        (rawdoc! { "find": "c", "sort": { "ssn": 1 } }, "sort.ssn", "sort by another field"),
        (
            rawdoc! { "find": "c", "filter": { "ssn": bson::RawBson::Null } },
            "filter.ssn",
            "{'ssn': {$exists: false}}",
        ),
    ];
    for (command, place, advice) in cases {
        let refusal = refusal(&command);
        assert_eq!(refusal.place, place, "{}", refusal.error);
        let found = refusal.advice.unwrap_or_default();
        assert!(found.contains(advice), "{}: {found}", refusal.error);
    }
}
