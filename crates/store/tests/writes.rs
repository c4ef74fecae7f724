//! Updates, deletes and `findAndModify` from outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bson::raw::RawBson;
use bson::{RawDocumentBuf, rawdoc};
use fieldveil_store::{
    Change, Code, DeleteStatement, FindAndModify, FindOptions, Interrupt, Namespace, Store,
    UpdateStatement, WriteOptions,
};

fn things() -> Namespace {
    Namespace::new("app", "things").unwrap()
}

fn store(documents: Vec<RawDocumentBuf>) -> Store {
    let store = Store::in_memory().unwrap();
    store.insert(&things(), documents, &WriteOptions::default()).unwrap();
    store
}

fn find(store: &Store, options: FindOptions) -> Vec<RawDocumentBuf> {
    store.find(&things(), options).unwrap().map(Result::unwrap).collect()
}

fn all(store: &Store) -> Vec<RawDocumentBuf> {
    find(store, FindOptions { sort: Some(rawdoc! {"_id": 1}), ..FindOptions::default() })
}

fn delete(filter: RawDocumentBuf, only_one: bool) -> DeleteStatement {
    DeleteStatement { filter, only_one, hint: None, collation: None }
}

fn modify(filter: RawDocumentBuf, change: Change) -> FindAndModify {
    FindAndModify { filter, sort: None, change, projection: None, hint: None, collation: None }
}

#[test]
fn one_or_all_matching_documents_are_updated() {
    let store = store((0..4).map(|n| rawdoc! {"_id": n, "even": n % 2 == 0}).collect());
    let one = UpdateStatement::one(rawdoc! {"even": true}, rawdoc! {"$set": {"x": 1}});
    let many = UpdateStatement::many(rawdoc! {"even": true}, rawdoc! {"$set": {"x": 1}});
    let outcome = store.update(&things(), vec![one, many], &WriteOptions::default()).unwrap();
    assert_eq!((outcome.matched, outcome.modified), (3, 2));
    assert_eq!(all(&store)[2], rawdoc! {"_id": 2, "even": true, "x": 1});
}

#[test]
fn updated_documents_are_met_once() {
    let store = store((0..50).map(|n| rawdoc! {"_id": n, "a": n}).collect());
    let index = rawdoc! {"key": {"a": 1}, "name": "a_1"};
    store.create_indexes(&things(), &[index], &Interrupt::never()).unwrap();
    let many = UpdateStatement::many(rawdoc! {"a": {"$gte": 0}}, rawdoc! {"$inc": {"a": 10}});
    let outcome = store.update(&things(), vec![many], &WriteOptions::default()).unwrap();
    assert_eq!((outcome.matched, outcome.modified), (50, 50));
    let moved = FindOptions { filter: Some(rawdoc! {"a": {"$lt": 10}}), ..FindOptions::default() };
    assert_eq!(find(&store, moved).len(), 0);
    assert_eq!(all(&store)[49], rawdoc! {"_id": 49, "a": 59});
}

#[test]
fn upsert_inserts_what_filter_and_update_say() {
    let store = Store::in_memory().unwrap();
    let mut upsert = UpdateStatement::one(rawdoc! {"a": 1}, rawdoc! {"$set": {"b": 2}});
    upsert.upsert = true;
    let statements = vec![upsert.clone(), upsert];
    let outcome = store.update(&things(), statements, &WriteOptions::default()).unwrap();
    assert_eq!((outcome.matched, outcome.modified, outcome.upserted.len()), (1, 0, 1));
    assert_eq!(outcome.upserted[0].0, 0);
    assert!(matches!(outcome.upserted[0].1, RawBson::ObjectId(_)));
    assert_eq!(all(&store)[0].get_i32("b").unwrap(), 2);
}

#[test]
fn errors_stop_ordered_statements_only() {
    let store = store(vec![rawdoc! {"_id": 1}, rawdoc! {"_id": 2}]);
    let index = rawdoc! {"key": {"a": 1}, "name": "a_1", "unique": true, "sparse": true};
    store.create_indexes(&things(), &[index], &Interrupt::never()).unwrap();
    let set = |id, a| UpdateStatement::one(rawdoc! {"_id": id}, rawdoc! {"$set": {"a": a}});
    let statements = vec![set(1, 5), set(2, 5), set(2, 6)];
    let ordered = store.update(&things(), statements.clone(), &WriteOptions::default()).unwrap();
    assert_eq!((ordered.modified, ordered.errors.len()), (1, 1));
    assert!(ordered.errors[0].error.is(Code::DUPLICATE_KEY));
    let options = WriteOptions { ordered: false, ..WriteOptions::default() };
    let unordered = store.update(&things(), statements, &options).unwrap();
    assert_eq!((unordered.matched, unordered.modified, unordered.errors.len()), (2, 1, 1));
}

#[test]
fn documents_are_deleted_with_their_entries() {
    let store = store((0..4).map(|n| rawdoc! {"_id": n, "a": n % 2}).collect());
    let index = rawdoc! {"key": {"a": 1}, "name": "a_1"};
    store.create_indexes(&things(), &[index], &Interrupt::never()).unwrap();
    let statements = vec![delete(rawdoc! {"a": 0}, true), delete(rawdoc! {"a": 1}, false)];
    let outcome = store.delete(&things(), statements, &WriteOptions::default()).unwrap();
    assert_eq!(outcome.deleted, 3);
    let by_index = FindOptions {
        filter: Some(rawdoc! {"a": {"$gte": 0}}),
        hint: Some(RawBson::String("a_1".into())),
        ..FindOptions::default()
    };
    assert_eq!(find(&store, by_index), [rawdoc! {"_id": 2, "a": 0}]);
}

