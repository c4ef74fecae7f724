use std::sync::Arc;

use bson::{Binary, RawDocumentBuf, rawdoc, spec::BinarySubtype};

use super::*;
use crate::{EncryptionSchema, SchemaOrigin};

/// `{a: 1, ki: <16 times 1>, v: <value>}` behind a zero byte.
fn marked(algorithm: i32, value: impl Into<RawBson>) -> Binary {
    let id = Binary { subtype: BinarySubtype::Uuid, bytes: vec![1; 16] };
    let document = rawdoc! { "a": algorithm, "ki": id, "v": value.into() };
    let mut bytes = vec![0];
    bytes.extend(document.as_bytes());
    Binary { subtype: BinarySubtype::Encrypted, bytes }
}

fn shape() -> Shape {
    let id = Binary { subtype: BinarySubtype::Uuid, bytes: vec![1; 16] };
    let deterministic = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic";
    let random = "AEAD_AES_256_CBC_HMAC_SHA_512-Random";
    let field = |algorithm: &str, kind: &str| {
        rawdoc! { "encrypt": { "algorithm": algorithm, "keyId": [id.clone()], "bsonType": kind } }
    };
    let schema = rawdoc! {
        "bsonType": "object",
        "properties": {
            "ssn": field(deterministic, "string"),
            "secret": field(random, "string"),
            "pattern": field(deterministic, "regex"),
            "pay": {
                "bsonType": "object",
                "properties": { "amount": field(deterministic, "int") },
            },
        },
    };
    EncryptionSchema::parse(&schema, SchemaOrigin::Local).unwrap().root
}

fn mark(filter: &RawDocumentBuf) -> Result<Option<RawDocumentBuf>, AnalyzeError> {
    mark_filter(&mut Marker::default(), &shape(), filter)
}

/// The refusal of a filter, and the place in it.
fn refusal(filter: &RawDocumentBuf) -> (String, String) {
    let mut marker = Marker::default();
    let error = mark_filter(&mut marker, &shape(), filter).unwrap_err();
    (error.to_string(), marker.place().to_owned())
}

#[test]
fn equality_is_marked_and_made_explicit() {
    assert_eq!(
        mark(&rawdoc! { "ssn": "a" }).unwrap().unwrap(),
        rawdoc! { "ssn": { "$eq": marked(1, "a") } }
    );
    assert_eq!(
        mark(&rawdoc! { "_id": 2, "ssn": { "$ne": "a" } }).unwrap().unwrap(),
        rawdoc! { "$and": [{ "_id": { "$eq": 2 } }, { "ssn": { "$ne": marked(1, "a") } }] }
    );
}

#[test]
fn logical_operators_and_lists_are_walked() {
    let filter = rawdoc! { "$or": [
        { "pay.amount": { "$in": [1, 2] } },
        { "$nor": [{ "ssn": { "$not": { "$nin": ["a"] } } }] },
        { "ssn": { "$exists": true } },
    ] };
    let expected = rawdoc! { "$or": [
        { "pay.amount": { "$in": [marked(1, 1), marked(1, 2)] } },
        { "$nor": [{ "ssn": { "$not": { "$nin": [marked(1, "a")] } } }] },
        { "ssn": { "$exists": true } },
    ] };
    assert_eq!(mark(&filter).unwrap().unwrap(), expected);
}

#[test]
fn filters_without_an_encrypted_constant_stay_as_they_are() {
    for filter in [
        rawdoc! {},
        rawdoc! { "a": 1, "b": { "$gt": 2, "$regex": "x" } },
        rawdoc! { "ssn": { "$exists": false } },
        rawdoc! { "ssn": { "$in": [] } },
        rawdoc! { "pay": 3 },
        rawdoc! { "pay": { "$exists": true } },
        rawdoc! { "a": { "$elemMatch": { "ssn": "x" } } },
        rawdoc! { "$comment": "x", "$alwaysTrue": 1 },
    ] {
        assert_eq!(mark(&filter).unwrap(), None, "{filter:?}");
    }
}

