use bson::{DateTime, rawbson, rawdoc};

use super::*;

fn run(expression: RawBson, document: &RawDocument) -> Result<Value, QueryError> {
    let parsed = Expression::parse(expression.as_raw_bson_ref())?;
    let context = Context::new(DateTime::from_millis(1_700_000_000_123));
    Compiled::compile(&parsed, &context)?.evaluate(document, &context)
}

pub(super) fn check(document: &RawDocument, cases: Vec<(RawBson, RawBson)>) {
    for (expression, expected) in cases {
        let value = run(expression.clone(), document);
        let value = value.unwrap_or_else(|error| panic!("{expression:?}: {error}"));
        assert_eq!(value, Some(expected), "{expression:?}");
    }
}

pub(super) fn check_errors(document: &RawDocument, cases: Vec<(RawBson, i32)>) {
    for (expression, code) in cases {
        let error = run(expression.clone(), document).unwrap_err();
        assert_eq!(error.code(), code, "{expression:?} {error}");
    }
}

#[test]
fn paths_and_variables() {
    let document =
        rawdoc! { "a": { "b": 1 }, "l": [{ "x": 1 }, { "y": 2 }, 5, { "x": 3 }], "n": null };
    check(
        &document,
        vec![
            (rawbson!("$a.b"), rawbson!(1)),
            (rawbson!("$l.x"), rawbson!([1, 3])),
            (rawbson!("$$ROOT.a"), rawbson!({ "b": 1 })),
            (rawbson!("$$CURRENT.a.b"), rawbson!(1)),
            (rawbson!("$$NOW"), RawBson::DateTime(DateTime::from_millis(1_700_000_000_123))),
            (rawbson!({ "v": "$missing", "w": "$n" }), rawbson!({ "w": null })),
            (rawbson!(["$missing", 1]), rawbson!([null, 1])),
            (rawbson!({ "$literal": "$a" }), rawbson!("$a")),
            (
                rawbson!({ "$let": { "vars": { "x": 2, "y": "$a.b" }, "in": { "$add": ["$$x", "$$y"] } } }),
                rawbson!(3),
            ),
            (rawbson!({ "$type": "$missing" }), rawbson!("missing")),
        ],
    );
    assert_eq!(run(rawbson!("$missing"), &document).unwrap(), None);
    assert_eq!(run(rawbson!("$l.0"), &document).unwrap(), Some(rawbson!([])));
    check_errors(
        &document,
        vec![(rawbson!("$$nope"), 17276), (rawbson!({ "$meta": "textScore" }), 238)],
    );
}

