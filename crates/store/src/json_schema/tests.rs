use bson::{Binary, RawDocumentBuf, rawdoc};

use super::*;

fn schema(document: RawDocumentBuf) -> Schema {
    Schema::parse(&document).unwrap()
}

fn encrypted(algorithm: u8, original: u8) -> Binary {
    let mut bytes = vec![0; 90];
    bytes[0] = algorithm;
    bytes[17] = original;
    Binary { subtype: BinarySubtype::Encrypted, bytes }
}

#[test]
fn each_keyword_accepts_and_refuses() {
    let deterministic = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic";
    // Schema of the property `v`, a value that is valid, one that is not.
    let cases = [
        (rawdoc! {"bsonType": "int"}, rawdoc! {"v": 1}, rawdoc! {"v": 1.0}),
        (rawdoc! {"bsonType": ["int", "null"]}, rawdoc! {"v": null}, rawdoc! {"v": "x"}),
        (rawdoc! {"bsonType": "number"}, rawdoc! {"v": 1.5}, rawdoc! {"v": "1"}),
        (rawdoc! {"type": "boolean"}, rawdoc! {"v": true}, rawdoc! {"v": 1}),
        (
            rawdoc! {"enum": [1, {"a": 1, "b": 2}]},
            rawdoc! {"v": {"b": 2.0, "a": 1}},
            rawdoc! {"v": 2},
        ),
        (rawdoc! {"minimum": 2}, rawdoc! {"v": 2}, rawdoc! {"v": 1}),
        (rawdoc! {"minimum": 2, "exclusiveMinimum": true}, rawdoc! {"v": 3}, rawdoc! {"v": 2}),
        (rawdoc! {"maximum": 2}, rawdoc! {"v": "text"}, rawdoc! {"v": 2.5}),
        (rawdoc! {"multipleOf": 5}, rawdoc! {"v": 10}, rawdoc! {"v": 11}),
        (rawdoc! {"multipleOf": 0.1}, rawdoc! {"v": 0.3}, rawdoc! {"v": 0.35}),
        (rawdoc! {"minLength": 2}, rawdoc! {"v": "äö"}, rawdoc! {"v": "ä"}),
        (rawdoc! {"maxLength": 2}, rawdoc! {"v": "äö"}, rawdoc! {"v": "äöü"}),
        (rawdoc! {"pattern": "^a"}, rawdoc! {"v": "ab"}, rawdoc! {"v": "ba"}),
        (rawdoc! {"minItems": 1}, rawdoc! {"v": [1]}, rawdoc! {"v": []}),
        (rawdoc! {"maxItems": 1}, rawdoc! {"v": [1]}, rawdoc! {"v": [1, 2]}),
        (rawdoc! {"uniqueItems": true}, rawdoc! {"v": [1, 2]}, rawdoc! {"v": [1, 2, 1.0]}),
        (rawdoc! {"items": {"bsonType": "int"}}, rawdoc! {"v": [1]}, rawdoc! {"v": [1, "x"]}),
        (
            rawdoc! {"items": [{"bsonType": "int"}], "additionalItems": false},
            rawdoc! {"v": [1]},
            rawdoc! {"v": [1, 2]},
        ),
        (rawdoc! {"required": ["a"]}, rawdoc! {"v": {"a": 1}}, rawdoc! {"v": {}}),
        (rawdoc! {"minProperties": 1}, rawdoc! {"v": {"a": 1}}, rawdoc! {"v": {}}),
        (rawdoc! {"maxProperties": 0}, rawdoc! {"v": {}}, rawdoc! {"v": {"a": 1}}),
        (
            rawdoc! {"properties": {"a": {"bsonType": "int"}}},
            rawdoc! {"v": {"b": "x"}},
            rawdoc! {"v": {"a": "x"}},
        ),
        (
            rawdoc! {"properties": {"a": {}}, "additionalProperties": false},
            rawdoc! {"v": {"a": 1}},
            rawdoc! {"v": {"a": 1, "b": 1}},
        ),
        (
            rawdoc! {"patternProperties": {"^n": {"bsonType": "int"}}},
            rawdoc! {"v": {"n1": 1, "x": "x"}},
            rawdoc! {"v": {"n1": "x"}},
        ),
        (rawdoc! {"dependencies": {"a": ["b"]}}, rawdoc! {"v": {"b": 1}}, rawdoc! {"v": {"a": 1}}),
        (
            rawdoc! {"dependencies": {"a": {"required": ["b"]}}},
            rawdoc! {"v": {"a": 1, "b": 1}},
            rawdoc! {"v": {"a": 1}},
        ),
        (rawdoc! {"allOf": [{"minimum": 1}, {"maximum": 2}]}, rawdoc! {"v": 1}, rawdoc! {"v": 3}),
        (rawdoc! {"anyOf": [{"minimum": 5}, {"maximum": 2}]}, rawdoc! {"v": 1}, rawdoc! {"v": 3}),
        (rawdoc! {"oneOf": [{"minimum": 1}, {"maximum": 2}]}, rawdoc! {"v": 3}, rawdoc! {"v": 2}),
        (rawdoc! {"not": {"bsonType": "int"}}, rawdoc! {"v": "x"}, rawdoc! {"v": 1}),
        (rawdoc! {"encrypt": {}}, rawdoc! {"v": encrypted(2, 2)}, rawdoc! {"v": "plain"}),
        (
            rawdoc! {"encrypt": {"bsonType": "string"}},
            rawdoc! {"v": encrypted(1, 2)},
            rawdoc! {"v": encrypted(1, 0x10)},
        ),
        (
            rawdoc! {"encrypt": {"bsonType": "string", "algorithm": deterministic}},
            rawdoc! {"v": encrypted(1, 2)},
            rawdoc! {"v": encrypted(2, 2)},
        ),
    ];
    for (rules, good, bad) in cases {
        let schema = schema(rawdoc! {"properties": {"v": rules.clone()}});
        assert!(schema.is_valid(&good), "{rules:?} {good:?}");
        assert!(!schema.is_valid(&bad), "{rules:?} {bad:?}");
        let details = schema.explain(&bad);
        let failing = details.get_array("schemaRulesNotSatisfied").unwrap();
        assert!(!failing.is_empty(), "{rules:?}");
        assert!(schema.is_valid(&rawdoc! {}), "an absent property is valid: {rules:?}");
    }
}

