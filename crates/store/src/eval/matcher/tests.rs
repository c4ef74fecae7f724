use bson::{DateTime, RawDocumentBuf, rawdoc};

use super::*;

fn matcher(filter: RawDocumentBuf) -> Matcher {
    let filter = Filter::parse(&filter).unwrap();
    Matcher::compile(&filter, &Context::new(DateTime::from_millis(0))).unwrap()
}

fn check(filter: RawDocumentBuf, yes: &[RawDocumentBuf], no: &[RawDocumentBuf]) {
    let compiled = matcher(filter.clone());
    for document in yes {
        assert!(compiled.matches(document).unwrap(), "{filter:?} matches {document:?}");
    }
    for document in no {
        assert!(!compiled.matches(document).unwrap(), "{filter:?} does not match {document:?}");
    }
}

#[test]
fn equality_looks_into_arrays() {
    check(
        rawdoc! { "a": 1 },
        &[rawdoc! { "a": 1 }, rawdoc! { "a": 1.0 }, rawdoc! { "a": [2, 1_i64] }],
        &[rawdoc! { "a": "1" }, rawdoc! {}, rawdoc! { "a": [[1]] }, rawdoc! { "a": { "a": 1 } }],
    );
    check(
        rawdoc! { "a": [1, 2] },
        &[rawdoc! { "a": [1, 2] }, rawdoc! { "a": [[1, 2]] }],
        &[rawdoc! { "a": [2, 1] }],
    );
    check(
        rawdoc! { "a": { "b": 1, "c": 2 } },
        &[rawdoc! { "a": { "b": 1, "c": 2 } }],
        &[rawdoc! { "a": { "c": 2, "b": 1 } }],
    );
}

#[test]
fn null_is_missing_too() {
    check(
        rawdoc! { "a": null },
        &[rawdoc! {}, rawdoc! { "a": null }, rawdoc! { "a": [1, null] }],
        &[rawdoc! { "a": 1 }, rawdoc! { "a": [] }, rawdoc! { "a": false }],
    );
    check(
        rawdoc! { "a.b": null },
        &[rawdoc! {}, rawdoc! { "a": 1 }, rawdoc! { "a": [{ "b": 1 }, { "c": 1 }] }],
        &[rawdoc! { "a": [] }, rawdoc! { "a": [1, 2] }, rawdoc! { "a": { "b": 1 } }],
    );
    check(
        rawdoc! { "a": { "$gte": null } },
        &[rawdoc! {}, rawdoc! { "a": null }],
        &[rawdoc! { "a": 1 }],
    );
    check(
        rawdoc! { "a": { "$in": [null, 1] } },
        &[rawdoc! {}, rawdoc! { "a": 1 }],
        &[rawdoc! { "a": 2 }],
    );
    check(rawdoc! { "a": { "$ne": null } }, &[rawdoc! { "a": 1 }], &[rawdoc! {}]);
}

#[test]
fn comparison_stays_within_a_type() {
    check(
        rawdoc! { "a": { "$gt": 1 } },
        &[rawdoc! { "a": 2 }, rawdoc! { "a": [0, 5] }],
        &[rawdoc! { "a": 1 }, rawdoc! { "a": "x" }, rawdoc! { "a": f64::NAN }, rawdoc! {}],
    );
    check(
        rawdoc! { "a": { "$lt": 5 } },
        &[rawdoc! { "a": 4 }],
        &[rawdoc! { "a": f64::NAN }, rawdoc! { "a": null }],
    );
    check(
        rawdoc! { "a": { "$gte": f64::NAN } },
        &[rawdoc! { "a": f64::NAN }],
        &[rawdoc! { "a": 1 }],
    );
    check(
        rawdoc! { "a": { "$lt": RawBson::MaxKey } },
        &[rawdoc! { "a": 1 }, rawdoc! { "a": "x" }],
        &[],
    );
    check(
        rawdoc! { "a": { "$gt": 1, "$lt": 3 } },
        &[rawdoc! { "a": [0, 5] }],
        &[rawdoc! { "a": [0, 1] }],
    );
}