#[test]
fn numbers() {
    check(
        &rawdoc! { "d": DateTime::from_millis(1000) },
        vec![
            (rawbson!({ "$add": [1, 2] }), rawbson!(3)),
            (rawbson!({ "$add": [1, 2.5] }), rawbson!(3.5)),
            (rawbson!({ "$add": [i32::MAX, 1] }), rawbson!(2147483648_i64)),
            (rawbson!({ "$add": [i64::MAX, 1] }), rawbson!(9223372036854775808.0)),
            (rawbson!({ "$add": ["$d", 5] }), RawBson::DateTime(DateTime::from_millis(1005))),
            (rawbson!({ "$add": [1, null] }), rawbson!(null)),
            (rawbson!({ "$add": [0.1, 0.2, -0.3] }), rawbson!(2.7755575615628914e-17)),
            (rawbson!({ "$subtract": ["$d", "$d"] }), rawbson!(0_i64)),
            (rawbson!({ "$multiply": [2, 3, 1.5] }), rawbson!(9.0)),
            (rawbson!({ "$divide": [6, 4] }), rawbson!(1.5)),
            (rawbson!({ "$mod": [-7, 3] }), rawbson!(-1)),
            (rawbson!({ "$abs": -5 }), rawbson!(5)),
            (rawbson!({ "$ceil": 1.2 }), rawbson!(2.0)),
            (rawbson!({ "$floor": -1.2 }), rawbson!(-2.0)),
            (rawbson!({ "$pow": [2, 10] }), rawbson!(1024)),
            (rawbson!({ "$pow": [2, -1] }), rawbson!(0.5)),
            (rawbson!({ "$sqrt": 16 }), rawbson!(4.0)),
            (rawbson!({ "$round": 2.5 }), rawbson!(2.0)),
            (rawbson!({ "$round": [1234.5678, 2] }), rawbson!(1234.57)),
            (rawbson!({ "$round": [1250, -2] }), rawbson!(1200)),
            (rawbson!({ "$trunc": [-1.999, 1] }), rawbson!(-1.9)),
            (rawbson!({ "$bitXor": [5, 3] }), rawbson!(6)),
            (rawbson!({ "$bitNot": 5_i64 }), rawbson!(-6_i64)),
            (rawbson!({ "$sum": [1, "x", 2.0] }), rawbson!(3.0)),
            (rawbson!({ "$avg": [[1, 2, 3]] }), rawbson!(2.0)),
            (rawbson!({ "$max": [1, null, 3] }), rawbson!(3)),
            (rawbson!({ "$min": [[5, 2, "x"]] }), rawbson!(2)),
            (rawbson!({ "$stdDevPop": [2, 4, 4, 4, 5, 5, 7, 9] }), rawbson!(2.0)),
            (
                rawbson!({ "$median": { "input": [3, 1, 2], "method": "approximate" } }),
                rawbson!(2.0),
            ),
        ],
    );
    check_errors(
        &rawdoc! { "d": DateTime::from_millis(1000) },
        vec![
            (rawbson!({ "$add": [1, "x"] }), 14),
            (rawbson!({ "$add": ["$d", "$d"] }), 16612),
            (rawbson!({ "$subtract": [1, "x"] }), 14),
            (rawbson!({ "$multiply": [1, "x"] }), 14),
            (rawbson!({ "$divide": [1, "x"] }), 14),
            (rawbson!({ "$pow": ["x", 1] }), 28762),
            (rawbson!({ "$pow": [1, "x"] }), 28763),
            (rawbson!({ "$log": ["x", 2] }), 28756),
            (rawbson!({ "$log": [2, "x"] }), 28757),
            (rawbson!({ "$divide": [1, 0] }), 2),
            (rawbson!({ "$mod": [1, 0] }), 16610),
            (rawbson!({ "$abs": "x" }), 28765),
            (rawbson!({ "$sqrt": -1 }), 28714),
        ],
    );
}

#[test]
fn conditions_and_comparison() {
    check(
        &rawdoc! { "a": 5, "n": null },
        vec![
            (rawbson!({ "$cond": [{ "$gt": ["$a", 3] }, "big", "small"] }), rawbson!("big")),
            (rawbson!({ "$cond": { "if": "$missing", "then": 1, "else": 2 } }), rawbson!(2)),
            (rawbson!({ "$ifNull": ["$missing", "$n", 7] }), rawbson!(7)),
            (
                rawbson!({ "$switch": { "branches": [{ "case": false, "then": 1 }, { "case": true, "then": 2 }] } }),
                rawbson!(2),
            ),
            (rawbson!({ "$and": [1, "x", []] }), rawbson!(true)),
            (rawbson!({ "$or": [0, null] }), rawbson!(false)),
            (rawbson!({ "$not": [0] }), rawbson!(true)),
            (rawbson!({ "$eq": ["$missing", null] }), rawbson!(false)),
            (rawbson!({ "$eq": [1, 1.0] }), rawbson!(true)),
            (rawbson!({ "$lt": [1, "x"] }), rawbson!(true)),
            (rawbson!({ "$cmp": [2, 1] }), rawbson!(1)),
            (rawbson!({ "$in": [1, [2, 1.0]] }), rawbson!(true)),
        ],
    );
    check_errors(
        &rawdoc! {},
        vec![
            (rawbson!({ "$switch": { "branches": [{ "case": false, "then": 1 }] } }), 40066),
            (rawbson!({ "$in": [1, 2] }), 40081),
        ],
    );
}

