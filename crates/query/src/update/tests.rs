use bson::rawbson;

use super::*;

fn parse(value: RawBson) -> Result<Update, QueryError> {
    Update::parse(value.as_raw_bson_ref())
}

#[test]
fn updates_read_back_as_printed() {
    for update in [
        rawbson!({ "$set": { "a": 1, "b.c": "$x" }, "$inc": { "d": 1.5 } }),
        rawbson!({ "$setOnInsert": { "a": 1 }, "$unset": { "b": "" } }),
        rawbson!({ "$mul": { "a": 2 }, "$min": { "b": 1 }, "$max": { "c": 1 } }),
        rawbson!({ "$currentDate": { "a": true, "b": { "$type": "timestamp" } } }),
        rawbson!({ "$rename": { "a": "b.c" } }),
        rawbson!({ "$push": { "a": 1, "b": { "$each": [1], "$position": 0, "$slice": -3, "$sort": { "x": -1 } } } }),
        rawbson!({ "$push": { "a": { "$each": [1], "$sort": 1 } } }),
        rawbson!({ "$addToSet": { "a": 1, "b": { "$each": [1, 2] } } }),
        rawbson!({ "$pop": { "a": 1, "b": -1.0 } }),
        rawbson!({ "$pull": { "a": 1, "b": { "c": 1, "d": 2 }, "e": { "$gt": 1, "$lt": 5 }, "f": {} } }),
        rawbson!({ "$pullAll": { "a": [1, 2] } }),
        rawbson!({ "$bit": { "a": { "and": 1, "xor": 5_i64 } } }),
        rawbson!({ "$set": { "a.$": 1, "b.$[].c": 1, "d.$[x].e": 2 } }),
        rawbson!({ "$set": {} }),
        rawbson!({ "a": 1 }),
        rawbson!({}),
        rawbson!([{ "$set": { "a": "$b" } }, { "$unset": "c" }]),
    ] {
        let parsed = parse(update.clone()).unwrap_or_else(|error| panic!("{update:?}: {error}"));
        assert_eq!(parse(parsed.to_raw()).unwrap(), parsed, "{update:?}");
    }
}

#[test]
fn faults_have_the_servers_codes() {
    for (update, code) in [
        (rawbson!({ "$foo": { "a": 1 } }), 9),
        (rawbson!({ "$set": 1 }), 9),
        (rawbson!({ "$set": { "a": 1 }, "b": 1 }), 9),
        (rawbson!({ "a": 1, "$set": { "b": 1 } }), 52),
        (rawbson!({ "$set": { "": 1 } }), 56),
        (rawbson!({ "$set": { "a..b": 1 } }), 56),
        (rawbson!({ "$set": { "$[]": 1 } }), 2),
        (rawbson!({ "$set": { "a": 1, "a.b": 1 } }), 40),
        (rawbson!({ "$set": { "a": 1 }, "$inc": { "a": 1 } }), 40),
        (rawbson!({ "$rename": { "a": "b" }, "$set": { "b": 1 } }), 40),
        (rawbson!({ "$set": { "a.$[]": 1, "a.0.b": 1 } }), 40),
        (rawbson!({ "$rename": { "a": "a" } }), 2),
        (rawbson!({ "$rename": { "a": "a.b" } }), 2),
        (rawbson!({ "$rename": { "a": 1 } }), 2),
        (rawbson!({ "$inc": { "a": "x" } }), 14),
        (rawbson!({ "$push": { "a": { "$each": 1 } } }), 2),
        (rawbson!({ "$push": { "a": { "$each": [], "$foo": 1 } } }), 2),
        (rawbson!({ "$addToSet": { "a": { "$each": 1 } } }), 14),
        (rawbson!({ "$pop": { "a": 2 } }), 9),
        (rawbson!({ "$pullAll": { "a": 1 } }), 2),
        (rawbson!({ "$pull": { "a": { "$expr": { "$eq": ["$b", 1] } } } }), 2),
        (rawbson!({ "$pull": { "a": { "b": 1, "$where": "true" } } }), 2),
        (rawbson!({ "$pull": { "a": { "$elemMatch": { "$expr": 1 } } } }), 2),
        (rawbson!({ "$bit": { "a": { "nand": 1 } } }), 2),
        (rawbson!({ "$bit": { "a": { "and": 1.5 } } }), 2),
        (rawbson!({ "$currentDate": { "a": "x" } }), 2),
        (rawbson!({ "$set": { "a.$.b.$": 1 } }), 2),
        (rawbson!([{ "$match": {} }]), 72),
        (rawbson!(1), 9),
    ] {
        let error = parse(update.clone()).unwrap_err();
        assert_eq!(error.code(), code, "{update:?} {error}");
    }
}

#[test]
fn fields_may_begin_with_a_dollar() {
    for update in [rawbson!({ "$set": { "$a": 1 } }), rawbson!({ "$unset": { "a.$each": 1 } })] {
        assert!(parse(update.clone()).is_ok(), "{update:?}");
    }
}

#[test]
fn array_filters_and_paths_must_agree() {
    let update = parse(rawbson!({ "$set": { "a.$[x].b": 1 } })).unwrap();
    let check = |filters: RawBson| parse_array_filters(filters.as_array(), &update);
    assert_eq!(check(rawbson!([{ "x.c": { "$gt": 1 } }])).unwrap()[0].identifier, "x");
    assert_eq!(check(rawbson!([])).unwrap_err().code(), 2);
    assert_eq!(check(rawbson!([{ "x": 1 }, { "y": 1 }])).unwrap_err().code(), 9);
    assert_eq!(check(rawbson!([{ "x": 1 }, { "x": 2 }])).unwrap_err().code(), 9);
    assert_eq!(check(rawbson!([{ "x": 1, "y": 2 }])).unwrap_err().code(), 9);
    assert_eq!(check(rawbson!([{ "X": 1 }])).unwrap_err().code(), 2);
    assert_eq!(check(rawbson!([1])).unwrap_err().code(), 14);
}
