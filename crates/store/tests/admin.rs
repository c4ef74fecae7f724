//! Changing, renaming, measuring and checking collections.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bson::{DateTime, RawDocumentBuf, rawdoc};
use fieldveil_store::{
    Code, FindOptions, Interrupt, Namespace, Store, UpdateStatement, WriteOptions,
};

fn namespace(name: &str) -> Namespace {
    Namespace::new("app", name).unwrap()
}

fn insert(store: &Store, name: &str, documents: Vec<RawDocumentBuf>) {
    let outcome = store.insert(&namespace(name), documents, &WriteOptions::default()).unwrap();
    assert!(outcome.errors.is_empty(), "{outcome:?}");
}

fn ids(store: &Store, name: &str) -> Vec<i32> {
    let cursor = store.find(&namespace(name), FindOptions::default()).unwrap();
    cursor.map(|found| found.unwrap().get_i32("_id").unwrap()).collect()
}

#[test]
fn rename_keeps_documents_and_indexes() {
    let store = Store::in_memory().unwrap();
    insert(&store, "a", vec![rawdoc! {"_id": 1, "x": 1}]);
    insert(&store, "b", vec![rawdoc! {"_id": 2}]);
    let index = rawdoc! {"key": {"x": 1}, "name": "x_1"};
    store.create_indexes(&namespace("a"), &[index], &Interrupt::never()).unwrap();
    let rename = |from, to, drop| store.rename_collection(&namespace(from), &namespace(to), drop);
    assert!(rename("a", "b", false).unwrap_err().is(Code::NAMESPACE_EXISTS));
    assert!(rename("x", "y", false).unwrap_err().is(Code::NAMESPACE_NOT_FOUND));
    assert!(rename("a", "a", false).unwrap_err().is(Code::ILLEGAL_OPERATION));
    rename("a", "b", true).unwrap();
    assert_eq!(ids(&store, "b"), [1]);
    assert_eq!(store.list_indexes(&namespace("b")).unwrap().len(), 2);
    assert_eq!(store.list_collections("app").len(), 1);
    assert!(store.check(&Interrupt::never()).unwrap().is_empty());
}

#[test]
fn validators_and_indexes_are_modified() {
    let store = Store::in_memory().unwrap();
    insert(&store, "a", vec![rawdoc! {"_id": 1, "at": 1}]);
    let index = rawdoc! {"key": {"at": 1}, "name": "at_1", "expireAfterSeconds": 10};
    store.create_indexes(&namespace("a"), &[index], &Interrupt::never()).unwrap();
    let modify = |changes: RawDocumentBuf| store.modify_collection(&namespace("a"), &changes);
    let reply =
        modify(rawdoc! {"index": {"keyPattern": {"at": 1}, "expireAfterSeconds": 20}}).unwrap();
    let expected = rawdoc! {"expireAfterSeconds_old": 10_i64, "expireAfterSeconds_new": 20};
    assert_eq!(reply, expected);
    let reply = modify(rawdoc! {"index": {"name": "at_1", "hidden": true}}).unwrap();
    assert_eq!(reply, rawdoc! {"hidden_old": false, "hidden_new": true});
    modify(rawdoc! {"validator": {"at": {"$exists": true}}}).unwrap();
    let refused =
        store.insert(&namespace("a"), vec![rawdoc! {"_id": 2}], &WriteOptions::default()).unwrap();
    assert!(refused.errors[0].error.is(Code::DOCUMENT_VALIDATION_FAILURE));
    modify(rawdoc! {"validator": {}}).unwrap();
    insert(&store, "a", vec![rawdoc! {"_id": 2}]);
    assert_eq!(modify(rawdoc! {"what": 1}).unwrap_err().code(), 40415);
    let missing = store.modify_collection(&namespace("x"), &rawdoc! {});
    assert!(missing.unwrap_err().is(Code::NAMESPACE_NOT_FOUND));
}

