//! Under any collation, reading by an index finds and sorts as reading everything does.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;

use bson::raw::{RawArrayBuf, RawBson, RawDocumentBuf};
use bson::rawdoc;
use fieldveil_query::collation::Collation;
use fieldveil_store::{
    AggregateOptions, DistinctOptions, FindOptions, Interrupt, Namespace, Store, WriteOptions,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const LOCALES: &[&str] = &[
    "en",
    "sv",
    "da",
    "es",
    "de@collation=phonebook",
    "cs",
    "hu",
    "tr",
    "ja",
    "th",
    "fr_CA",
    "zh",
];

const TEXTS: &[&str] = &[
    "", "a", "A", "á", "aa", "å", "Å", "ä", "ae", "æ", "b", "ch", "c", "cz", "cote", "coté",
    "côte", "d", "i", "I", "ı", "İ", "n", "ñ", "o", "ö", "ss", "ß", "z", "a-b", "ab", "a b", "a2",
    "a10", "あ", "ア", "中", "กา", "เก", "é", "e\u{301}", "a\u{0}",
];

fn collation() -> impl Strategy<Value = RawDocumentBuf> {
    (select(LOCALES), 1..=5_i32, any::<(bool, bool, bool)>()).prop_map(
        |(locale, strength, (case_level, numeric, shifted))| {
            rawdoc! {
                "locale": locale, "strength": strength, "caseLevel": case_level,
                "numericOrdering": numeric,
                "alternate": if shifted { "shifted" } else { "non-ignorable" },
            }
        },
    )
}

fn text() -> impl Strategy<Value = String> {
    select(TEXTS).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = RawBson> {
    prop_oneof![
        6 => text().prop_map(RawBson::String),
        1 => (0..3).prop_map(RawBson::Int32),
        1 => Just(RawBson::Null),
        1 => text().prop_map(|text| rawdoc! {"b": text}.into()),
        1 => vec(text(), 0..3).prop_map(|texts| texts.into_iter().collect::<RawArrayBuf>().into()),
    ]
}

fn condition() -> impl Strategy<Value = RawBson> {
    let operator = select(&["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"][..]);
    let of = |operator: &str, value: RawBson| {
        let mut condition = bson::Document::new();
        condition.insert(operator, bson::Bson::try_from(value).unwrap());
        RawBson::Document(RawDocumentBuf::try_from(&condition).unwrap())
    };
    let list = vec(value(), 1..4).prop_map(|values| values.into_iter().collect::<RawArrayBuf>());
    prop_oneof![
        2 => value(),
        4 => (operator, value()).prop_map(move |(operator, value)| of(operator, value)),
        1 => (text(), text()).prop_map(|(l, r)| rawdoc! {"$gte": l, "$lt": r}.into()),
        2 => (list, any::<bool>()).prop_map(|(list, is_in)| match is_in {
            true => rawdoc! {"$in": list}.into(),
            false => rawdoc! {"$nin": list}.into(),
        }),
        1 => select(&["^a", "^c", "b$"][..]).prop_map(|p| rawdoc! {"$regex": p}.into()),
    ]
}

fn things() -> Namespace {
    Namespace::new("app", "things").unwrap()
}

fn find(
    store: &Store,
    filter: &RawDocumentBuf,
    sort: &RawDocumentBuf,
    natural: bool,
) -> Vec<RawDocumentBuf> {
    let options = FindOptions {
        filter: Some(filter.clone()),
        sort: Some(sort.clone()),
        hint: natural.then(|| RawBson::Document(rawdoc! {"$natural": 1})),
        ..FindOptions::default()
    };
    store.find(&things(), options).unwrap().collect::<Result<_, _>>().unwrap()
}

fn ids(documents: &[RawDocumentBuf]) -> BTreeSet<i32> {
    documents.iter().map(|document| document.get_i32("_id").unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn indexes_find_what_reading_everything_finds(
        collation in collation(),
        values in vec((value(), text()), 1..25),
        conditions in vec((condition(), condition()), 1..8),
    ) {
        let store = Store::in_memory().unwrap();
        store.create_collection(&things(), &rawdoc! {"collation": collation.clone()}).unwrap();
        let indexes = [
            rawdoc! {"key": {"a": 1}, "name": "a"},
            rawdoc! {"key": {"b": -1, "a": 1}, "name": "b"},
            rawdoc! {"key": {"a": -1}, "name": "p", "partialFilterExpression": {"b": {"$gt": "b"}}},
            rawdoc! {"key": {"b": 1}, "name": "s", "collation": {"locale": "simple"}},
        ];
        store.create_indexes(&things(), &indexes, &Interrupt::never()).unwrap();
        let documents = values.iter().zip(0..).map(|((a, b), id)| {
            let mut document = rawdoc! {"_id": id, "b": b.as_str()};
            document.append(bson::raw::cstr!("a"), a.clone());
            document
        });
        store.insert(&things(), documents.collect(), &WriteOptions::default()).unwrap();
        prop_assert_eq!(store.check(&Interrupt::never()).unwrap(), []);
        let order = Collation::parse(&collation).unwrap().unwrap();
        for (a, b) in conditions {
            for filter in [rawdoc! {"a": a.clone()}, rawdoc! {"b": b.clone()}, rawdoc! {"a": a, "b": b}] {
                let chosen = find(&store, &filter, &rawdoc! {"b": -1}, false);
                let all = find(&store, &filter, &rawdoc! {"b": -1}, true);
                prop_assert_eq!(ids(&chosen), ids(&all), "{:?}", filter);
                for pair in chosen.windows(2) {
                    let (left, right) = (pair[0].get_str("b").unwrap(), pair[1].get_str("b").unwrap());
                    prop_assert!(order.compare(left, right).is_ge(), "{:?}", filter);
                }
            }
        }
        let mut texts: Vec<&str> = values.iter().map(|(_, b)| b.as_str()).collect();
        texts.sort_by(|left, right| order.compare(left, right));
        texts.dedup_by(|left, right| order.compare(left, right).is_eq());
        let distinct = store.distinct(&things(), "b", DistinctOptions::default()).unwrap();
        prop_assert_eq!(distinct.into_iter().count(), texts.len());
        let mut pipeline = RawArrayBuf::new();
        pipeline.push(rawdoc! {"$group": {"_id": "$b"}});
        let groups =
            store.aggregate("app", Some("things"), &pipeline, AggregateOptions::default()).unwrap();
        prop_assert_eq!(groups.count(), texts.len());
    }
}
