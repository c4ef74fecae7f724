use bson::{rawbson, rawdoc};

use super::*;

fn parse(value: RawBson) -> Result<Expression, QueryError> {
    Expression::parse(value.as_raw_bson_ref())
}

#[test]
fn what_is_printed_reads_back() {
    for value in [
        rawbson!(1),
        rawbson!("$a.b"),
        rawbson!("$$ROOT"),
        rawbson!("$$x.y"),
        rawbson!({ "a": "$b", "c": [1, "$d"] }),
        rawbson!({ "$add": ["$a", 1] }),
        rawbson!({ "$size": [[1, 2]] }),
        rawbson!({ "$not": "$a" }),
        rawbson!({ "$cond": { "if": true, "then": 1, "else": "$b" } }),
        rawbson!({ "$literal": { "$gt": 1 } }),
        rawbson!({ "$let": { "vars": { "x": 1 }, "in": { "$add": ["$$x", 1] } } }),
        rawbson!({ "$switch": { "branches": [{ "case": "$a", "then": 1 }], "default": 2 } }),
        rawbson!({ "$rand": {} }),
        rawbson!({ "$sortArray": { "input": "$a", "sortBy": { "b.c": -1 } } }),
        rawbson!({ "$sortArray": { "input": "$a", "sortBy": 1 } }),
        rawbson!({ "$meta": "textScore" }),
        rawbson!({ "$year": { "date": "$d", "timezone": "UTC" } }),
    ] {
        let parsed = parse(value.clone()).unwrap();
        assert_eq!(parse(parsed.to_raw()).unwrap(), parsed, "{value:?}");
    }
}

#[test]
fn replaced_constants_keep_their_meaning() {
    let mut parsed = parse(rawbson!({ "$eq": ["$a", "x"] })).unwrap();
    let Expression::Call(call) = &mut parsed else { panic!() };
    let Arguments::Positional(items) = &mut call.arguments else { panic!() };
    *items[1].as_constant_mut().unwrap() = rawbson!("$y");
    assert_eq!(parsed.to_raw(), rawbson!({ "$eq": ["$a", { "$literal": "$y" }] }));
}

#[test]
fn faults_have_the_servers_codes() {
    for (value, code) in [
        (rawbson!({ "$foo": 1 }), 168),
        (rawbson!({ "$eq": [1] }), 16020),
        (rawbson!({ "$round": [1, 2, 3] }), 28667),
        (rawbson!({ "$ifNull": [1] }), 1257300),
        (rawbson!({ "$add": 1, "b": 2 }), 15983),
        (rawbson!({ "a": 1, "$add": 2 }), 15983),
        (rawbson!({ "a.b": 1 }), 16412),
        (rawbson!("$"), 16872),
        (rawbson!("$a..b"), 15998),
        (rawbson!("$$FOO"), 17276),
        (rawbson!({ "$let": { "vars": { "X": 1 }, "in": 1 } }), 9),
        (rawbson!({ "$filter": 1 }), 28646),
    ] {
        assert_eq!(parse(value.clone()).unwrap_err().code(), code, "{value:?}");
    }
}

#[test]
fn deep_nesting_is_an_error() {
    let mut value = rawbson!(1);
    for _ in 0..200 {
        value = RawBson::Document(rawdoc! { "$not": value });
    }
    assert_eq!(parse(value).unwrap_err().code(), 15);
}

#[test]
fn wrong_arguments_have_the_codes_of_their_operator() {
    for (expression, code) in [
        (rawbson!({ "$cond": { "then": 1, "else": 1 } }), 17080),
        (rawbson!({ "$cond": { "if": 1, "else": 1 } }), 17081),
        (rawbson!({ "$cond": { "if": 1, "then": 1 } }), 17082),
        (rawbson!({ "$let": 1 }), 16874),
        (rawbson!({ "$let": { "in": 1 } }), 16876),
        (rawbson!({ "$let": { "vars": {} } }), 16877),
        (rawbson!({ "$let": { "vars": 1, "in": 1 } }), 10065),
        (rawbson!({ "$map": 1 }), 16878),
        (rawbson!({ "$map": { "in": 1 } }), 16880),
        (rawbson!({ "$map": { "input": [] } }), 16882),
        (rawbson!({ "$filter": { "input": [], "cond": 1, "x": 1 } }), 28647),
        (rawbson!({ "$reduce": { "input": [], "in": 1 } }), 40078),
        (rawbson!({ "$switch": { "x": 1 } }), 40067),
        (rawbson!({ "$dateToString": { "format": "%Y" } }), 18628),
        (rawbson!({ "$dateFromString": {} }), 40542),
        (rawbson!({ "$dateToParts": { "date": 1, "x": 1 } }), 40520),
        (rawbson!({ "$dateAdd": { "unit": "day" } }), 5166402),
        (rawbson!({ "$dateDiff": { "unit": "day" } }), 5166303),
        (rawbson!({ "$dateTrunc": { "unit": "day" } }), 5439009),
        (rawbson!({ "$hour": { "timezone": "UTC" } }), 40539),
        (rawbson!({ "$hour": { "date": 1, "x": 1 } }), 40535),
        (rawbson!({ "$hour": [1, 2] }), 40536),
        (rawbson!({ "$trim": {} }), 50695),
        (rawbson!({ "$regexFind": { "regex": "a" } }), 31022),
        (rawbson!({ "$regexFind": { "input": "a" } }), 31023),
        (rawbson!({ "$replaceOne": { "input": "a", "find": "b" } }), 51747),
        (rawbson!({ "$getField": { "field": "a", "x": 1 } }), 3041701),
        (rawbson!({ "$setField": { "field": "a", "input": {} } }), 4161103),
        (rawbson!({ "$sortArray": { "input": [] } }), 2942503),
        (rawbson!({ "$firstN": { "input": [] } }), 5787906),
        (rawbson!({ "$firstN": { "n": 1 } }), 5787907),
        (rawbson!({ "$median": { "input": 1 } }), 40414),
        (rawbson!({ "$setEquals": [[1]] }), 17045),
    ] {
        let error = parse(expression.clone()).unwrap_err();
        assert_eq!(error.code(), code, "{expression:?}: {error}");
    }
}
