use bson::{DateTime, rawbson, rawdoc};
use fieldveil_query::update::parse_array_filters;

use super::*;

const NOW: i64 = 1_700_000_000_123;

fn updater(update: RawBson, filters: RawBson) -> Result<Updater, QueryError> {
    let update = Update::parse(update.as_raw_bson_ref())?;
    let filters = parse_array_filters(filters.as_array(), &update)?;
    Updater::compile(&update, &filters, &Context::new(DateTime::from_millis(NOW)))
}

fn apply(document: &RawDocument, update: RawBson) -> Result<RawDocumentBuf, QueryError> {
    updater(update, rawbson!([]))?.apply(document, Some(1)).map(|outcome| outcome.document)
}

#[test]
fn operators_change_values() {
    for (before, update, after) in [
        (rawdoc! { "a": 1 }, rawbson!({ "$set": { "b": 2, "a": 3 } }), rawdoc! { "a": 3, "b": 2 }),
        (rawdoc! {}, rawbson!({ "$set": { "b": 1, "a": 1 } }), rawdoc! { "a": 1, "b": 1 }),
        (
            rawdoc! {},
            rawbson!({ "$set": { "a.10": 1, "a.9": 1 } }),
            rawdoc! { "a": { "9": 1, "10": 1 } },
        ),
        (
            rawdoc! { "a": { "b": 1 } },
            rawbson!({ "$set": { "a.c": 2 } }),
            rawdoc! { "a": { "b": 1, "c": 2 } },
        ),
        (rawdoc! { "a": [1] }, rawbson!({ "$set": { "a.2": 3 } }), rawdoc! { "a": [1, null, 3] }),
        (
            rawdoc! { "a": 1, "b": 2 },
            rawbson!({ "$unset": { "a": "", "c": "" } }),
            rawdoc! { "b": 2 },
        ),
        (rawdoc! { "a": [1, 2] }, rawbson!({ "$unset": { "a.0": 1 } }), rawdoc! { "a": [null, 2] }),
        (rawdoc! { "a": 1 }, rawbson!({ "$unset": { "a.b.c": 1 } }), rawdoc! { "a": 1 }),
        (
            rawdoc! { "a": 1 },
            rawbson!({ "$inc": { "a": 2, "b": 1.5 } }),
            rawdoc! { "a": 3, "b": 1.5 },
        ),
        (
            rawdoc! { "a": i32::MAX },
            rawbson!({ "$inc": { "a": 1 } }),
            rawdoc! { "a": 2147483648_i64 },
        ),
        (
            rawdoc! { "a": 2 },
            rawbson!({ "$mul": { "a": 2.5, "b": 3_i64 } }),
            rawdoc! { "a": 5.0, "b": 0_i64 },
        ),
        (
            rawdoc! { "a": 5, "b": 5 },
            rawbson!({ "$min": { "a": 3, "b": 7 }, "$max": { "c": 1 } }),
            rawdoc! { "a": 3, "b": 5, "c": 1 },
        ),
        (
            rawdoc! { "a": 1, "x": 0 },
            rawbson!({ "$rename": { "a": "b.c" } }),
            rawdoc! { "x": 0, "b": { "c": 1 } },
        ),
        (rawdoc! { "x": 0 }, rawbson!({ "$rename": { "a": "b" } }), rawdoc! { "x": 0 }),
        (rawdoc! { "a": 1, "b": 2 }, rawbson!({ "$rename": { "a": "b" } }), rawdoc! { "b": 1 }),
        (
            rawdoc! { "a": 12 },
            rawbson!({ "$bit": { "a": { "and": 10 }, "b": { "or": 3_i64 } } }),
            rawdoc! { "a": 8, "b": 3_i64 },
        ),
        (rawdoc! { "a": 1 }, rawbson!({ "$setOnInsert": { "a": 2 } }), rawdoc! { "a": 1 }),
        (
            rawdoc! {},
            rawbson!({ "$currentDate": { "a": true } }),
            rawdoc! { "a": DateTime::from_millis(NOW) },
        ),
    ] {
        assert_eq!(apply(&before, update.clone()).unwrap(), after, "{before:?} {update:?}");
    }
}

