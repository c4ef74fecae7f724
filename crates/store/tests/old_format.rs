//! A directory in the first format opens, answers as before, and is in the present format then.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_store::{
    FORMAT_VERSION, FindOptions, Interrupt, Namespace, Store, StoreOptions, UpdateStatement,
    WriteOptions,
};

mod older;

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
    let indexes = older::turn_back(
        path,
        1,
        |_| {},
        |table, rows| {
            assert!(rows.iter().all(|(_, value)| value >> 48 != 0));
            for (key, value) in rows {
                table.insert(key.as_slice(), value & 0xFFFF_FFFF_FFFF).unwrap();
            }
        },
    );
    assert_eq!(indexes, 3);
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
