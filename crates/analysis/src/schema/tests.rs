use bson::{RawDocumentBuf, oid::ObjectId, rawdoc, spec::BinarySubtype};

use super::*;
use crate::shape::{Ambiguity, PathState};

const DETERMINISTIC: &str = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic";
const RANDOM: &str = "AEAD_AES_256_CBC_HMAC_SHA_512-Random";

fn uuid(byte: u8) -> bson::Binary {
    bson::Binary { subtype: BinarySubtype::Uuid, bytes: vec![byte; 16] }
}

fn deterministic() -> RawDocumentBuf {
    rawdoc! { "encrypt": { "bsonType": "string", "algorithm": DETERMINISTIC, "keyId": [uuid(1)] } }
}

fn random() -> RawDocumentBuf {
    rawdoc! { "encrypt": { "algorithm": RANDOM, "keyId": [uuid(1)] } }
}

fn object(properties: RawDocumentBuf) -> RawDocumentBuf {
    rawdoc! { "bsonType": "object", "properties": properties }
}

fn problem(schema: &RawDocumentBuf, origin: SchemaOrigin) -> SchemaProblem {
    EncryptionSchema::parse(schema, origin).unwrap_err().problem
}

fn state(schema: &RawDocumentBuf, path: &str) -> Result<PathState, Ambiguity> {
    EncryptionSchema::parse(schema, SchemaOrigin::Remote).unwrap().root.at(path)
}

#[test]
fn a_path_is_plain_encrypted_a_prefix_or_below() {
    let schema = object(rawdoc! { "pay": object(rawdoc! { "amount": deterministic() }) });
    assert!(matches!(state(&schema, "pay.amount"), Ok(PathState::Encrypted(_))));
    assert!(matches!(state(&schema, "pay"), Ok(PathState::Prefix(_))));
    assert!(matches!(state(&schema, "pay.note"), Ok(PathState::Plain)));
    assert!(matches!(state(&schema, "amount"), Ok(PathState::Plain)));
    let Ok(PathState::Below { encrypted }) = state(&schema, "pay.amount.currency.x") else {
        panic!("not below")
    };
    assert_eq!(encrypted, "pay.amount");
}

#[test]
fn a_number_in_a_path_is_refused_if_it_may_lead_to_something_encrypted() {
    let schema = object(rawdoc! { "pay": object(rawdoc! { "amount": deterministic() }) });
    for path in ["pay.0.amount", "pay.0", "pay.0.0.amount", "pay.0.amount.x"] {
        assert!(matches!(state(&schema, path), Err(Ambiguity::Index(_))), "{path}");
    }
    for path in ["pay.0.note", "0.pay", "other.0.amount"] {
        assert!(matches!(state(&schema, path), Ok(PathState::Plain)), "{path}");
    }
    let many = format!("pay{}", ".0".repeat(5000));
    assert!(matches!(state(&schema, &many), Err(Ambiguity::Index(_))));
}

#[test]
fn missing_options_come_from_the_nearest_metadata_that_has_them() {
    let schema = rawdoc! {
        "bsonType": "object",
        "encryptMetadata": { "keyId": [uuid(1)], "algorithm": RANDOM },
        "properties": {
            "a": { "encrypt": {} },
            "b": {
                "bsonType": "object",
                "encryptMetadata": { "algorithm": DETERMINISTIC },
                "properties": { "c": { "encrypt": { "bsonType": "string" } } },
                "patternProperties": { "^s_": { "encrypt": { "bsonType": "int", "keyId": [uuid(2)] } } },
            },
        },
    };
    let schema = EncryptionSchema::parse(&schema, SchemaOrigin::Local).unwrap();
    let found: Vec<_> = schema
        .fields()
        .map(|field| (field.path(), field.algorithm(), field.key().clone()))
        .collect();
    assert_eq!(
        found,
        [
            ("a", Algorithm::Random, FieldKey::Id([1; 16])),
            ("b.c", Algorithm::Deterministic, FieldKey::Id([1; 16])),
            ("b./^s_/", Algorithm::Deterministic, FieldKey::Id([2; 16])),
        ]
    );
}

use crate::shape::{Algorithm, FieldKey};