#[test]
fn arrays_grow_and_shrink() {
    for (before, update, after) in [
        (rawdoc! {}, rawbson!({ "$push": { "a": 1 } }), rawdoc! { "a": [1] }),
        (rawdoc! { "a": [1] }, rawbson!({ "$push": { "a": [2] } }), rawdoc! { "a": [1, [2]] }),
        (
            rawdoc! { "a": [3, 1] },
            rawbson!({ "$push": { "a": { "$each": [2], "$sort": 1 } } }),
            rawdoc! { "a": [1, 2, 3] },
        ),
        (
            rawdoc! { "a": [1, 2] },
            rawbson!({ "$push": { "a": { "$each": [0], "$position": 0 } } }),
            rawdoc! { "a": [0, 1, 2] },
        ),
        (
            rawdoc! { "a": [1, 2] },
            rawbson!({ "$push": { "a": { "$each": [0], "$position": -1 } } }),
            rawdoc! { "a": [1, 0, 2] },
        ),
        (
            rawdoc! { "a": [1, 2] },
            rawbson!({ "$push": { "a": { "$each": [3, 4], "$slice": -3 } } }),
            rawdoc! { "a": [2, 3, 4] },
        ),
        (
            rawdoc! { "a": [{ "x": 1 }, { "x": 3 }] },
            rawbson!({ "$push": { "a": { "$each": [{ "x": 2 }], "$sort": { "x": -1 }, "$slice": 2 } } }),
            rawdoc! { "a": [{ "x": 3 }, { "x": 2 }] },
        ),
        (rawdoc! { "a": [1] }, rawbson!({ "$addToSet": { "a": 1.0 } }), rawdoc! { "a": [1] }),
        (
            rawdoc! { "a": [1] },
            rawbson!({ "$addToSet": { "a": { "$each": [2, 1, 2] } } }),
            rawdoc! { "a": [1, 2] },
        ),
        (rawdoc! { "a": [1, 2, 3] }, rawbson!({ "$pop": { "a": 1 } }), rawdoc! { "a": [1, 2] }),
        (rawdoc! { "a": [1, 2, 3] }, rawbson!({ "$pop": { "a": -1 } }), rawdoc! { "a": [2, 3] }),
        (rawdoc! { "a": [1, 2, 1] }, rawbson!({ "$pull": { "a": 1 } }), rawdoc! { "a": [2] }),
        (
            rawdoc! { "a": [1, 5, 9] },
            rawbson!({ "$pull": { "a": { "$gt": 2, "$lt": 7 } } }),
            rawdoc! { "a": [1, 9] },
        ),
        (
            rawdoc! { "a": [{ "b": 1, "c": 1 }, { "b": 2 }, 1] },
            rawbson!({ "$pull": { "a": { "b": 1 } } }),
            rawdoc! { "a": [{ "b": 2 }, 1] },
        ),
        (
            rawdoc! { "a": [1, 2, 3] },
            rawbson!({ "$pullAll": { "a": [1, 3] } }),
            rawdoc! { "a": [2] },
        ),
        (rawdoc! {}, rawbson!({ "$pull": { "a.b": 1 }, "$pop": { "c": 1 } }), rawdoc! {}),
    ] {
        assert_eq!(apply(&before, update.clone()).unwrap(), after, "{before:?} {update:?}");
    }
}

#[test]
fn array_paths_mean_elements() {
    let document = rawdoc! { "a": [{ "b": 1 }, { "b": 2 }, { "b": 3 }], "n": [1, 2, 3] };
    for (update, filters, after) in [
        (
            rawbson!({ "$set": { "n.$": 9 } }),
            rawbson!([]),
            rawdoc! { "a": [{ "b": 1 }, { "b": 2 }, { "b": 3 }], "n": [1, 9, 3] },
        ),
        (
            rawbson!({ "$inc": { "a.$[].b": 1 } }),
            rawbson!([]),
            rawdoc! { "a": [{ "b": 2 }, { "b": 3 }, { "b": 4 }], "n": [1, 2, 3] },
        ),
        (
            rawbson!({ "$set": { "a.$[x].c": 0, "n.$[y]": 0 } }),
            rawbson!([{ "x.b": { "$gte": 2 } }, { "y": { "$lt": 2 } }]),
            rawdoc! { "a": [{ "b": 1 }, { "b": 2, "c": 0 }, { "b": 3, "c": 0 }], "n": [0, 2, 3] },
        ),
    ] {
        let outcome = updater(update.clone(), filters).unwrap().apply(&document, Some(1)).unwrap();
        assert_eq!(outcome.document, after, "{update:?}");
    }
}