#[test]
fn negation_is_of_the_whole_path() {
    check(
        rawdoc! { "a": { "$ne": 1 } },
        &[rawdoc! { "a": [2] }, rawdoc! {}],
        &[rawdoc! { "a": [1, 2] }],
    );
    check(rawdoc! { "a": { "$nin": [1, 2] } }, &[rawdoc! { "a": 3 }], &[rawdoc! { "a": [3, 2] }]);
    check(
        rawdoc! { "a": { "$not": { "$gt": 1, "$lt": 5 } } },
        &[rawdoc! { "a": 7 }],
        &[rawdoc! { "a": 3 }],
    );
    check(
        rawdoc! { "$nor": [{ "a": 1 }, { "b": 1 }] },
        &[rawdoc! { "a": 2 }],
        &[rawdoc! { "b": 1 }],
    );
}

#[test]
fn elements_match_together() {
    check(
        rawdoc! { "a": { "$elemMatch": { "b": 1, "c": 2 } } },
        &[rawdoc! { "a": [{ "b": 1, "c": 2 }] }],
        &[rawdoc! { "a": [{ "b": 1 }, { "c": 2 }] }, rawdoc! { "a": { "b": 1, "c": 2 } }],
    );
    check(
        rawdoc! { "a": { "$elemMatch": { "$gt": 1, "$lt": 5 } } },
        &[rawdoc! { "a": [0, 3] }],
        &[rawdoc! { "a": [0, 5] }, rawdoc! { "a": 3 }],
    );
    check(
        rawdoc! { "a.b": { "$elemMatch": { "$gt": 1 } } },
        &[rawdoc! { "a": [{ "b": [2] }] }],
        &[rawdoc! { "a": [{ "b": 2 }] }],
    );
    check(
        rawdoc! { "a": { "$all": [{ "$elemMatch": { "b": 1 } }, { "$elemMatch": { "b": 2 } }] } },
        &[rawdoc! { "a": [{ "b": 1 }, { "b": 2 }] }],
        &[rawdoc! { "a": [{ "b": 1 }] }],
    );
}

#[test]
fn arrays_by_content_and_size() {
    check(
        rawdoc! { "a": { "$all": [1, 2] } },
        &[rawdoc! { "a": [2, 3, 1] }],
        &[rawdoc! { "a": [1] }, rawdoc! { "a": 1 }],
    );
    check(rawdoc! { "a": { "$all": [1] } }, &[rawdoc! { "a": 1 }], &[]);
    check(rawdoc! { "a": { "$all": [] } }, &[], &[rawdoc! { "a": [] }, rawdoc! { "a": 1 }]);
    check(
        rawdoc! { "a": { "$size": 2 } },
        &[rawdoc! { "a": [1, 2] }],
        &[rawdoc! { "a": [1] }, rawdoc! { "a": [[1, 2]] }, rawdoc! { "a": 2 }],
    );
}

#[test]
fn presence_and_type() {
    check(
        rawdoc! { "a": { "$exists": true } },
        &[rawdoc! { "a": null }, rawdoc! { "a": [] }],
        &[rawdoc! {}],
    );
    check(
        rawdoc! { "a.b": { "$exists": false } },
        &[rawdoc! { "a": [] }, rawdoc! { "a": 1 }],
        &[rawdoc! { "a": [{ "b": 1 }, {}] }],
    );
    check(
        rawdoc! { "a": { "$type": "number" } },
        &[rawdoc! { "a": 1.5 }, rawdoc! { "a": ["x", 1] }],
        &[rawdoc! { "a": "x" }],
    );
    check(rawdoc! { "a": { "$type": "array" } }, &[rawdoc! { "a": [1] }], &[rawdoc! { "a": 1 }]);
}

#[test]
fn patterns_match_strings_and_themselves() {
    let regex = RawBson::RegularExpression(bson::Regex {
        pattern: "^ab".try_into().unwrap(),
        options: "i".try_into().unwrap(),
    });
    for filter in [
        rawdoc! { "a": regex.clone() },
        rawdoc! { "a": { "$regex": "^ab", "$options": "i" } },
        rawdoc! { "a": { "$in": [1, regex.clone()] } },
    ] {
        check(
            filter,
            &[rawdoc! { "a": "ABC" }, rawdoc! { "a": ["x", "ab"] }, rawdoc! { "a": regex.clone() }],
            &[rawdoc! { "a": "xab" }, rawdoc! {}],
        );
    }
    check(
        rawdoc! { "a": { "$not": { "$regex": "^a" } } },
        &[rawdoc! { "a": 1 }, rawdoc! {}],
        &[rawdoc! { "a": "a" }],
    );
}