#[test]
fn expired_documents_are_removed() {
    let store = Store::in_memory().unwrap();
    let at = |millis| DateTime::from_millis(millis);
    let index = rawdoc! {"key": {"at": 1}, "name": "at_1", "expireAfterSeconds": 10};
    store.create_indexes(&namespace("a"), &[index], &Interrupt::never()).unwrap();
    insert(
        &store,
        "a",
        vec![
            rawdoc! {"_id": 1, "at": at(1_000)},
            rawdoc! {"_id": 2, "at": at(5_000)},
            rawdoc! {"_id": 3, "at": [at(90_000), at(2_000)]},
            rawdoc! {"_id": 4, "at": "never"},
            rawdoc! {"_id": 5},
        ],
    );
    assert_eq!(store.expire(12_000, &Interrupt::never()).unwrap(), 2);
    assert_eq!(ids(&store, "a"), [2, 4, 5]);
}

#[test]
fn sizes_are_kept() {
    let store = Store::in_memory().unwrap();
    let document = rawdoc! {"_id": 1, "text": "abc"};
    let bytes = u64::try_from(document.as_bytes().len()).unwrap();
    insert(&store, "a", vec![document, rawdoc! {"_id": 2, "text": "abc"}]);
    let stats = store.collection_stats(&namespace("a")).unwrap();
    assert_eq!((stats.documents, stats.data_bytes), (2, 2 * bytes));
    let grow = UpdateStatement::one(rawdoc! {"_id": 1}, rawdoc! {"$set": {"text": "abcdef"}});
    store.update(&namespace("a"), vec![grow], &WriteOptions::default()).unwrap();
    let stats = store.database_stats("app").unwrap();
    assert_eq!((stats.documents, stats.data_bytes, stats.indexes), (2, 2 * bytes + 3, 1));
}

#[test]
fn check_counts_documents_and_entries() {
    let store = Store::in_memory().unwrap();
    insert(&store, "a", vec![rawdoc! {"_id": 1, "x": [1, 2, 3]}, rawdoc! {"_id": 2}]);
    let index = rawdoc! {"key": {"x": 1}, "name": "x_1"};
    store.create_indexes(&namespace("a"), &[index], &Interrupt::never()).unwrap();
    let report = store.check_collection(&namespace("a"), &Interrupt::never()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.documents, 2);
    assert_eq!(report.indexes, [("_id_".to_owned(), 2), ("x_1".to_owned(), 4)]);
}

#[test]
fn options_of_a_collection_are_listed_as_given() {
    let store = Store::in_memory().unwrap();
    let options = rawdoc! {
        "capped": 1, "size": 500, "max": 5, "storageEngine": {"wiredTiger": {}},
        "indexOptionDefaults": {"storageEngine": {"wiredTiger": {}}},
    };
    store.create_collection(&namespace("a"), &options).unwrap();
    let info = store.collection_info(&namespace("a")).unwrap();
    let expected = rawdoc! {
        "capped": true, "size": 512_i64, "max": 5_i64, "storageEngine": {"wiredTiger": {}},
        "indexOptionDefaults": {"storageEngine": {"wiredTiger": {}}},
    };
    assert_eq!(info.get_document("options").unwrap(), &*expected);
    let wrong = store.create_collection(&namespace("b"), &rawdoc! {"storageEngine": 1});
    assert!(wrong.unwrap_err().is(Code::TYPE_MISMATCH));
}

#[test]
fn views_are_checked_when_they_are_made() {
    let store = Store::in_memory().unwrap();
    let create =
        |name: &str, options: RawDocumentBuf| store.create_collection(&namespace(name), &options);
    create("v", rawdoc! {"viewOn": "a", "pipeline": [{"$match": {"x": 1}}]}).unwrap();
    assert_eq!(
        create("w", rawdoc! {"viewOn": "a", "pipeline": [{"$no": 1}]}).unwrap_err().code(),
        40324
    );
    assert_eq!(create("x", rawdoc! {"viewOn": "x"}).unwrap_err().code(), 5);
    let write = store.insert(&namespace("v"), vec![rawdoc! {}], &WriteOptions::default()).unwrap();
    assert!(write.errors[0].error.is(Code::COMMAND_NOT_SUPPORTED_ON_VIEW));
    assert_eq!(store.list_collections("app")[0].get_str("type").unwrap(), "view");
}