#[test]
fn arrays_and_sets() {
    check(
        &rawdoc! { "a": [3, 1, 2], "o": [{ "x": 2 }, { "x": 1 }] },
        vec![
            (rawbson!({ "$arrayElemAt": ["$a", -1] }), rawbson!(2)),
            (rawbson!({ "$first": "$a" }), rawbson!(3)),
            (rawbson!({ "$concatArrays": ["$a", [9]] }), rawbson!([3, 1, 2, 9])),
            (rawbson!({ "$slice": ["$a", 1, 2] }), rawbson!([1, 2])),
            (rawbson!({ "$slice": ["$a", -2] }), rawbson!([1, 2])),
            (rawbson!({ "$size": "$a" }), rawbson!(3)),
            (rawbson!({ "$reverseArray": "$a" }), rawbson!([2, 1, 3])),
            (rawbson!({ "$range": [0, 10, 4] }), rawbson!([0, 4, 8])),
            (rawbson!({ "$indexOfArray": ["$a", 2] }), rawbson!(2)),
            (rawbson!({ "$isArray": ["$a"] }), rawbson!(true)),
            (
                rawbson!({ "$map": { "input": "$a", "as": "x", "in": { "$multiply": ["$$x", 2] } } }),
                rawbson!([6, 2, 4]),
            ),
            (
                rawbson!({ "$filter": { "input": "$a", "cond": { "$gt": ["$$this", 1] }, "limit": 1 } }),
                rawbson!([3]),
            ),
            (
                rawbson!({ "$reduce": { "input": "$a", "initialValue": 0, "in": { "$add": ["$$value", "$$this"] } } }),
                rawbson!(6),
            ),
            (rawbson!({ "$sortArray": { "input": "$a", "sortBy": -1 } }), rawbson!([3, 2, 1])),
            (
                rawbson!({ "$sortArray": { "input": "$o", "sortBy": { "x": 1 } } }),
                rawbson!([{ "x": 1 }, { "x": 2 }]),
            ),
            (rawbson!({ "$maxN": { "input": "$a", "n": 2 } }), rawbson!([3, 2])),
            (rawbson!({ "$firstN": { "input": "$a", "n": 2 } }), rawbson!([3, 1])),
            (
                rawbson!({ "$zip": { "inputs": [[1, 2], ["a"]], "useLongestLength": true, "defaults": [0, "z"] } }),
                rawbson!([[1, "a"], [2, "z"]]),
            ),
            (rawbson!({ "$setUnion": [[2, 1], [1, 3]] }), rawbson!([1, 2, 3])),
            (rawbson!({ "$setIntersection": [[2, 1], [1, 3]] }), rawbson!([1])),
            (rawbson!({ "$setDifference": [[2, 1, 2], [1]] }), rawbson!([2])),
            (rawbson!({ "$setEquals": [[1, 2], [2, 1, 1]] }), rawbson!(true)),
            (rawbson!({ "$setIsSubset": [[1], [2, 1]] }), rawbson!(true)),
            (rawbson!({ "$anyElementTrue": [[0, 1]] }), rawbson!(true)),
            (rawbson!({ "$allElementsTrue": [[0, 1]] }), rawbson!(false)),
        ],
    );
    check_errors(&rawdoc! {}, vec![(rawbson!({ "$size": "$a" }), 17124)]);
}