#[test]
fn patterns_and_other_names_apply_as_json_schema_says() {
    let schema = rawdoc! {
        "bsonType": "object",
        "properties": { "secret_note": { "bsonType": "string" }, "plain": {} },
        "patternProperties": { "secret": random() },
        "additionalProperties": deterministic(),
    };
    let algorithm = |path| match state(&schema, path) {
        Ok(PathState::Encrypted(field)) => Some(field.algorithm()),
        Ok(PathState::Plain) => None,
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(algorithm("secret_note"), Some(Algorithm::Random));
    assert_eq!(algorithm("my_secret"), Some(Algorithm::Random));
    assert_eq!(algorithm("plain"), None);
    assert_eq!(algorithm("other"), Some(Algorithm::Deterministic));
}

#[test]
fn subschemas_that_contradict_each_other_are_refused() {
    let schema = rawdoc! {
        "bsonType": "object",
        "properties": { "secret": deterministic() },
        "patternProperties": { "^s": random() },
    };
    assert_eq!(
        problem(&schema, SchemaOrigin::Remote),
        SchemaProblem::Conflict { field: "secret".to_owned() }
    );
    let schema = rawdoc! {
        "bsonType": "object",
        "patternProperties": { "^s": random(), "t$": deterministic() },
    };
    assert!(matches!(state(&schema, "st"), Err(Ambiguity::Conflict(_))));
    assert!(matches!(state(&schema, "s"), Ok(PathState::Encrypted(_))));
}

#[test]
fn encrypt_stands_only_under_objects_all_the_way() {
    let cases = [
        rawdoc! { "properties": { "a": random() } },
        rawdoc! { "bsonType": "array", "properties": { "a": random() } },
        rawdoc! { "bsonType": ["object", "array"], "properties": { "a": random() } },
        object(rawdoc! { "a": { "properties": { "b": random() } } }),
        object(rawdoc! { "a": { "bsonType": "array", "items": random() } }),
        object(rawdoc! { "a": { "bsonType": "array", "items": [random()] } }),
        object(rawdoc! { "a": { "additionalItems": random() } }),
        rawdoc! { "bsonType": "object", "anyOf": [object(rawdoc! { "a": random() })] },
        rawdoc! { "bsonType": "object", "allOf": [object(rawdoc! { "a": random() })] },
        rawdoc! { "bsonType": "object", "oneOf": [object(rawdoc! { "a": random() })] },
        rawdoc! { "bsonType": "object", "not": object(rawdoc! { "a": random() }) },
        rawdoc! { "bsonType": "object", "dependencies": { "a": object(rawdoc! { "a": random() }) } },
        random(),
    ];
    for schema in cases {
        let problem = problem(&schema, SchemaOrigin::Remote);
        assert_eq!(problem, SchemaProblem::EncryptNotAllowedHere, "{schema:?}");
        assert!(problem.to_string().contains("Invalid schema containing the 'encrypt' keyword."));
    }
}

#[test]
fn a_type_list_with_object_alone_is_an_object() {
    let schema = rawdoc! { "bsonType": ["object"], "properties": { "a": random() } };
    assert!(matches!(state(&schema, "a"), Ok(PathState::Encrypted(_))));
    let schema = rawdoc! { "type": "object", "properties": { "a": random() } };
    assert!(matches!(state(&schema, "a"), Ok(PathState::Encrypted(_))));
}

#[test]
fn encrypt_has_no_siblings() {
    for (sibling, value) in [
        ("bsonType", bson::rawbson!("string")),
        ("type", bson::rawbson!("string")),
        ("description", bson::rawbson!("x")),
        ("encryptMetadata", bson::rawbson!({ "algorithm": RANDOM })),
    ] {
        let mut field = random();
        field.append(bson::raw::CString::try_from(sibling).unwrap(), value);
        let problem = problem(&object(rawdoc! { "a": field }), SchemaOrigin::Local);
        assert_eq!(problem, SchemaProblem::EncryptWith { keyword: sibling.to_owned() });
        assert_eq!(problem.code(), 9);
    }
}

#[test]
fn each_fault_of_the_options_has_its_code() {
    let oid = ObjectId::from_bytes([0; 12]);
    let generic = bson::Binary { subtype: BinarySubtype::Generic, bytes: vec![0; 16] };
    let short = bson::Binary { subtype: BinarySubtype::Uuid, bytes: vec![0; 3] };
    let cases = [
        (rawdoc! { "algorithm": RANDOM }, 9_910_004),
        (rawdoc! { "keyId": [uuid(1)] }, 9_910_003),
        (rawdoc! { "algorithm": "x", "keyId": [uuid(1)] }, 2),
        (rawdoc! { "algorithm": 1, "keyId": [uuid(1)] }, 14),
        (rawdoc! { "algorithm": RANDOM, "keyId": [] }, 9_910_005),
        (rawdoc! { "algorithm": RANDOM, "keyId": [uuid(1), uuid(2)] }, 9_910_005),
        (rawdoc! { "algorithm": RANDOM, "keyId": [short] }, 9_910_005),
        (rawdoc! { "algorithm": RANDOM, "keyId": [generic] }, 51084),
        (rawdoc! { "algorithm": RANDOM, "keyId": uuid(1) }, 51085),
        (rawdoc! { "algorithm": RANDOM, "keyId": oid }, 51085),
        (rawdoc! { "algorithm": RANDOM, "keyId": [oid] }, 51088),
        (rawdoc! { "algorithm": RANDOM, "keyId": "" }, 51064),
        (rawdoc! { "algorithm": RANDOM, "keyId": "a" }, 51065),
        (rawdoc! { "algorithm": RANDOM, "keyId": "/~" }, 51063),
        (rawdoc! { "algorithm": RANDOM, "keyId": [uuid(1)], "iv": 1 }, 40415),
        (rawdoc! { "algorithm": RANDOM, "keyId": [uuid(1)], "bsonType": 2 }, 14),
        (rawdoc! { "algorithm": RANDOM, "keyId": [uuid(1)], "bsonType": "text" }, 2),
        (rawdoc! { "algorithm": RANDOM, "keyId": [uuid(1)], "bsonType": "null" }, 9_910_008),
        (rawdoc! { "algorithm": DETERMINISTIC, "keyId": [uuid(1)] }, 9_910_007),
        (
            rawdoc! { "algorithm": DETERMINISTIC, "keyId": [uuid(1)], "bsonType": ["int", "long"] },
            9_910_007,
        ),
        (rawdoc! { "algorithm": DETERMINISTIC, "keyId": "/a", "bsonType": "int" }, 9_910_006),
    ];
    for (encrypt, code) in cases {
        let schema = object(rawdoc! { "a": { "encrypt": encrypt.clone() } });
        assert_eq!(problem(&schema, SchemaOrigin::Local).code(), code, "{encrypt:?}");
    }
}

#[test]
fn each_algorithm_takes_its_types() {
    let deterministic = [
        "string",
        "objectId",
        "date",
        "regex",
        "binData",
        "javascript",
        "symbol",
        "dbPointer",
        "int",
        "long",
        "timestamp",
    ];
    let only_random = ["double", "decimal", "bool", "javascriptWithScope", "object", "array"];
    let never = ["minKey", "maxKey", "null", "undefined"];
    let is_accepted = |algorithm: &str, kind: &str| {
        let encrypt = rawdoc! { "algorithm": algorithm, "keyId": [uuid(1)], "bsonType": kind };
        let schema = object(rawdoc! { "a": { "encrypt": encrypt } });
        match EncryptionSchema::parse(&schema, SchemaOrigin::Local) {
            Ok(_) => true,
            Err(error) => {
                let text = error.to_string();
                assert!(
                    text.contains(&format!("Cannot encrypt element of type: {kind}")),
                    "{text}"
                );
                false
            }
        }
    };
    for kind in deterministic {
        assert!(is_accepted(DETERMINISTIC, kind), "{kind}");
        assert!(is_accepted(RANDOM, kind), "{kind}");
    }
    for kind in only_random {
        assert!(!is_accepted(DETERMINISTIC, kind), "{kind}");
        assert!(is_accepted(RANDOM, kind), "{kind}");
    }
    for kind in never {
        assert!(!is_accepted(DETERMINISTIC, kind), "{kind}");
        assert!(!is_accepted(RANDOM, kind), "{kind}");
    }
}

#[test]
fn validation_keywords_are_for_remote_schemas() {
    let schema = rawdoc! {
        "bsonType": "object",
        "properties": { "a": random(), "b": { "bsonType": "string", "minLength": 1 } },
        "required": ["a"],
        "maxProperties": 5.0,
    };
    EncryptionSchema::parse(&schema, SchemaOrigin::Remote).unwrap();
    let any_of = rawdoc! { "anyOf": [object(rawdoc! { "a": random() })] };
    assert_eq!(problem(&any_of, SchemaOrigin::Local), SchemaProblem::EncryptNotAllowedHere);
    let only = rawdoc! { "bsonType": "object", "anyOf": [{ "bsonType": "object" }] };
    assert!(matches!(problem(&only, SchemaOrigin::Local), SchemaProblem::RemoteOnlyKeyword { .. }));
    let only = rawdoc! { "bsonType": "object", "required": ["a"] };
    assert_eq!(
        problem(&only, SchemaOrigin::Local).to_string(),
        "JSON schema keyword 'required' is only allowed with a remote schema"
    );
}

#[test]
fn foreign_and_malformed_keywords_are_refused() {
    let cases = [
        (rawdoc! { "foo": 1 }, "Unknown $jsonSchema keyword: foo"),
        (rawdoc! { "$ref": "#" }, "$jsonSchema keyword '$ref' is not currently supported"),
        (rawdoc! { "title": "a", "title": "b" }, "Duplicate $jsonSchema keyword: title"),
        (rawdoc! { "type": "object", "bsonType": "object" }, "Cannot specify both"),
        (rawdoc! { "required": "a" }, "'required' must be an array, but found string"),
        (rawdoc! { "required": [1] }, "'required' must be an array of strings"),
        (rawdoc! { "minLength": -1 }, "whole number that is not negative"),
        (rawdoc! { "properties": [] }, "'properties' must be an object, but found array"),
        (rawdoc! { "properties": { "a": 1 } }, "'a' must be an object, but found int"),
        (rawdoc! { "not": 1 }, "'not' must be an object"),
        (rawdoc! { "anyOf": {} }, "'anyOf' must be an array"),
        (rawdoc! { "bsonType": "objekt" }, "Unknown type name alias: objekt"),
        (rawdoc! { "bsonType": [] }, "at least one type"),
        (rawdoc! { "bsonType": "object", "encryptMetadata": {} }, "cannot be an empty object"),
        (rawdoc! { "encryptMetadata": { "algorithm": RANDOM } }, "only allowed in a schema"),
        (
            rawdoc! { "bsonType": "object", "encryptMetadata": { "bsonType": "int" } },
            "BSON field 'encryptMetadata.bsonType' is an unknown field.",
        ),
        (rawdoc! { "bsonType": "object", "properties": { "a": { "encrypt": 1 } } }, "an object"),
    ];
    for (schema, text) in cases {
        let error = EncryptionSchema::parse(&schema, SchemaOrigin::Remote).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_schema_as_deep_as_the_limit_of_documents_gives_an_error() {
    let mut schema = random();
    for _ in 0..150 {
        schema = object(rawdoc! { "a": schema });
    }
    assert!(matches!(problem(&schema, SchemaOrigin::Local), SchemaProblem::TooDeep { .. }));
}

#[test]
fn patterns_that_cannot_be_compiled_matter_only_for_encryption() {
    let schema = rawdoc! { "bsonType": "object", "patternProperties": { "^(?=a)": random() } };
    assert!(matches!(problem(&schema, SchemaOrigin::Remote), SchemaProblem::Pattern { .. }));
    let schema = rawdoc! { "bsonType": "object", "patternProperties": { "^(?=a)": {} } };
    EncryptionSchema::parse(&schema, SchemaOrigin::Remote).unwrap();
}

#[test]
fn a_check_tells_all_faults_and_weaknesses() {
    let schema = rawdoc! {
        "bsonType": "object",
        "required": ["a"],
        "properties": {
            "a": { "encrypt": { "algorithm": "x", "keyId": [] } },
            "bloodType": deterministic(),
            "deep": { "bsonType": "object", "encryptMetadata": { "algorithm": RANDOM } },
        },
        "patternProperties": { "secret": { "encrypt": { "algorithm": RANDOM, "keyId": "/k" } } },
    };
    let report = check_schema(&schema, SchemaOrigin::Local);
    let places: Vec<_> = report.errors.iter().map(|error| error.place.as_str()).collect();
    assert_eq!(places, ["", "properties.a.encrypt.algorithm", "properties.a.encrypt.keyId"]);
    assert_eq!(
        report.warnings,
        [
            SchemaWarning::UnusedMetadata { place: "properties.deep".to_owned() },
            SchemaWarning::LowCardinalityName { path: "bloodType".to_owned() },
            SchemaWarning::PointerKey { path: "/secret/".to_owned(), pointer: "/k".to_owned() },
            SchemaWarning::UnanchoredPattern { pattern: "secret".to_owned() },
        ]
    );
    let report = check_schema(&rawdoc! { "bsonType": "object" }, SchemaOrigin::Local);
    assert_eq!(report.warnings, [SchemaWarning::NothingEncrypted]);
}
