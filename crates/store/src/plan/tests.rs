//! An index scan finds what reading everything finds.

use bson::raw::{RawBson, RawDocumentBuf};
use bson::spec::BinarySubtype;
use bson::{Bson, Document, doc, rawdoc};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::code::Code;
use crate::{FindOptions, Interrupt, Namespace, Store, Take, WriteOptions};

fn scalar() -> impl Strategy<Value = Bson> {
    prop_oneof![
        2 => Just(Bson::Null),
        10 => (0..4_i32).prop_map(Bson::Int32),
        1 => (0..4_i64).prop_map(Bson::Int64),
        1 => Just(Bson::Double(1.5)),
        1 => Just(Bson::Double(f64::NAN)),
        1 => Just(Bson::Decimal128("2".parse().unwrap())),
        3 => "[ab]{0,2}".prop_map(Bson::String),
        1 => any::<bool>().prop_map(Bson::Boolean),
        1 => Just(Bson::MinKey),
        1 => Just(Bson::MaxKey),
        1 => Just(Bson::DateTime(bson::DateTime::from_millis(5))),
        1 => binary(),
    ]
}

/// The old kind too, whose length counts otherwise.
fn binary() -> impl Strategy<Value = Bson> {
    let subtype = proptest::sample::select(vec![
        BinarySubtype::Generic,
        BinarySubtype::BinaryOld,
        BinarySubtype::Uuid,
    ]);
    (subtype, vec(0..2_u8, 0..6))
        .prop_map(|(subtype, bytes)| Bson::Binary(bson::Binary { subtype, bytes }))
}

fn value() -> impl Strategy<Value = Bson> {
    scalar().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            2 => vec(inner.clone(), 0..3).prop_map(Bson::Array),
            1 => vec((field(), inner), 0..3)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}

/// What fields hold and operators compare with: more often something that can meet.
fn common() -> impl Strategy<Value = Bson> {
    prop_oneof![
        4 => scalar(),
        2 => vec(scalar(), 1..4).prop_map(Bson::Array),
        1 => vec((field(), scalar()), 1..3)
            .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        1 => value(),
    ]
}

fn operand() -> impl Strategy<Value = Bson> {
    prop_oneof![5 => scalar(), 1 => value()]
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("a"), 3 => Just("b"), 1 => Just("c"), 1 => Just("d")]
        .prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just("a"),
        4 => Just("b"),
        2 => Just("c.d"),
        2 => Just("a.b"),
        1 => Just("a.0"),
    ]
    .prop_map(str::to_owned)
}

fn document() -> impl Strategy<Value = Document> {
    vec((field(), common()), 1..4).prop_map(|fields| fields.into_iter().collect())
}

fn predicate() -> impl Strategy<Value = Bson> {
    let one = |operator: &'static str| {
        operand().prop_map(move |value| Bson::Document(doc! {operator: value}))
    };
    prop_oneof![
        3 => operand(),
        1 => one("$eq"),
        1 => one("$ne"),
        1 => one("$gt"),
        1 => one("$gte"),
        1 => one("$lt"),
        1 => one("$lte"),
        1 => vec(operand(), 0..3).prop_map(|values| Bson::Document(doc! {"$in": values})),
        1 => vec(operand(), 0..3).prop_map(|values| Bson::Document(doc! {"$nin": values})),
        1 => vec(operand(), 0..3).prop_map(|values| Bson::Document(doc! {"$all": values})),
        1 => any::<bool>().prop_map(|flag| Bson::Document(doc! {"$exists": flag})),
        3 => (scalar(), scalar())
            .prop_map(|(low, high)| Bson::Document(doc! {"$gte": low, "$lt": high})),
        3 => (scalar(), scalar()).prop_map(|(low, high)| {
            Bson::Document(doc! {"$elemMatch": {"$gte": low, "$lte": high}})
        }),
        1 => (field(), operand())
            .prop_map(|(field, value)| Bson::Document(doc! {"$elemMatch": {field: value}})),
        1 => Just(Bson::Document(doc! {"$regex": "^a"})),
        1 => Just(Bson::Document(doc! {"$mod": [2, 1]})),
        1 => Just(Bson::Document(doc! {"$type": "string"})),
    ]
}

fn filter() -> impl Strategy<Value = Document> {
    let fields = || {
        vec((path(), predicate()), 0..3).prop_map(|fields| fields.into_iter().collect::<Document>())
    };
    prop_oneof![
        3 => fields(),
        1 => vec(fields(), 1..3).prop_map(|branches| doc! {"$or": branches}),
        1 => (fields(), vec(fields(), 1..3)).prop_map(|(mut all, branches)| {
            all.insert("$or", branches);
            all
        }),
    ]
}