#[test]
fn objects() {
    check(
        &rawdoc! { "a": { "x": 1, "y.z": 2 } },
        vec![
            (
                rawbson!({ "$mergeObjects": ["$a", { "x": 5, "w": 1 }, null] }),
                rawbson!({ "x": 5, "y.z": 2, "w": 1 }),
            ),
            (rawbson!({ "$objectToArray": { "k1": 1 } }), rawbson!([{ "k": "k1", "v": 1 }])),
            (rawbson!({ "$arrayToObject": [[["a", 1], ["b", 2]]] }), rawbson!({ "a": 1, "b": 2 })),
            (rawbson!({ "$arrayToObject": [[{ "k": "a", "v": 1 }]] }), rawbson!({ "a": 1 })),
            (
                rawbson!({ "$arrayToObject": [[["a", 1], ["b", 2], ["a", 3]]] }),
                rawbson!({ "a": 3, "b": 2 }),
            ),
            (rawbson!({ "$getField": { "field": "y.z", "input": "$a" } }), rawbson!(2)),
            (rawbson!({ "$getField": "a" }), rawbson!({ "x": 1, "y.z": 2 })),
            (
                rawbson!({ "$setField": { "field": "x", "input": "$a", "value": 9 } }),
                rawbson!({ "x": 9, "y.z": 2 }),
            ),
            (rawbson!({ "$unsetField": { "field": "x", "input": "$a" } }), rawbson!({ "y.z": 2 })),
        ],
    );
    check_errors(
        &rawdoc! {},
        vec![
            (rawbson!({ "$arrayToObject": [[["a", 1], { "k": "b", "v": 2 }]] }), 40396),
            (rawbson!({ "$arrayToObject": [[{ "k": "b", "v": 2 }, ["a", 1]]] }), 40391),
            (rawbson!({ "$arrayToObject": [[{ "k": "b" }]] }), 40392),
            (rawbson!({ "$arrayToObject": [[5]] }), 40398),
        ],
    );
}

/// The old kind of binary data is measured with the length that comes before it.
#[test]
fn binary_data_is_measured_as_stored() {
    use bson::spec::BinarySubtype;
    let binary = |subtype| bson::Binary { subtype, bytes: vec![1, 2] };
    let document = rawdoc! {
        "old": binary(BinarySubtype::BinaryOld), "new": binary(BinarySubtype::Generic),
    };
    check(
        &document,
        vec![
            (rawbson!({ "$binarySize": "$new" }), rawbson!(2)),
            (rawbson!({ "$binarySize": "$old" }), rawbson!(6)),
            (rawbson!({ "$gt": ["$old", "$new"] }), rawbson!(true)),
        ],
    );
}

#[test]
fn strings_and_patterns() {
    check(
        &rawdoc! { "s": "Grüße" },
        vec![
            (rawbson!({ "$concat": ["a", "b"] }), rawbson!("ab")),
            (rawbson!({ "$concat": ["a", null] }), rawbson!(null)),
            (rawbson!({ "$toUpper": "$s" }), rawbson!("GRüßE")),
            (rawbson!({ "$strLenCP": "$s" }), rawbson!(5)),
            (rawbson!({ "$strLenBytes": "$s" }), rawbson!(7)),
            (rawbson!({ "$substrCP": ["$s", 2, 2] }), rawbson!("üß")),
            (rawbson!({ "$substrBytes": ["abc", 1, -1] }), rawbson!("bc")),
            (rawbson!({ "$split": ["a-b-c", "-"] }), rawbson!(["a", "b", "c"])),
            (rawbson!({ "$trim": { "input": "  x " } }), rawbson!("x")),
            (rawbson!({ "$ltrim": { "input": "xxay", "chars": "x" } }), rawbson!("ay")),
            (rawbson!({ "$indexOfCP": ["$s", "ß"] }), rawbson!(3)),
            (rawbson!({ "$indexOfBytes": ["$s", "ß"] }), rawbson!(4)),
            (
                rawbson!({ "$replaceAll": { "input": "aXbX", "find": "X", "replacement": "-" } }),
                rawbson!("a-b-"),
            ),
            (
                rawbson!({ "$replaceOne": { "input": "aXbX", "find": "X", "replacement": "-" } }),
                rawbson!("a-bX"),
            ),
            (rawbson!({ "$strcasecmp": ["A", "a"] }), rawbson!(0)),
            (
                rawbson!({ "$regexMatch": { "input": "Abc", "regex": "^a", "options": "i" } }),
                rawbson!(true),
            ),
            (
                rawbson!({ "$regexFind": { "input": "üabc", "regex": "(b)(x)?" } }),
                rawbson!({ "match": "b", "idx": 2, "captures": ["b", null] }),
            ),
            (rawbson!({ "$toString": 2.5 }), rawbson!("2.5")),
        ],
    );
}

