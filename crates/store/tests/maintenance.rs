//! Dump, restore and compact.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_store::{
    CopyError, CopyReport, DeleteStatement, FindOptions, Interrupt, Namespace, Store, StoreOptions,
    WriteOptions, compact,
};

fn namespace(name: &str) -> Namespace {
    Namespace::new("app", name).unwrap()
}

fn insert(store: &Store, namespace: &Namespace, documents: Vec<RawDocumentBuf>) {
    let outcome = store.insert(namespace, documents, &WriteOptions::default()).unwrap();
    assert!(outcome.errors.is_empty());
}

fn all(store: &Store, namespace: &Namespace) -> Vec<RawDocumentBuf> {
    store.find(namespace, FindOptions::default()).unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_was_dumped_is_restored() {
    let directory = tempfile::tempdir().unwrap();
    let dump = directory.path().join("dump");
    let store = Store::in_memory().unwrap();
    let people = namespace("odd/name%");
    let options = rawdoc! {"validator": {"n": {"$gte": 0}}, "validationAction": "warn"};
    store.create_collection(&people, &options).unwrap();
    insert(&store, &people, (0..2500).map(|n| rawdoc! {"_id": n, "n": i64::from(n)}).collect());
    let index = rawdoc! {"key": {"n": -1, "a": 1}, "name": "n", "partialFilterExpression": {"n": {"$gt": 5}}};
    store.create_indexes(&people, &[index], &Interrupt::never()).unwrap();
    store
        .create_collection(&namespace("view"), &rawdoc! {"viewOn": "odd/name%", "pipeline": []})
        .unwrap();
    assert_eq!(store.dump(&dump).unwrap(), CopyReport { collections: 2, documents: 2500 });
    assert!(matches!(store.dump(&dump), Err(CopyError::NotEmpty(_))));
    assert!(dump.join("app").join("odd%2Fname%25.bson").exists());

    let copy = Store::in_memory().unwrap();
    assert_eq!(copy.restore(&dump, false).unwrap().documents, 2500);
    assert_eq!(all(&copy, &people), all(&store, &people));
    assert_eq!(copy.list_indexes(&people).unwrap(), store.list_indexes(&people).unwrap());
    let info = copy.collection_info(&people).unwrap();
    assert_eq!(info.get_document("options").unwrap().to_owned(), options);
    assert!(copy.check(&Interrupt::never()).unwrap().is_empty());
    // A second time the documents are there already.
    assert!(matches!(copy.restore(&dump, false), Err(CopyError::Store { .. })));
    assert_eq!(copy.restore(&dump, true).unwrap().documents, 2500);
}

#[test]
fn files_that_are_no_dump_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::in_memory().unwrap();
    assert!(matches!(store.restore(directory.path(), false), Err(CopyError::NothingThere(_))));
    let database = directory.path().join("app");
    std::fs::create_dir(&database).unwrap();
    for bad in [&b"hello"[..], &[200, 0, 0, 0, 1], &[0, 0]] {
        std::fs::write(database.join("c.bson"), bad).unwrap();
        let error = store.restore(directory.path(), true).unwrap_err();
        assert!(matches!(error, CopyError::Invalid { .. }), "{error}");
    }
}

#[test]
fn compacting_gives_space_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
    let things = namespace("things");
    insert(&store, &things, (0..5000).map(|n| rawdoc! {"_id": n, "t": "x".repeat(1000)}).collect());
    let filter = rawdoc! {"_id": {"$gte": 10}};
    let delete = DeleteStatement { filter, only_one: false, hint: None, collation: None };
    store.delete(&things, vec![delete], &WriteOptions::default()).unwrap();
    drop(store);
    let report = compact(directory.path()).unwrap();
    assert!(report.after * 2 < report.before, "{report:?}");
    let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
    assert_eq!(all(&store, &things).len(), 10);
}
