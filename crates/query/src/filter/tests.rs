use bson::{rawbson, rawdoc};

use super::*;

fn printed(document: RawDocumentBuf) -> RawDocumentBuf {
    let filter = Filter::parse(&document).unwrap();
    let printed = filter.to_raw();
    assert_eq!(Filter::parse(&printed).unwrap(), filter, "{document:?}");
    printed
}

fn error(document: RawDocumentBuf) -> QueryError {
    Filter::parse(&document).unwrap_err()
}

#[test]
fn filters_print_in_the_servers_form() {
    for (input, output) in [
        (rawdoc! {}, rawdoc! {}),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$eq": 1 } }),
        (
            rawdoc! { "a": 1, "b": 2 },
            rawdoc! { "$and": [{ "a": { "$eq": 1 } }, { "b": { "$eq": 2 } }] },
        ),
        (
            rawdoc! { "$and": [{ "a": 1 }, { "b": 2 }] },
            rawdoc! { "$and": [{ "a": { "$eq": 1 } }, { "b": { "$eq": 2 } }] },
        ),
        (rawdoc! { "a": { "$in": [1, 2] } }, rawdoc! { "a": { "$in": [1, 2] } }),
        (rawdoc! { "a": { "$gt": 1 } }, rawdoc! { "a": { "$gt": 1 } }),
        (
            rawdoc! { "a": { "$gt": 1, "$lt": 5 } },
            rawdoc! { "$and": [{ "a": { "$gt": 1 } }, { "a": { "$lt": 5 } }] },
        ),
        (rawdoc! { "a": { "$ne": 1 } }, rawdoc! { "a": { "$ne": 1 } }),
        (rawdoc! { "$and": [{ "a": 1 }] }, rawdoc! { "$and": [{ "a": { "$eq": 1 } }] }),
        (
            rawdoc! { "a": { "$elemMatch": { "b": 1, "c": 2 } } },
            rawdoc! { "a": { "$elemMatch": { "$and": [{ "b": { "$eq": 1 } }, { "c": { "$eq": 2 } }] } } },
        ),
    ] {
        assert_eq!(printed(input.clone()), output, "{input:?}");
    }
}

#[test]
fn every_operator_reads_back_as_printed() {
    for document in [
        rawdoc! { "a": { "$nin": [1, null] } },
        rawdoc! { "a": { "$exists": 0 } },
        rawdoc! { "a": { "$type": ["string", 16, "number"] } },
        rawdoc! { "a": { "$not": { "$gt": 1, "$lt": 5 } } },
        rawdoc! { "a": { "$elemMatch": { "$gt": 1, "$lt": 5 } } },
        rawdoc! { "a": { "$elemMatch": { "$or": [{ "a": 1 }, { "b": 2 }] } } },
        rawdoc! { "a": { "$size": 2.0 } },
        rawdoc! { "a": { "$all": [1, "x"] } },
        rawdoc! { "a": { "$all": [{ "$elemMatch": { "b": 1 } }] } },
        rawdoc! { "a": { "$options": "i", "$regex": "x" } },
        rawdoc! { "a": { "$mod": [4, 1.9] } },
        rawdoc! { "a": { "$bitsAllSet": [1, 5] } },
        rawdoc! { "a": { "$near": [1, 2], "$maxDistance": 3 } },
        rawdoc! { "a": { "$gt": 1, "$comment": "x" } },
        rawdoc! { "a": { "$ref": "c", "$id": 1 } },
        rawdoc! { "$or": [{ "a": 1 }], "$nor": [{ "b": 1 }], "$comment": "x" },
        rawdoc! { "$expr": { "$eq": ["$a", "$b"] } },
        rawdoc! { "$jsonSchema": { "required": ["a"] } },
        rawdoc! { "$text": { "$search": "x" } },
        rawdoc! { "$where": "true" },
        rawdoc! { "$alwaysTrue": 1 },
        rawdoc! { "$alwaysFalse": 1 },
        rawdoc! { "$sampleRate": 0.5 },
    ] {
        printed(document);
    }
}

