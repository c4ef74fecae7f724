//! A directory in the first format opens, answers as before, and is in the present format then.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_store::{
    FORMAT_VERSION, FindOptions, Interrupt, Namespace, Store, StoreOptions, UpdateStatement,
    WriteOptions,
};
use redb::{Database, ReadableTable, TableDefinition, TableHandle};

fn things() -> Namespace {
    Namespace::new("app", "things").unwrap()
}

fn fill(path: &Path) {
    let store = Store::open(path, StoreOptions::default()).unwrap();
    let indexes = [
        rawdoc! {"key": {"a": 1, "b": -1}, "name": "a_b"},
        rawdoc! {"key": {"u": 1}, "name": "u", "unique": true},
    ];
    store.create_indexes(&things(), &indexes, &Interrupt::never()).unwrap();
    let documents =
        (0..50).map(|n| rawdoc! {"_id": n, "a": n % 5, "b": f64::from(n), "u": i64::from(n)});
    store.insert(&things(), documents.collect(), &WriteOptions::default()).unwrap();
}

/// Turns the directory into one of format 1, whose index entries hold a record id only.
fn turn_back(path: &Path) {
    let database = Database::open(path.join("data.redb")).unwrap();
    let writing = database.begin_write().unwrap();
    let names: Vec<String> = writing
        .list_tables()
        .unwrap()
        .map(|table| table.name().to_owned())
        .filter(|name| name.strip_prefix('i').is_some_and(|id| id.parse::<u64>().is_ok()))
        .collect();
    assert_eq!(names.len(), 3);
    for name in names {
        let definition: TableDefinition<'_, &[u8], u64> = TableDefinition::new(&name);
        let mut table = writing.open_table(definition).unwrap();
        let rows: Vec<(Vec<u8>, u64)> = table
            .iter()
            .unwrap()
            .map(|row| row.unwrap())
            .map(|(key, value)| (key.value().to_vec(), value.value()))
            .collect();
        assert!(rows.iter().all(|(_, value)| value >> 48 != 0));
        for (key, value) in rows {
            table.insert(key.as_slice(), value & 0xFFFF_FFFF_FFFF).unwrap();
        }
    }
    let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    writing.open_table(meta).unwrap().insert("format version", 1).unwrap();
    writing.commit().unwrap();
    let marker = path.join("fieldveil.toml");
    let text = std::fs::read_to_string(&marker).unwrap();
    let text = text.replace(&format!("format = {FORMAT_VERSION}"), "format = 1");
    std::fs::write(&marker, text).unwrap();
}

fn found(store: &Store, filter: RawDocumentBuf) -> Vec<RawDocumentBuf> {
    let options = FindOptions {
        filter: Some(filter),
        projection: Some(rawdoc! {"_id": 0, "a": 1, "b": 1}),
        ..FindOptions::default()
    };
    store.find(&things(), options).unwrap().map(|document| document.unwrap()).collect()
}

#[test]
fn the_first_format_is_read_and_renewed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    fill(&path);
    turn_back(&path);
    for _ in 0..2 {
        let store = Store::open(&path, StoreOptions::default()).unwrap();
        let marker = std::fs::read_to_string(path.join("fieldveil.toml")).unwrap();
        assert!(marker.contains(&format!("format = {FORMAT_VERSION}")));
        assert_eq!(store.check(&Interrupt::never()).unwrap(), []);
        assert_eq!(
            found(&store, rawdoc! {"a": 3, "b": {"$lt": 10}}),
            [rawdoc! {"a": 3, "b": 8.0}, rawdoc! {"a": 3, "b": 3.0}]
        );
        // Old entries are found by what a write makes of their documents.
        let update = rawdoc! {"$set": {"b": 3.0}};
        let statement = UpdateStatement::one(rawdoc! {"u": 3}, update);
        let outcome = store.update(&things(), vec![statement], &WriteOptions::default()).unwrap();
        assert!(outcome.errors.is_empty());
    }
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let update = rawdoc! {"$set": {"b": 3}};
    let statement = UpdateStatement::one(rawdoc! {"u": 3}, update);
    store.update(&things(), vec![statement], &WriteOptions::default()).unwrap();
    assert_eq!(found(&store, rawdoc! {"a": 3, "b": 3}), [rawdoc! {"a": 3, "b": 3}]);
    assert_eq!(store.check(&Interrupt::never()).unwrap(), []);
}