#[test]
fn find_and_modify_answers_before_or_after() {
    let store = store(vec![rawdoc! {"_id": 1, "a": 1}, rawdoc! {"_id": 2, "a": 2}]);
    let inc = |return_new, upsert| Change::Update {
        update: rawdoc! {"$inc": {"a": 10}}.into(),
        upsert,
        return_new,
        array_filters: Vec::new(),
    };
    let run =
        |command| store.find_and_modify(&things(), command, &WriteOptions::default()).unwrap();
    let mut last = modify(rawdoc! {}, inc(false, false));
    last.sort = Some(rawdoc! {"a": -1});
    let outcome = run(last);
    assert_eq!(outcome.value, Some(rawdoc! {"_id": 2, "a": 2}));
    assert_eq!((outcome.updated_existing, outcome.n), (true, 1));
    let outcome = run(modify(rawdoc! {"_id": 1}, inc(true, false)));
    assert_eq!(outcome.value, Some(rawdoc! {"_id": 1, "a": 11}));
    let outcome = run(modify(rawdoc! {"_id": 3}, inc(false, true)));
    assert_eq!((outcome.value, outcome.upserted), (None, Some(RawBson::Int32(3))));
    let outcome = run(modify(rawdoc! {"_id": 3}, Change::Remove));
    assert_eq!(outcome.value, Some(rawdoc! {"_id": 3, "a": 10}));
    assert_eq!(all(&store).len(), 2);
    assert_eq!(run(modify(rawdoc! {"_id": 9}, inc(true, false))).n, 0);
}

#[test]
fn order_skip_and_limit_hold_with_and_without_an_index() {
    let store = store((0..10).map(|n| rawdoc! {"_id": n, "a": (n * 7) % 10}).collect());
    let options =
        FindOptions { sort: Some(rawdoc! {"a": -1}), skip: 2, limit: 3, ..FindOptions::default() };
    let expected = find(&store, options.clone());
    let values: Vec<i32> = expected.iter().map(|found| found.get_i32("a").unwrap()).collect();
    assert_eq!(values, [7, 6, 5]);
    let index = rawdoc! {"key": {"a": 1}, "name": "a_1"};
    store.create_indexes(&things(), &[index], &Interrupt::never()).unwrap();
    assert_eq!(find(&store, options), expected);
}

#[test]
fn capped_collections_keep_the_newest() {
    let store = Store::in_memory().unwrap();
    let options = rawdoc! {"capped": true, "size": 100_000, "max": 3};
    store.create_collection(&things(), &options).unwrap();
    let documents = (0..10).map(|n| rawdoc! {"_id": n}).collect();
    store.insert(&things(), documents, &WriteOptions::default()).unwrap();
    assert_eq!(all(&store), [rawdoc! {"_id": 7}, rawdoc! {"_id": 8}, rawdoc! {"_id": 9}]);
}

#[test]
fn validators_hold_for_updates() {
    let store = Store::in_memory().unwrap();
    let schema = rawdoc! {"validator": {"$jsonSchema": {"properties": {"a": {"bsonType": "int"}}}}};
    store.create_collection(&things(), &schema).unwrap();
    store.insert(&things(), vec![rawdoc! {"_id": 1, "a": 1}], &WriteOptions::default()).unwrap();
    let bad = UpdateStatement::one(rawdoc! {}, rawdoc! {"$set": {"a": "x"}});
    let outcome = store.update(&things(), vec![bad.clone()], &WriteOptions::default()).unwrap();
    assert!(outcome.errors[0].error.is(Code::DOCUMENT_VALIDATION_FAILURE));
    let bypass = WriteOptions { bypass_document_validation: true, ..WriteOptions::default() };
    assert_eq!(store.update(&things(), vec![bad], &bypass).unwrap().modified, 1);
}

#[test]
fn projections_pick_fields_and_elements() {
    let store = store(vec![rawdoc! {"_id": 1, "a": [1, 5, 9], "b": {"c": 1, "d": 2}}]);
    let project = |filter, projection| {
        let options = FindOptions {
            filter: Some(filter),
            projection: Some(projection),
            ..FindOptions::default()
        };
        find(&store, options).remove(0)
    };
    assert_eq!(project(rawdoc! {}, rawdoc! {"b.c": 1}), rawdoc! {"_id": 1, "b": {"c": 1}});
    assert_eq!(project(rawdoc! {}, rawdoc! {"_id": 0, "b": 0}), rawdoc! {"a": [1, 5, 9]});
    let positional = project(rawdoc! {"a": {"$gt": 3}}, rawdoc! {"a.$": 1});
    assert_eq!(positional, rawdoc! {"_id": 1, "a": [5]});
    let command =
        FindAndModify { projection: Some(rawdoc! {"a": 0}), ..modify(rawdoc! {}, Change::Remove) };
    let outcome = store.find_and_modify(&things(), command, &WriteOptions::default()).unwrap();
    assert_eq!(outcome.value, Some(rawdoc! {"_id": 1, "b": {"c": 1, "d": 2}}));
}