fn indexes() -> Vec<RawDocumentBuf> {
    [
        (rawdoc! {"a": 1}, rawdoc! {}),
        (rawdoc! {"b": -1}, rawdoc! {}),
        (rawdoc! {"a": -1, "b": 1}, rawdoc! {}),
        (rawdoc! {"c.d": 1, "b": -1}, rawdoc! {}),
        (rawdoc! {"a.b": 1}, rawdoc! {}),
        (rawdoc! {"a.0": 1}, rawdoc! {}),
        (rawdoc! {"b": 1}, rawdoc! {"sparse": true}),
        (rawdoc! {"c.d": -1}, rawdoc! {"partialFilterExpression": {"a": {"$gte": 1}}}),
        (rawdoc! {"b": 1, "a": 1}, rawdoc! {"partialFilterExpression": {"b": {"$exists": true}}}),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, (key, options))| {
        let mut spec = rawdoc! {"key": key, "name": format!("index {number}")};
        for option in options.iter() {
            let (name, value) = option.unwrap();
            spec.append(name, value);
        }
        spec
    })
    .collect()
}

fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap()
}

fn ids(store: &Store, namespace: &Namespace, options: FindOptions) -> Result<Vec<i32>, String> {
    let cursor = store.find(namespace, options).map_err(|error| error.to_string())?;
    let mut ids: Vec<i32> =
        cursor.map(|document| document.unwrap().get_i32("_id").unwrap()).collect();
    ids.sort_unstable();
    Ok(ids)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_finds_the_same(
        documents in vec(document(), 1..20),
        filters in vec(filter(), 1..12),
    ) {
        let store = Store::in_memory().unwrap();
        let namespace = Namespace::new("test", "random").unwrap();
        store.create_indexes(&namespace, &indexes(), &Interrupt::never()).unwrap();
        let unordered = WriteOptions { ordered: false, ..WriteOptions::default() };
        let documents = documents
            .iter()
            .enumerate()
            .map(|(id, document)| {
                let mut with_id = doc! {"_id": i32::try_from(id).unwrap()};
                with_id.extend(document.clone());
                raw(&with_id)
            })
            .collect();
        // Some have parallel arrays and are refused.
        store.insert(&namespace, documents, &unordered).unwrap();

        for filter in filters {
            let with = |hint: Option<RawBson>| FindOptions {
                filter: Some(raw(&filter)),
                hint,
                ..FindOptions::default()
            };
            let natural = RawBson::Document(rawdoc! {"$natural": 1});
            let Ok(expected) = ids(&store, &namespace, with(Some(natural))) else { continue };
            prop_assert_eq!(
                &ids(&store, &namespace, with(None)).unwrap(), &expected, "chosen: {}", filter
            );
            for number in [0, 1, 2, 3, 4, 5, 7, 8] {
                let name = format!("index {number}");
                // A partial index may not be fit for the filter.
                if let Ok(found) = ids(&store, &namespace, with(Some(RawBson::String(name)))) {
                    prop_assert_eq!(&found, &expected, "index {}: {}", number, filter);
                }
            }
        }
    }

    #[test]
    fn index_keys_ascend_in_bson_order(
        (left, right) in prop_oneof![3 => (value(), value()).boxed(), 1 => (binary(), binary()).boxed()],
    ) {
        let document = raw(&doc! {"l": left, "r": right});
        let left = document.get("l").unwrap().unwrap();
        let right = document.get("r").unwrap().unwrap();
        let keys = [left, right].map(|value| crate::index_key::encoded(value, None).unwrap());
        let expected = fieldveil_query::value::compare(left, right);
        prop_assert_eq!(keys[0].cmp(&keys[1]), expected);
        let inverted = keys.map(|mut key| {
            crate::index_key::invert(&mut key);
            key
        });
        prop_assert_eq!(inverted[0].cmp(&inverted[1]), expected.reverse());
    }
}

#[test]
fn ranges_over_arrays_are_not_intersected() {
    let store = Store::in_memory().unwrap();
    let namespace = Namespace::new("test", "arrays").unwrap();
    let specs = [rawdoc! {"key": {"a": 1}, "name": "a_1"}];
    store.create_indexes(&namespace, &specs, &Interrupt::never()).unwrap();
    let documents = vec![rawdoc! {"_id": 1, "a": [1, 5]}];
    store.insert(&namespace, documents, &WriteOptions::default()).unwrap();
    let filter = Some(rawdoc! {"a": {"$gt": 2, "$lt": 4}});
    let options =
        FindOptions { filter, hint: Some(RawBson::String("a_1".into())), ..FindOptions::default() };
    assert_eq!(ids(&store, &namespace, options).unwrap(), [1]);
}