#[test]
fn a_regex_alone_matches_and_under_eq_equals() {
    let regex = || {
        RawBson::RegularExpression(bson::Regex {
            pattern: "x".try_into().unwrap(),
            options: "i".try_into().unwrap(),
        })
    };
    assert_eq!(
        printed(rawdoc! { "a": regex() }),
        rawdoc! { "a": { "$regex": "x", "$options": "i" } }
    );
    assert_eq!(printed(rawdoc! { "a": { "$eq": regex() } }), rawdoc! { "a": { "$eq": regex() } });
    assert_eq!(error(rawdoc! { "a": { "$ne": regex() } }).code(), 2);
}

#[test]
fn unknown_operators_are_named() {
    assert_eq!(error(rawdoc! { "a": { "$foo": 1 } }).message(), "unknown operator: $foo");
    assert_eq!(error(rawdoc! { "a": { "$gt": 1, "b": 1 } }).message(), "unknown operator: b");
    let top = error(rawdoc! { "$foo": 1 });
    assert_eq!(top.code(), 2);
    assert!(top.message().starts_with("unknown top level operator: $foo. If you have"));
}

#[test]
fn faults_are_bad_values() {
    for document in [
        rawdoc! { "$and": 1 },
        rawdoc! { "$and": [] },
        rawdoc! { "$or": [1] },
        rawdoc! { "a": { "$in": 1 } },
        rawdoc! { "a": { "$in": [{ "$gt": 1 }] } },
        rawdoc! { "a": { "$not": 1 } },
        rawdoc! { "a": { "$not": {} } },
        rawdoc! { "a": { "$elemMatch": 1 } },
        rawdoc! { "a": { "$size": -1 } },
        rawdoc! { "a": { "$size": 1.5 } },
        rawdoc! { "a": { "$all": 1 } },
        rawdoc! { "a": { "$all": [1, { "$elemMatch": { "b": 1 } }] } },
        rawdoc! { "a": { "$mod": [0, 1] } },
        rawdoc! { "a": { "$mod": [1] } },
        rawdoc! { "a": { "$options": "i" } },
        rawdoc! { "a": { "$type": "no" } },
        rawdoc! { "a": { "$bitsAllSet": "x" } },
        rawdoc! { "a": RawBson::Undefined },
        rawdoc! { "$sampleRate": 2 },
        rawdoc! { "a": { "$elemMatch": { "$expr": { "$eq": ["$b", 1] } } } },
        rawdoc! { "a": { "$elemMatch": { "b": 1, "$where": "true" } } },
        rawdoc! { "a": { "$elemMatch": { "$or": [{ "$text": { "$search": "x" } }] } } },
        rawdoc! { "a": { "$not": { "$elemMatch": { "b": { "$elemMatch": { "$expr": 1 } } } } } },
        rawdoc! { "a": { "$all": [{ "$elemMatch": { "$expr": 1 } }] } },
    ] {
        assert_eq!(error(document.clone()).code(), 2, "{document:?}");
    }
    assert_eq!(error(rawdoc! { "a": { "$regex": "x", "$options": "q" } }).code(), 51108);
}

#[test]
fn deep_nesting_is_an_error() {
    let mut document = rawdoc! { "a": 1 };
    for _ in 0..200 {
        document = rawdoc! { "$and": [document] };
    }
    assert_eq!(error(document).code(), 2);
    let mut document = rawdoc! { "$gt": 1 };
    for _ in 0..200 {
        document = rawdoc! { "$not": document };
    }
    assert_eq!(error(rawdoc! { "a": document }).code(), 2);
}

#[test]
fn equalities_are_what_must_hold() {
    let filter = Filter::parse(&rawdoc! {
        "_id": 1, "a.b": { "$eq": 2 }, "c": { "$in": [3] }, "d": { "$gt": 1 },
        "$and": [{ "e": "x" }], "$or": [{ "f": 1 }, { "g": 1 }]
    })
    .unwrap();
    let found: Vec<(String, RawBson)> =
        filter.equalities().iter().map(|(p, v)| (p.to_string(), (*v).clone())).collect();
    assert_eq!(
        found,
        [
            ("_id".to_owned(), rawbson!(1)),
            ("a.b".to_owned(), rawbson!(2)),
            ("c".to_owned(), rawbson!(3)),
            ("e".to_owned(), rawbson!("x")),
        ]
    );
}
