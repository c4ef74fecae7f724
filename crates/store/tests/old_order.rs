//! Indexes whose strings an earlier version ordered otherwise are built anew at opening.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use bson::raw::{RawBson, RawBsonRef};
use bson::{Document, RawDocument, RawDocumentBuf, rawdoc};
use fieldveil_store::{
    ExplainTarget, FORMAT_VERSION, FindOptions, Interrupt, Namespace, Store, StoreOptions,
    Verbosity, WriteOptions,
};
use redb::{Database, ReadableTable, TableDefinition, TableHandle, WriteTransaction};

mod older;

const CATALOG: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("catalog");

fn words() -> Namespace {
    Namespace::new("app", "words").unwrap()
}

fn letters_only() -> RawDocumentBuf {
    rawdoc! {"locale": "de", "strength": 1}
}

fn open(path: &Path) -> Store {
    Store::open(path, StoreOptions::default()).unwrap()
}

/// What is done to a row of the catalog.
type Change = fn(&mut Document);

/// A collection with a collation and one unique index; `words` are ids and values.
fn fill(path: &Path, values: &[&str]) {
    let store = open(path);
    store.create_collection(&words(), &rawdoc! {"collation": letters_only()}).unwrap();
    let simple = rawdoc! {"locale": "simple"};
    let indexes = [
        rawdoc! {"key": {"word": 1}, "name": "word", "unique": true},
        rawdoc! {"key": {"tags": -1, "word": 1}, "name": "tags"},
        rawdoc! {"key": {"n": 1}, "name": "n", "unique": true, "collation": simple},
    ];
    store.create_indexes(&words(), &indexes, &Interrupt::never()).unwrap();
    let documents = values.iter().zip(0..).map(|(word, n)| {
        let tags = [*word, "x"].into_iter().collect::<bson::raw::RawArrayBuf>();
        rawdoc! {"_id": *word, "word": *word, "tags": tags, "n": n}
    });
    let outcome = store.insert(&words(), documents.collect(), &WriteOptions::default()).unwrap();
    assert!(outcome.errors.is_empty());
}

/// Turns a directory into what a version with another order would have left: keys of strings are
/// something else, and `change` is what its catalog said.
fn turn_back(path: &Path, format: u64, change: impl Fn(&mut Document)) {
    let change_catalog = |writing: &WriteTransaction| {
        let mut catalog = writing.open_table(CATALOG).unwrap();
        let row = catalog.get("app.words").unwrap().unwrap().value().to_vec();
        let mut row = Document::try_from(RawDocument::from_bytes(&row).unwrap()).unwrap();
        change(&mut row);
        let row = RawDocumentBuf::try_from(&row).unwrap();
        catalog.insert("app.words", row.as_bytes()).unwrap();
    };
    older::turn_back(path, format, change_catalog, |table, rows| {
        // Only strings, which may lie below an inverted type byte.
        for (mut key, value) in
            rows.into_iter().filter(|(key, _)| matches!(key[0], 0x19 | 0xE6) && key.len() > 4)
        {
            table.remove(key.as_slice()).unwrap();
            key[1] ^= 0x40;
            table.insert(key.as_slice(), value).unwrap();
        }
    });
}

fn each_index(row: &mut Document, change: impl Fn(&mut Document)) {
    for index in row.get_array_mut("indexes").unwrap() {
        change(index.as_document_mut().unwrap());
    }
}

/// Puts a word in the place of one of the same length in all documents.
fn change_word(path: &Path, old: &str, new: &str) {
    assert_eq!(old.len(), new.len());
    let database = Database::open(path.join("data.redb")).unwrap();
    let writing = database.begin_write().unwrap();
    let name = writing
        .list_tables()
        .unwrap()
        .map(|table| table.name().to_owned())
        .find(|name| name.strip_prefix('c').is_some_and(|id| id.parse::<u64>().is_ok()))
        .unwrap();
    {
        let definition: TableDefinition<'_, u64, &[u8]> = TableDefinition::new(&name);
        let mut table = writing.open_table(definition).unwrap();
        let rows: Vec<(u64, Vec<u8>)> = table
            .iter()
            .unwrap()
            .map(|row| row.unwrap())
            .map(|(key, value)| (key.value(), value.value().to_vec()))
            .collect();
        for (id, mut row) in rows {
            for at in 0..row.len() - old.len() {
                if row[at..].starts_with(old.as_bytes()) {
                    row[at..at + new.len()].copy_from_slice(new.as_bytes());
                }
            }
            table.insert(id, row.as_slice()).unwrap();
        }
    }
    writing.commit().unwrap();
}

