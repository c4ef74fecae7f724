use bson::{DateTime, rawdoc};

use super::*;

fn project(
    projection: RawDocumentBuf,
    document: &RawDocument,
) -> Result<RawDocumentBuf, QueryError> {
    let parsed = Projection::parse_find(&projection)?;
    let context = Context::new(DateTime::from_millis(0));
    Projector::compile(&parsed, &context)?.apply(document, Some(1))
}

#[test]
fn fields_are_kept_dropped_and_computed() {
    let document = rawdoc! { "_id": 1, "a": { "x": 1, "y": 2 }, "l": [{ "x": 1, "y": 2 }, 5, [{ "x": 3 }]], "s": 7 };
    for (projection, expected) in [
        (rawdoc! {}, document.clone()),
        (rawdoc! { "s": 1 }, rawdoc! { "_id": 1, "s": 7 }),
        (rawdoc! { "s": 1, "_id": 0 }, rawdoc! { "s": 7 }),
        (rawdoc! { "_id": 1 }, rawdoc! { "_id": 1 }),
        (
            rawdoc! { "a.x": 1, "l.x": 1, "s.z": 1 },
            rawdoc! { "_id": 1, "a": { "x": 1 }, "l": [{ "x": 1 }, [{ "x": 3 }]] },
        ),
        (rawdoc! { "a.x": 0, "l": 0 }, rawdoc! { "_id": 1, "a": { "y": 2 }, "s": 7 }),
        (rawdoc! { "l.x": 0, "a": 0 }, rawdoc! { "_id": 1, "l": [{ "y": 2 }, 5, [{}]], "s": 7 }),
        (rawdoc! { "_id": 0, "t": { "$add": ["$s", 1] } }, rawdoc! { "t": 8 }),
        (rawdoc! { "_id": 0, "a": { "z": "$s", "x": 1 } }, rawdoc! { "a": { "x": 1, "z": 7 } }),
        (rawdoc! { "_id": 0, "n.m": "$s" }, rawdoc! { "n": { "m": 7 } }),
        (rawdoc! { "_id": 0, "q": "$missing", "s": 1 }, rawdoc! { "s": 7 }),
    ] {
        assert_eq!(project(projection.clone(), &document).unwrap(), expected, "{projection:?}");
    }
}

#[test]
fn arrays_are_cut() {
    let document = rawdoc! { "a": [1, 2, 3, 4], "b": [{ "x": 1 }, { "x": 2 }], "c": 1 };
    for (projection, expected) in [
        (rawdoc! { "a": { "$slice": 2 }, "b": 0 }, rawdoc! { "a": [1, 2], "c": 1 }),
        (rawdoc! { "a": { "$slice": -1 }, "b": 0 }, rawdoc! { "a": [4], "c": 1 }),
        (rawdoc! { "a": { "$slice": [1, 2] }, "b": 0 }, rawdoc! { "a": [2, 3], "c": 1 }),
        (rawdoc! { "a": { "$slice": [-3, 1] }, "c": 1 }, rawdoc! { "a": [2], "c": 1 }),
        (rawdoc! { "b": { "$elemMatch": { "x": 2 } } }, rawdoc! { "b": [{ "x": 2 }] }),
        (rawdoc! { "a": { "$elemMatch": { "$gt": 2 } } }, rawdoc! { "a": [3] }),
        (rawdoc! { "a": { "$elemMatch": { "$gt": 9 } } }, rawdoc! {}),
        (rawdoc! { "a.$": 1 }, rawdoc! { "a": [2] }),
    ] {
        assert_eq!(project(projection.clone(), &document).unwrap(), expected, "{projection:?}");
    }
}

#[test]
fn added_fields_take_the_place_of_old_ones() {
    let parse = |value: RawBson| Expression::parse(value.as_raw_bson_ref()).unwrap();
    let fields = [
        (FieldPath::new("a"), parse(bson::rawbson!("$b"))),
        (FieldPath::new("n.x"), parse(bson::rawbson!(1))),
        (FieldPath::new("l.x"), parse(bson::rawbson!(9))),
    ];
    let context = Context::new(DateTime::from_millis(0));
    let projector = Projector::add_fields(&fields, &context).unwrap();
    assert_eq!(
        projector.apply(&rawdoc! { "a": 1, "b": 2, "l": [{ "x": 1 }, 5] }, None).unwrap(),
        rawdoc! { "a": 2, "b": 2, "l": [{ "x": 9 }, { "x": 9 }], "n": { "x": 1 } }
    );
}

#[test]
fn what_cannot_be_done_is_refused() {
    assert_eq!(
        project(rawdoc! { "a": { "$meta": "textScore" } }, &rawdoc! {}).unwrap_err().code(),
        238
    );
    assert_eq!(project(rawdoc! { "a.$": 1 }, &rawdoc! { "a": [1] }).unwrap_err().code(), 51246);
    assert_eq!(
        project(rawdoc! { "a.b": { "$elemMatch": { "c": 1 } } }, &rawdoc! {}).unwrap_err().code(),
        31275
    );
}