#[test]
fn details_have_the_shape_of_the_manual() {
    let schema = schema(rawdoc! {
        "bsonType": "object",
        "title": "Student Object Validation",
        "required": ["name", "year"],
        "properties": {
            "year": {
                "bsonType": "int", "minimum": 2017, "maximum": 3017,
                "description": "'year' must be an integer in [ 2017, 3017 ] and is required",
            },
        },
    });
    let expected = rawdoc! {
        "operatorName": "$jsonSchema",
        "title": "Student Object Validation",
        "schemaRulesNotSatisfied": [
            {
                "operatorName": "properties",
                "propertiesNotSatisfied": [{
                    "propertyName": "year",
                    "description": "'year' must be an integer in [ 2017, 3017 ] and is required",
                    "details": [{
                        "operatorName": "minimum",
                        "specifiedAs": {"minimum": 2017},
                        "reason": "comparison failed",
                        "consideredValue": 2016,
                    }],
                }],
            },
            {
                "operatorName": "required",
                "specifiedAs": {"required": ["name", "year"]},
                "missingProperties": ["name"],
            },
        ],
    };
    assert_eq!(schema.explain(&rawdoc! {"year": 2016}), expected);
}

#[test]
fn what_is_no_schema_is_refused() {
    let cases = [
        (rawdoc! {"what": 1}, 9),
        (rawdoc! {"$ref": "x"}, 9),
        (rawdoc! {"properties": 1}, 14),
        (rawdoc! {"properties": {"a": 1}}, 14),
        (rawdoc! {"bsonType": "strin"}, 2),
        (rawdoc! {"bsonType": "int", "type": "number"}, 9),
        (rawdoc! {"type": "integer"}, 9),
        (rawdoc! {"required": []}, 9),
        (rawdoc! {"required": ["a", "a"]}, 9),
        (rawdoc! {"minLength": -1}, 9),
        (rawdoc! {"minLength": 1.5}, 9),
        (rawdoc! {"exclusiveMinimum": true}, 9),
        (rawdoc! {"multipleOf": 0}, 9),
        (rawdoc! {"pattern": "("}, 51091),
        (rawdoc! {"enum": []}, 9),
        (rawdoc! {"encrypt": {}, "bsonType": "int"}, 9),
        (rawdoc! {"encrypt": {"algorithm": "rot13"}}, 2),
        (rawdoc! {"encrypt": {"what": 1}}, 40415),
        (rawdoc! {"items": 1}, 14),
    ];
    for (document, code) in cases {
        let error = Schema::parse(&document).unwrap_err();
        assert_eq!(error.code(), code, "{document:?}: {error}");
    }
}