#[test]
fn faults_have_the_servers_codes_and_texts() {
    let document = rawdoc! { "_id": 1, "a": 5, "b": [1], "s": "x", "l": i64::MAX };
    for (update, code, text) in [
        (rawbson!({ "$set": { "a.x": 1 } }), 28, "Cannot create field 'x' in element {a: 5}"),
        (rawbson!({ "$set": { "b.x": 1 } }), 28, "Cannot create field 'x' in element {b: [1]}"),
        (
            rawbson!({ "$inc": { "s": 1 } }),
            14,
            "Cannot apply $inc to a value of non-numeric type. {_id: 1} has the field 's' of non-numeric type string",
        ),
        (rawbson!({ "$inc": { "l": 1 } }), 2, "Failed to apply $inc operations"),
        (
            rawbson!({ "$push": { "a": 1 } }),
            2,
            "The field 'a' must be an array but is of type int in document {_id: 1}",
        ),
        (
            rawbson!({ "$addToSet": { "a": 1 } }),
            2,
            "Cannot apply $addToSet to non-array field. Field named 'a' has non-array type int",
        ),
        (
            rawbson!({ "$pop": { "a": 1 } }),
            14,
            "Path 'a' contains an element of non-array type 'int'",
        ),
        (rawbson!({ "$pull": { "a": 1 } }), 2, "Cannot apply $pull to a non-array value"),
        (rawbson!({ "$bit": { "s": { "and": 1 } } }), 2, "Cannot apply $bit"),
        (rawbson!({ "$set": { "_id": 2 } }), 66, "Performing an update on the path '_id'"),
        (rawbson!({ "$unset": { "_id": 1 } }), 66, "Performing an update on the path '_id'"),
        (
            rawbson!({ "_id": 2 }),
            66,
            "After applying the update, the (immutable) field '_id' was found to have been altered to _id: 2",
        ),
        (
            rawbson!({ "$set": { "a.$[]": 1 } }),
            2,
            "Cannot apply array updates to non-array element a: 5",
        ),
        (rawbson!({ "$set": { "z.$[]": 1 } }), 2, "The path 'z' must exist in the document"),
        (rawbson!({ "$rename": { "b.0": "z" } }), 2, "The source field cannot be an array element"),
        (rawbson!({ "$set": { "b.9999999": 1 } }), 2, "can't backfill"),
        (rawbson!({ "$set": { "b.1": 1, "b.$": 1 } }), 40, "Update created a conflict at 'b.1'"),
    ] {
        let error = apply(&document, update.clone()).unwrap_err();
        assert_eq!(error.code(), code, "{update:?} {error}");
        assert!(error.message().starts_with(text), "{error}");
    }
    let updater = updater(rawbson!({ "$set": { "b.$": 1 } }), rawbson!([])).unwrap();
    assert_eq!(updater.apply(&document, None).unwrap_err().code(), 2);
}

#[test]
fn replacements_keep_the_id_and_say_what_changed() {
    let document = rawdoc! { "_id": 1, "a": 1 };
    assert_eq!(apply(&document, rawbson!({ "b": 1 })).unwrap(), rawdoc! { "_id": 1, "b": 1 });
    assert_eq!(
        apply(&document, rawbson!([{ "$set": { "b": { "$add": ["$a", 1] } } }, { "$unset": "a" }]))
            .unwrap(),
        rawdoc! { "_id": 1, "b": 2 }
    );
    assert_eq!(apply(&document, rawbson!([{ "$set": { "_id": 2 } }])).unwrap_err().code(), 66);
    let set = updater(rawbson!({ "$set": { "a": 1 } }), rawbson!([])).unwrap();
    assert!(!set.apply(&document, None).unwrap().modified);
    assert!(set.apply(&rawdoc! { "a": 1.0 }, None).unwrap().modified);
}

#[test]
fn upserts_start_from_the_filter() {
    let insert = |filter: RawDocumentBuf, update: RawBson| {
        let filter = Filter::parse(&filter).unwrap();
        updater(update, rawbson!([])).unwrap().insert(&filter, || rawbson!("new"))
    };
    assert_eq!(
        insert(
            rawdoc! { "a.b": 1, "c": { "$gt": 5 }, "d": { "$in": [7] } },
            rawbson!({ "$set": { "a.x": 2 }, "$setOnInsert": { "e": 3 } })
        )
        .unwrap(),
        rawdoc! { "_id": "new", "a": { "b": 1, "x": 2 }, "d": 7, "e": 3 }
    );
    assert_eq!(
        insert(rawdoc! { "a": 1, "_id": 5 }, rawbson!({ "$inc": { "n": 1 } })).unwrap(),
        rawdoc! { "_id": 5, "a": 1, "n": 1 }
    );
    assert_eq!(
        insert(rawdoc! { "a": 1, "_id": 5 }, rawbson!({ "b": 1 })).unwrap(),
        rawdoc! { "_id": 5, "b": 1 }
    );
    for (filter, overlap) in [
        (rawdoc! { "a": 1, "a.b": 2 }, "both paths 'a.b' and 'a' are matched"),
        (rawdoc! { "b": 0, "a.b": 2, "a": 1 }, "both paths 'a' and 'a.b' are matched"),
        (rawdoc! { "$and": [{ "a": 1 }, { "a": 1 }] }, "path 'a' is matched twice"),
    ] {
        let error = insert(filter, rawbson!({ "$set": { "c": 1 } })).unwrap_err();
        assert_eq!(error.code(), 54);
        assert!(error.message().ends_with(overlap), "{error}");
    }
    assert_eq!(insert(rawdoc! { "_id": 1 }, rawbson!({ "_id": 2 })).unwrap_err().code(), 66);
}