/// Old binary data whose second length is wrong, or not there, is refused wherever it comes in.
#[test]
fn old_binary_data_with_a_wrong_length_is_refused() {
    let store = Store::in_memory().unwrap();
    let namespace = Namespace::new("test", "old").unwrap();
    let specs = [rawdoc! {"key": {"a": 1}, "name": "a_1"}];
    store.create_indexes(&namespace, &specs, &Interrupt::never()).unwrap();
    let invalid = |code: i32| assert_eq!(code, Code::INVALID_BSON.number());
    for data in [&[0_u8, 0, 0, 0, 9][..], &[9, 0, 0, 0, 9], &[0xFF; 8], &[1, 0], &[]] {
        let document = with_old_binary(data);
        let outcome =
            store.insert(&namespace, vec![document.clone()], &WriteOptions::default()).unwrap();
        assert_eq!(outcome.inserted, 0);
        invalid(outcome.errors.first().unwrap().error.code());
        let options = FindOptions { filter: Some(document), ..FindOptions::default() };
        assert!(ids(&store, &namespace, options).is_err());
    }
    let document = with_old_binary(&[1, 0, 0, 0, 9]);
    assert_eq!(document.get_binary("a").unwrap().bytes, [9]);
    store.insert(&namespace, vec![document], &WriteOptions::default()).unwrap();
}

/// `{a: <binary>}` of subtype 2.
fn with_old_binary(data: &[u8]) -> RawDocumentBuf {
    let length = u8::try_from(data.len()).unwrap();
    let mut bytes = vec![0, 0, 0, 0, 5, b'a', 0, length, 0, 0, 0, 2];
    bytes.extend_from_slice(data);
    bytes.push(0);
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    RawDocumentBuf::from_bytes(bytes).unwrap()
}

#[test]
fn a_scan_that_stops_goes_on_where_it_was() {
    let store = Store::in_memory().unwrap();
    let namespace = Namespace::new("test", "stops").unwrap();
    store.create_indexes(&namespace, &indexes(), &Interrupt::never()).unwrap();
    let documents = (0..60).map(|n| match n % 7 {
        0 => rawdoc! {"_id": n, "a": [n % 5, n % 3], "b": n % 4},
        _ => rawdoc! {"_id": n, "a": n % 5, "b": n % 4},
    });
    let documents = documents.collect();
    store.insert(&namespace, documents, &WriteOptions::default()).unwrap();
    for (filter, sort) in [
        (rawdoc! {"b": {"$in": [3, 1]}}, rawdoc! {}),
        (rawdoc! {"b": {"$gte": 1}}, rawdoc! {"b": 1}),
        (rawdoc! {"b": {"$gte": 1}}, rawdoc! {"b": -1}),
        (rawdoc! {"a": {"$lte": 3}}, rawdoc! {}),
        (rawdoc! {"$or": [{"a": 1}, {"b": 2}]}, rawdoc! {}),
        (rawdoc! {"_id": 5}, rawdoc! {}),
        (rawdoc! {}, rawdoc! {}),
    ] {
        let find = || {
            let (filter, sort) = (Some(filter.clone()), Some(sort.clone()));
            let options = FindOptions { filter, sort, ..FindOptions::default() };
            store.find(&namespace, options).unwrap()
        };
        let expected: Vec<RawDocumentBuf> = find().map(Result::unwrap).collect();
        for at_once in 1..5 {
            let (mut cursor, mut found, mut turn) = (find(), Vec::new(), 0);
            loop {
                turn += 1;
                let mut left = at_once;
                let is_over = cursor.each(|document| {
                    // Every other time, the one too many is refused instead.
                    if left == 0 {
                        return Take::Not;
                    }
                    left -= 1;
                    found.push(document.to_owned());
                    if left == 0 && turn % 2 == 0 { Take::Enough } else { Take::More }
                });
                if is_over.unwrap() {
                    break;
                }
                if turn % 5 == 0 {
                    found.extend(cursor.next().map(Result::unwrap));
                }
            }
            assert_eq!(found, expected, "{filter:?} {sort:?} {at_once}");
        }
    }
}
