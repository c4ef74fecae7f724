//! After random writes, indexes agree with documents, and reading by an index finds and sorts as
//! reading everything does.
#![allow(clippy::unwrap_used, reason = "a test")]

use bson::raw::RawBson;
use bson::{DateTime, RawDocumentBuf, rawdoc};
use fieldveil_query::sort::Sort;
use fieldveil_store::eval::Context;
use fieldveil_store::eval::sort::Sorter;
use fieldveil_store::{
    DeleteStatement, FindOptions, Interrupt, Namespace, Store, UpdateStatement, WriteOptions,
    WriteStatement,
};
use proptest::collection::vec;
use proptest::prelude::*;

#[path = "../../query/tests/generators/mod.rs"]
mod generators;

fn statement() -> impl Strategy<Value = WriteStatement> {
    let insert = generators::document().prop_map(WriteStatement::Insert);
    let update = (generators::filter(), generators::update(), any::<(bool, bool)>()).prop_map(
        |(filter, update, (multi, upsert))| {
            let mut statement = UpdateStatement::one(filter, update);
            (statement.multi, statement.upsert) = (multi, upsert);
            WriteStatement::Update(Box::new(statement))
        },
    );
    let delete = (generators::filter(), any::<bool>()).prop_map(|(filter, only_one)| {
        let statement = DeleteStatement { filter, only_one, hint: None, collation: None };
        WriteStatement::Delete(Box::new(statement))
    });
    prop_oneof![4 => insert, 4 => update, 1 => delete]
}

fn things() -> Namespace {
    Namespace::new("app", "things").unwrap()
}

fn store() -> Store {
    let store = Store::in_memory().unwrap();
    let indexes = [
        rawdoc! {"key": {"a": 1}, "name": "a"},
        rawdoc! {"key": {"b": -1, "a.b": 1}, "name": "b"},
        rawdoc! {"key": {"c": 1}, "name": "c", "unique": true, "sparse": true},
        rawdoc! {"key": {"a.0": -1}, "name": "p", "partialFilterExpression": {"b": {"$gt": 0}}},
    ];
    store.create_indexes(&things(), &indexes, &Interrupt::never()).unwrap();
    store
}

fn read(
    store: &Store,
    filter: &RawDocumentBuf,
    sort: &RawDocumentBuf,
    hint: Option<RawBson>,
) -> Result<Vec<RawDocumentBuf>, i32> {
    let options = FindOptions {
        filter: Some(filter.clone()),
        sort: Some(sort.clone()),
        hint,
        ..FindOptions::default()
    };
    let cursor = store.find(&things(), options).map_err(|error| error.code())?;
    cursor.collect::<Result<_, _>>().map_err(|error| error.code())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn indexes_follow_random_writes(
        writes in vec(vec(statement(), 1..6), 1..6), filters in vec(generators::filter(), 1..4)
    ) {
        let store = store();
        let options = WriteOptions { ordered: false, ..WriteOptions::default() };
        for batch in writes {
            let batch = batch.into_iter().map(|statement| (things(), statement)).collect();
            store.bulk(batch, &options).unwrap();
        }
        prop_assert_eq!(store.check(&Interrupt::never()).unwrap(), []);
        let natural = Some(RawBson::Document(rawdoc! {"$natural": 1}));
        for filter in filters {
            for sort in [rawdoc! {"a": 1}, rawdoc! {"b": -1, "a.b": 1}, rawdoc! {"a": -1}] {
                let chosen = read(&store, &filter, &sort, None);
                let all = read(&store, &filter, &sort, natural.clone());
                // Where a sort fails on some document, an index may be in order without it.
                let (Ok(chosen), Ok(all)) = (chosen, all) else { continue };
                prop_assert_eq!(ids(&chosen), ids(&all), "{:?}", filter);
                let context = Context::new(DateTime::from_millis(0));
                let sorter = Sorter::compile(&Sort::parse(&sort).unwrap(), &context).unwrap();
                for (left, right) in chosen.iter().zip(&all) {
                    let (left, right) = (sorter.key(left).unwrap(), sorter.key(right).unwrap());
                    prop_assert!(sorter.compare(&left, &right).is_eq(), "{:?} {:?}", filter, sort);
                }
            }
        }
    }
}

fn ids(documents: &[RawDocumentBuf]) -> Vec<Vec<u8>> {
    let id = |document: &RawDocumentBuf| {
        let id = RawBson::from(document.get("_id").unwrap().unwrap());
        rawdoc! {"_id": id}.into_bytes()
    };
    let mut ids: Vec<_> = documents.iter().map(id).collect();
    ids.sort();
    ids
}