fn find(store: &Store, filter: RawDocumentBuf) -> Vec<String> {
    let options = FindOptions { filter: Some(filter), ..FindOptions::default() };
    let found = store.find(&words(), options).unwrap();
    found.map(|document| document.unwrap().get_str("word").unwrap().to_owned()).collect()
}

fn uses_index(store: &Store, filter: RawDocumentBuf) -> bool {
    let options = FindOptions { filter: Some(filter), ..FindOptions::default() };
    let target = ExplainTarget::Find(Box::new(options));
    let plan = store.explain(&words(), &target, Verbosity::QueryPlanner).unwrap();
    let plan = Document::try_from(plan).unwrap().to_string();
    plan.contains("IXSCAN") || plan.contains("IDHACK")
}

fn index(store: &Store, name: &str) -> RawDocumentBuf {
    let indexes = store.list_indexes(&words()).unwrap();
    indexes.into_iter().find(|index| index.get_str("name").unwrap() == name).unwrap()
}

#[test]
fn indexes_of_another_order_are_built_anew() {
    let cases: [(u64, Change); 3] = [
        (1, |row| each_index(row, |index| drop(index.remove("order")))),
        (2, |row| each_index(row, |index| drop(index.remove("order")))),
        (FORMAT_VERSION, |row| each_index(row, |index| drop(index.insert("order", 99_i64)))),
    ];
    for (format, change) in cases {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        fill(&path, &["Öl", "zebra", "Äpfel", "straße", "STRASZE"]);
        turn_back(&path, format, change);
        for _ in 0..2 {
            let store = open(&path);
            assert_eq!(store.check(&Interrupt::never()).unwrap(), [], "format {format}");
            for (filter, expected) in [
                (rawdoc! {"word": "STRASSE"}, "straße"),
                (rawdoc! {"_id": "Strasse"}, "straße"),
                (rawdoc! {"word": {"$lt": "b"}}, "Äpfel"),
                (rawdoc! {"tags": "OL"}, "Öl"),
            ] {
                assert!(uses_index(&store, filter.clone()), "{filter:?}");
                assert_eq!(find(&store, filter), [expected]);
            }
            assert_eq!(
                index(&store, "word").get("unique").unwrap(),
                Some(RawBsonRef::Boolean(true))
            );
            let again = vec![rawdoc! {"_id": 1, "word": "strasse", "n": -1}];
            let outcome = store.insert(&words(), again, &WriteOptions::default()).unwrap();
            assert_eq!(outcome.errors[0].error.code(), 11000);
        }
    }
}

/// The earlier order told `ß` and `ss` apart at each strength.
#[test]
fn values_that_have_become_equal_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    fill(&path, &["strasse", "strazze", "weg"]);
    turn_back(&path, 2, |row| each_index(row, |index| drop(index.remove("order"))));
    change_word(&path, "strazze", "straße");
    for _ in 0..2 {
        let store = open(&path);
        assert_eq!(store.check(&Interrupt::never()).unwrap(), []);
        assert_eq!(find(&store, rawdoc! {"word": "Straße"}), ["strasse", "straße"]);
        assert_eq!(find(&store, rawdoc! {"_id": "STRASSE"}), ["strasse", "straße"]);
        assert_eq!(find(&store, rawdoc! {"_id": "weg"}), ["weg"]);
        assert_eq!(index(&store, "word").get("unique").unwrap(), None);
        assert!(index(&store, "word").get("collation").unwrap().is_some());
        assert_eq!(index(&store, "_id_").get("collation").unwrap(), None);
        assert!(uses_index(&store, rawdoc! {"word": "strasse"}));
        let insert = |id: &str| {
            let documents = vec![rawdoc! {"_id": id, "word": "x", "n": RawBson::Null}];
            let outcome = store.insert(&words(), documents, &WriteOptions::default()).unwrap();
            outcome.errors.first().map(|failed| failed.error.code())
        };
        assert_eq!(insert("straße"), Some(11000));
    }
}

#[test]
fn locales_that_only_earlier_versions_knew_are_renamed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    fill(&path, &["Öl", "zebra"]);
    let rename = |owner: &mut Document| {
        if let Ok(collation) = owner.get_document_mut("collation") {
            collation.insert("locale", "de_CH");
        }
    };
    turn_back(&path, 2, |row| {
        rename(row.get_document_mut("options").unwrap());
        each_index(row, |index| {
            index.remove("order");
            rename(index.get_document_mut("spec").unwrap());
        });
    });
    let store = open(&path);
    let shown = index(&store, "word");
    assert_eq!(shown.get_document("collation").unwrap().get_str("locale").unwrap(), "de");
    assert!(uses_index(&store, rawdoc! {"word": "ol"}));
    assert_eq!(find(&store, rawdoc! {"word": "ol"}), ["Öl"]);
}