#[test]
fn remainders_and_bits() {
    check(
        rawdoc! { "a": { "$mod": [4, 0] } },
        &[rawdoc! { "a": 8 }, rawdoc! { "a": 4.7 }],
        &[rawdoc! { "a": 5 }, rawdoc! { "a": f64::INFINITY }, rawdoc! { "a": "4" }],
    );
    check(rawdoc! { "a": { "$mod": [4, -1] } }, &[rawdoc! { "a": -5 }], &[rawdoc! { "a": 3 }]);
    check(
        rawdoc! { "a": { "$bitsAllSet": 5 } },
        &[rawdoc! { "a": 7 }, rawdoc! { "a": 5.0 }],
        &[rawdoc! { "a": 4 }, rawdoc! { "a": 5.5 }],
    );
    check(
        rawdoc! { "a": { "$bitsAnyClear": [0, 100] } },
        &[rawdoc! { "a": 1 }],
        &[rawdoc! { "a": -1 }],
    );
}

#[test]
fn numeric_components_are_indexes_and_names() {
    check(
        rawdoc! { "a.0": 1 },
        &[rawdoc! { "a": [1, 2] }, rawdoc! { "a": { "0": 1 } }],
        &[rawdoc! { "a": [2, 1] }],
    );
    check(
        rawdoc! { "a.1.b": 2 },
        &[rawdoc! { "a": [{}, { "b": 2 }] }],
        &[rawdoc! { "a": [{ "b": 2 }] }],
    );
}

#[test]
fn positions_are_of_the_outermost_array() {
    for (filter, document, position) in [
        (rawdoc! { "a": 2 }, rawdoc! { "a": [1, 2] }, Some(1)),
        (
            rawdoc! { "a": { "$elemMatch": { "b": 2 } } },
            rawdoc! { "a": [{}, {}, { "b": 2 }] },
            Some(2),
        ),
        (rawdoc! { "a.b": 2 }, rawdoc! { "a": [{ "b": [7] }, { "b": [1, 3, 2] }] }, Some(1)),
        (rawdoc! { "x": 1, "a": 2 }, rawdoc! { "x": 1, "a": [0, 2] }, Some(1)),
        (rawdoc! { "a": 2 }, rawdoc! { "a": 2 }, None),
    ] {
        assert_eq!(matcher(filter).find_position(&document).unwrap(), Some(position));
    }
    assert_eq!(matcher(rawdoc! { "a": 1 }).find_position(&rawdoc! {}).unwrap(), None);
}

#[test]
fn what_is_not_here_is_refused_by_name() {
    for (filter, name) in [
        (rawdoc! { "$where": "true" }, "$where"),
        (rawdoc! { "$text": { "$search": "x" } }, "$text"),
        (rawdoc! { "$jsonSchema": {} }, "$jsonSchema"),
    ] {
        let filter = Filter::parse(&filter).unwrap();
        let error = Matcher::compile(&filter, &Context::new(DateTime::from_millis(0)));
        let error = error.err().unwrap();
        assert_eq!(error.code(), 238);
        assert!(error.message().contains(name), "{error}");
    }
}

#[test]
fn geo_operators_answer_where_there_is_no_shape_and_else_refuse() {
    let filter = Filter::parse(&rawdoc! { "a": { "$near": [1, 2] } }).unwrap();
    let error = Matcher::compile(&filter, &Context::new(DateTime::from_millis(0))).err().unwrap();
    assert_eq!(error.code(), 291);
    assert!(error.message().contains("unable to find index"), "{error}");

    for operator in ["$geoWithin", "$geoIntersects"] {
        let polygon =
            rawdoc! { "type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]] };
        let mut region = RawDocumentBuf::new();
        region.append(
            bson::raw::CString::try_from(operator).unwrap(),
            rawdoc! { "$geometry": polygon },
        );
        let matcher = matcher(rawdoc! { "a": region });
        for document in [rawdoc! {}, rawdoc! { "a": 1 }, rawdoc! { "a": "point" }] {
            assert!(!matcher.matches(&document).unwrap());
        }
        for document in [rawdoc! { "a": [0, 0] }, rawdoc! { "a": { "x": 0, "y": 0 } }] {
            let error = matcher.matches(&document).unwrap_err();
            assert_eq!(error.code(), 238);
            assert!(error.message().contains(operator), "{error}");
        }
    }
}