/// A number in a path is a position, or the name of a field of every element.
#[test]
fn an_index_on_a_position_finds_what_has_nothing_there() {
    let store = Store::in_memory().unwrap();
    let indexes =
        [rawdoc! {"key": {"a.0": 1}, "name": "a"}, rawdoc! {"key": {"a.0.b": 1}, "name": "b"}];
    store.create_indexes(&things(), &indexes, &Interrupt::never()).unwrap();
    let documents = vec![
        rawdoc! {"_id": 1, "a": [{"b": 1}]},
        rawdoc! {"_id": 2, "a": [1, 2]},
        rawdoc! {"_id": 3, "a": []},
        rawdoc! {"_id": 4},
        rawdoc! {"_id": 5, "a": {"0": 5}},
        rawdoc! {"_id": 6, "a": [[{"b": 1}], 3]},
        rawdoc! {"_id": 7, "a": [null]},
        rawdoc! {"_id": 8, "a": [{"c": 1}, {"b": 4}]},
        rawdoc! {"_id": 9, "a": [{"b": null}]},
        rawdoc! {"_id": 10, "a": [{"b": [1, 2]}]},
    ];
    let outcome = store.insert(&things(), documents, &WriteOptions::default()).unwrap();
    assert_eq!(outcome.inserted, 10);
    let mut found_by_null = 0;
    for value in [
        RawBson::Null,
        RawBson::Int32(1),
        rawdoc! {"b": 1}.into(),
        rawdoc! {"$in": [null, 1]}.into(),
        rawdoc! {"$lte": null}.into(),
        rawdoc! {"$ne": null}.into(),
        rawdoc! {"$exists": false}.into(),
        rawdoc! {"$exists": true}.into(),
        rawdoc! {"$not": {"$gt": 1}}.into(),
        rawdoc! {"$gte": 1}.into(),
    ] {
        let filters = [rawdoc! {"a.0": value.clone()}, rawdoc! {"a.0.b": value.clone()}];
        for (filter, name) in filters.iter().zip(["a", "b"]) {
            let sort = rawdoc! {"_id": 1};
            let by_scan = read(&store, filter, &sort, Some(rawdoc! {"$natural": 1}.into()));
            for hint in [None, Some(RawBson::String(name.to_owned()))] {
                assert_eq!(read(&store, filter, &sort, hint), by_scan, "{filter:?}");
            }
            if value == RawBson::Null {
                found_by_null += by_scan.unwrap().len();
            }
        }
    }
    assert_eq!(found_by_null, 12);
}

/// Names that are positions, and those that only look like it.
const NUMBERS: &[&str] = &["0", "1", "00", "01", "+0", "-0", "9999999999", "99999999999", "b"];

/// What may stand at `a`, with such names in it.
fn numbered() -> impl Strategy<Value = RawBson> {
    let leaf = prop_oneof![Just(RawBson::Int32(1)), Just(RawBson::Int32(2)), Just(RawBson::Null)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let field = (proptest::sample::select(NUMBERS), inner.clone());
        let document = vec(field, 0..3).prop_map(|fields| {
            let fields: std::collections::BTreeMap<_, _> = fields.into_iter().collect();
            let mut document = RawDocumentBuf::new();
            for (name, value) in fields {
                document.append(bson::raw::CString::try_from(name).unwrap(), value);
            }
            RawBson::Document(document)
        });
        let array =
            vec(inner, 0..3).prop_map(|elements| RawBson::Array(elements.into_iter().collect()));
        prop_oneof![document, array]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// What one side takes for a position, all sides do.
    #[test]
    fn indexes_and_scans_agree_on_what_is_a_position(values in vec(numbered(), 1..12)) {
        let documents: Vec<_> =
            (0_i32..).zip(values).map(|(id, value)| rawdoc! {"_id": id, "a": value}).collect();
        let paths = NUMBERS.iter().flat_map(|name| [format!("a.{name}"), format!("a.{name}.b")]);
        for path in paths {
            let path = bson::raw::CString::try_from(path).unwrap();
            let with = |value: RawBson| {
                let mut document = RawDocumentBuf::new();
                document.append(&path, value);
                document
            };
            let store = Store::in_memory().unwrap();
            let index = rawdoc! {"key": with(RawBson::Int32(1)), "name": "i"};
            store.create_indexes(&things(), &[index], &Interrupt::never()).unwrap();
            // Some are ambiguous and refused.
            let unordered = WriteOptions { ordered: false, ..WriteOptions::default() };
            store.insert(&things(), documents.clone(), &unordered).unwrap();
            for wanted in [
                RawBson::Null,
                RawBson::Int32(1),
                rawdoc! {"$gte": 1}.into(),
                rawdoc! {"$ne": 1}.into(),
                rawdoc! {"$exists": true}.into(),
                rawdoc! {"$elemMatch": {"$gte": 1}}.into(),
            ] {
                let (filter, sort) = (with(wanted), rawdoc! {"_id": 1});
                let by_scan = read(&store, &filter, &sort, Some(rawdoc! {"$natural": 1}.into()));
                for hint in [None, Some(RawBson::String("i".to_owned()))] {
                    prop_assert_eq!(&read(&store, &filter, &sort, hint), &by_scan, "{:?}", &filter);
                }
            }
        }
    }
}

/// Where a name of a path is empty, no index can be made, and a filter looks for that name.
#[test]
fn an_empty_name_is_no_position() {
    let store = Store::in_memory().unwrap();
    for key in [rawdoc! {"a.": 1}, rawdoc! {"a..b": 1}] {
        let index = rawdoc! {"key": key, "name": "i"};
        assert!(store.create_indexes(&things(), &[index], &Interrupt::never()).is_err());
    }
    let documents = vec![
        rawdoc! {"_id": 1, "a": [{"": 1}]},
        rawdoc! {"_id": 2, "a": {"": {"b": 1}}},
        rawdoc! {"_id": 3, "a": [1]},
    ];
    store.insert(&things(), documents, &WriteOptions::default()).unwrap();
    for (filter, id) in [(rawdoc! {"a.": 1}, 1), (rawdoc! {"a..b": 1}, 2)] {
        let found = read(&store, &filter, &rawdoc! {"_id": 1}, None).unwrap();
        assert_eq!(found.iter().map(|it| it.get_i32("_id").unwrap()).collect::<Vec<_>>(), [id]);
    }
}