#[test]
fn conversions() {
    check(
        &rawdoc! {},
        vec![
            (rawbson!({ "$toInt": "12" }), rawbson!(12)),
            (rawbson!({ "$toInt": 12.9 }), rawbson!(12)),
            (rawbson!({ "$toLong": "12" }), rawbson!(12_i64)),
            (rawbson!({ "$toDouble": "1.5e3" }), rawbson!(1500.0)),
            (rawbson!({ "$toBool": "" }), rawbson!(true)),
            (
                rawbson!({ "$toDate": "2018-03-27T16:58:51.538Z" }),
                RawBson::DateTime(DateTime::from_millis(1522169931538)),
            ),
            (
                rawbson!({ "$toString": { "$toDate": 1522169931538_i64 } }),
                rawbson!("2018-03-27T16:58:51.538Z"),
            ),
            (rawbson!({ "$toInt": null }), rawbson!(null)),
            (rawbson!({ "$convert": { "input": "x", "to": "int", "onError": -1 } }), rawbson!(-1)),
            (rawbson!({ "$convert": { "input": null, "to": 16, "onNull": 0 } }), rawbson!(0)),
            (rawbson!({ "$isNumber": "1" }), rawbson!(false)),
        ],
    );
    check_errors(
        &rawdoc! {},
        vec![(rawbson!({ "$toInt": "1x" }), 241), (rawbson!({ "$toInt": 1e10 }), 241)],
    );
}

#[test]
fn dates() {
    // Tuesday, 2024-02-29T13:05:06.789Z was a Thursday.
    let date = DateTime::from_millis(1_709_211_906_789);
    check(
        &rawdoc! { "d": date },
        vec![
            (rawbson!({ "$year": "$d" }), rawbson!(2024)),
            (rawbson!({ "$dayOfWeek": "$d" }), rawbson!(5)),
            (rawbson!({ "$dayOfYear": "$d" }), rawbson!(60)),
            (rawbson!({ "$hour": { "date": "$d", "timezone": "+05:30" } }), rawbson!(18)),
            (rawbson!({ "$hour": { "date": "$d", "timezone": "Europe/Berlin" } }), rawbson!(14)),
            (
                rawbson!({ "$dateToString": { "date": "$d", "format": "%H:%M %z", "timezone": "America/New_York" } }),
                rawbson!("08:05 -0500"),
            ),
            // A day later clocks show the same, also when they have changed meanwhile.
            (
                rawbson!({ "$dateToString": { "date": { "$dateAdd": { "startDate": "$d", "unit": "month", "amount": 1, "timezone": "Europe/Berlin" } }, "format": "%H:%M %z" } }),
                rawbson!("13:05 +0000"),
            ),
            (
                rawbson!({ "$dateFromString": { "dateString": "2024-07-01T12:00:00", "timezone": "Europe/Berlin" } }),
                RawBson::DateTime(DateTime::from_millis(1_719_828_000_000)),
            ),
            (
                rawbson!({ "$dateTrunc": { "date": "$d", "unit": "day", "timezone": "Asia/Tokyo" } }),
                RawBson::DateTime(DateTime::from_millis(1_709_132_400_000)),
            ),
            (rawbson!({ "$isoWeekYear": "$d" }), rawbson!(2024_i64)),
            (rawbson!({ "$dateToString": { "date": "$d" } }), rawbson!("2024-02-29T13:05:06.789Z")),
            (
                rawbson!({ "$dateToString": { "date": "$d", "format": "%d.%m.%Y %j %u %%", "timezone": "-14" } }),
                rawbson!("28.02.2024 059 3 %"),
            ),
            (
                rawbson!({ "$dateToString": { "date": { "$dateAdd": { "startDate": "$d", "unit": "year", "amount": 1 } }, "format": "%Y-%m-%d" } }),
                rawbson!("2025-02-28"),
            ),
            (
                rawbson!({ "$dateToString": { "date": { "$dateTrunc": { "date": "$d", "unit": "month" } } } }),
                rawbson!("2024-02-01T00:00:00.000Z"),
            ),
            (
                rawbson!({ "$dateToString": { "date": { "$dateTrunc": { "date": "$d", "unit": "week", "startOfWeek": "monday" } } } }),
                rawbson!("2024-02-26T00:00:00.000Z"),
            ),
            (
                rawbson!({ "$dateDiff": { "startDate": "$d", "endDate": { "$dateFromParts": { "year": 2025, "month": 1 } }, "unit": "month" } }),
                rawbson!(11_i64),
            ),
            (
                rawbson!({ "$dateToParts": { "date": "$d" } }),
                rawbson!({ "year": 2024, "month": 2, "day": 29, "hour": 13, "minute": 5, "second": 6, "millisecond": 789 }),
            ),
            (
                rawbson!({ "$dateFromString": { "dateString": "29/02/2024", "format": "%d/%m/%Y" } }),
                RawBson::DateTime(DateTime::from_millis(1_709_164_800_000)),
            ),
            (rawbson!({ "$dateFromString": { "dateString": "nope", "onError": 0 } }), rawbson!(0)),
            (
                rawbson!({ "$dateFromParts": { "year": 2024, "month": 14, "day": 0 } }),
                RawBson::DateTime(DateTime::from_millis(1_738_281_600_000)),
            ),
        ],
    );
    check_errors(
        &rawdoc! { "d": date },
        vec![
            (rawbson!({ "$year": "x" }), 16006),
            (rawbson!({ "$hour": { "date": "$d", "timezone": "nope" } }), 40485),
        ],
    );
}