#[test]
fn operators_that_cannot_work_on_ciphertext_are_refused() {
    let operators = [
        rawdoc! { "$gt": "a" },
        rawdoc! { "$gte": "a" },
        rawdoc! { "$lt": "a" },
        rawdoc! { "$lte": "a" },
        rawdoc! { "$type": "string" },
        rawdoc! { "$elemMatch": { "$eq": "a" } },
        rawdoc! { "$size": 1 },
        rawdoc! { "$all": ["a"] },
        rawdoc! { "$regex": "a" },
        rawdoc! { "$mod": [2, 1] },
        rawdoc! { "$bitsAllClear": 1 },
        rawdoc! { "$bitsAllSet": 1 },
        rawdoc! { "$bitsAnyClear": 1 },
        rawdoc! { "$bitsAnySet": 1 },
        rawdoc! { "$near": { "$geometry": { "type": "Point", "coordinates": [1, 1] } } },
        rawdoc! { "$geoWithin": { "$center": [[1, 1], 1] } },
        rawdoc! { "$not": { "$gt": "a" } },
    ];
    for operator in operators {
        for field in ["ssn", "secret"] {
            let mut filter = RawDocumentBuf::new();
            filter.append(bson::raw::CString::try_from(field).unwrap(), operator.clone());
            let (text, place) = refusal(&filter);
            assert!(
                text.contains("Invalid match expression operator on encrypted field"),
                "{text}"
            );
            assert!(place.starts_with(field), "{place}");
        }
    }
    let regex =
        bson::Regex { pattern: bson::raw::cstr!("a").into(), options: bson::raw::cstr!("").into() };
    for filter in [
        rawdoc! { "pattern": regex.clone() },
        rawdoc! { "pattern": { "$eq": regex.clone() } },
        rawdoc! { "pattern": { "$in": [regex] } },
    ] {
        let (text, _) = refusal(&filter);
        assert!(text.contains("Invalid match expression operator on encrypted field"), "{text}");
    }
}

#[test]
fn each_refusal_tells_its_place() {
    let cases = [
        (
            rawdoc! { "secret": "a" },
            "secret",
            "Cannot query on fields encrypted with the randomized",
        ),
        (rawdoc! { "secret": { "$in": ["a"] } }, "secret.$in", "randomized encryption algorithm"),
        (rawdoc! { "ssn": RawBson::Null }, "ssn", "Illegal equality to null predicate for"),
        (
            rawdoc! { "x": 1, "$or": [{ "x": 1 }, { "ssn": { "$in": [RawBson::Null] } }] },
            "$or.1.ssn.$in",
            "Illegal equality to null inside $in against an encrypted field",
        ),
        (
            rawdoc! { "ssn": 5 },
            "ssn",
            "Cannot encrypt element of type: int because schema requires",
        ),
        (
            rawdoc! { "ssn": { "$in": ["a", 5] } },
            "ssn.$in.1",
            "Cannot encrypt element of type: int",
        ),
        (rawdoc! { "ssn": ["a"] }, "ssn", "Cannot encrypt element of type: array"),
        (rawdoc! { "ssn": marked(1, "x") }, "ssn", "is encrypted already"),
        (rawdoc! { "ssn.x": 1 }, "ssn.x", "'ssn.x' which contains an encrypted path prefix."),
        (rawdoc! { "pay": { "amount": 1 } }, "pay", "value of type object at path 'pay'"),
        (rawdoc! { "pay": { "$type": "object" } }, "pay.$type", "'pay.amount' is encrypted"),
        (rawdoc! { "pay.0.amount": 1 }, "pay.0.amount", "array index"),
        (rawdoc! { "$where": "1" }, "", "Unsupported match expression operator for encryption"),
        (rawdoc! { "$text": { "$search": "a" } }, "", "Unsupported match expression operator"),
        (rawdoc! { "$jsonSchema": {} }, "", "Unsupported match expression operator"),
        (rawdoc! { "a": { "$foo": 1 } }, "", "$foo"),
        (rawdoc! { "$expr": { "$gt": ["$ssn", "a"] } }, "$expr.$gt.0", "Invalid reference to an"),
    ];
    for (filter, place, text) in cases {
        let refusal = refusal(&filter);
        assert!(refusal.0.contains(text), "{filter:?}: {}", refusal.0);
        assert_eq!(refusal.1, place, "{filter:?}");
    }
}

#[test]
fn expressions_inside_a_filter_are_marked() {
    assert_eq!(
        mark(&rawdoc! { "$expr": { "$eq": ["$ssn", "a"] } }).unwrap().unwrap(),
        rawdoc! { "$expr": { "$eq": ["$ssn", marked(1, "a")] } }
    );
}

#[test]
fn an_unknown_state_cannot_be_matched() {
    let shape = Shape::object({
        let mut object = crate::shape::ObjectShape::default();
        object.set("x", Shape::Unknown(Arc::from("ssn")));
        object
    });
    let error = mark_filter(&mut Marker::default(), &shape, &rawdoc! { "x": 1 }).unwrap_err();
    assert!(error.to_string().contains("not known until runtime"), "{error}");
}