#[test]
fn no_match_is_found_behind_the_text() {
    let all = |text: &str, pattern: &str| rawbson!({ "$size": { "$regexFindAll": { "input": text, "regex": pattern } } });
    check(
        &rawdoc! {},
        vec![
            (all("", ""), rawbson!(1)),
            (all("ab", ""), rawbson!(2)),
            (all("aa", "a*"), rawbson!(1)),
            (all("baa", "a*"), rawbson!(2)),
        ],
    );
    check_errors(&rawdoc! {}, vec![(rawbson!({ "$zip": { "inputs": [] } }), 34465)]);
}

#[test]
fn powers_of_decimals_are_decimals() {
    let decimal = |text: &str| RawBson::Decimal128(text.parse().unwrap());
    check(
        &rawdoc! {},
        vec![
            (rawbson!({ "$pow": [decimal("1.05"), 2] }), decimal("1.1025")),
            (rawbson!({ "$pow": [2, decimal("3")] }), decimal("8")),
            (
                rawbson!({ "$pow": [decimal("2"), 0.5] }),
                decimal("1.414213562373095048801688724209698"),
            ),
            (rawbson!({ "$exp": decimal("1") }), decimal("2.718281828459045235360287471352662")),
            (rawbson!({ "$ln": decimal("10") }), decimal("2.302585092994045684017991454684364")),
            (rawbson!({ "$log10": decimal("1E+6000") }), decimal("6000")),
            (rawbson!({ "$log": [decimal("100"), 10] }), decimal("2")),
        ],
    );
    check_errors(
        &rawdoc! {},
        vec![
            (rawbson!({ "$ln": decimal("0") }), 28766),
            (rawbson!({ "$log10": decimal("-1E-6000") }), 28761),
            (rawbson!({ "$log": [decimal("-1"), 10] }), 28758),
            (rawbson!({ "$log": [2, decimal("1.0")] }), 28759),
            (rawbson!({ "$pow": [decimal("0"), -1] }), 28764),
            (rawbson!({ "$sin": decimal("0") }), 238),
        ],
    );
}
