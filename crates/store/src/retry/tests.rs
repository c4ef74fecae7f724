use bson::raw::RawDocumentBuf;
use bson::rawdoc;

use super::*;
use crate::{
    Change, DeleteStatement, FindAndModify, FindOptions, Namespace, UpdateStatement, WriteOptions,
};

fn things() -> Namespace {
    Namespace::new("app", "things").unwrap()
}

fn retry(number: i64) -> WriteOptions {
    retry_from(number, StatementIds::From(0))
}

fn retry_from(number: i64, statements: StatementIds) -> WriteOptions {
    let key = RetryKey { session: [7; 32], number, statements };
    WriteOptions { ordered: false, retry: Some(key), ..WriteOptions::default() }
}

fn all(store: &Store) -> Vec<RawDocumentBuf> {
    store.find(&things(), FindOptions::default()).unwrap().collect::<Result<_>>().unwrap()
}

fn increment() -> UpdateStatement {
    let mut update = UpdateStatement::one(rawdoc! {"_id": 1}, rawdoc! {"$inc": {"n": 1}});
    update.upsert = true;
    update
}

#[test]
fn a_repeated_insert_is_answered() {
    let store = Store::in_memory().unwrap();
    let documents = || (0..5).map(|id| rawdoc! {"_id": id}).collect::<Vec<_>>();
    let first = store.insert(&things(), documents(), &retry(1)).unwrap();
    assert_eq!((first.inserted, first.repeated.len()), (5, 0));
    let second = store.insert(&things(), documents(), &retry(1)).unwrap();
    assert_eq!((second.inserted, second.errors.len()), (5, 0));
    assert_eq!(second.repeated, [0, 1, 2, 3, 4]);
    // Another session has no part in it.
    let mut other = retry(1);
    other.retry.as_mut().unwrap().session = [8; 32];
    assert_eq!(store.insert(&things(), documents(), &other).unwrap().errors.len(), 5);
    assert_eq!(all(&store).len(), 5);
}

#[test]
fn the_rest_of_a_command_is_done() {
    let store = Store::in_memory().unwrap();
    let insert = |ids: &[i32], statements| {
        let documents = ids.iter().map(|id| rawdoc! {"_id": *id}).collect();
        store.insert(&things(), documents, &retry_from(1, statements)).unwrap()
    };
    insert(&[2, 3], StatementIds::Listed(vec![2, 3]));
    let outcome = insert(&[0, 1, 2, 3, 4], StatementIds::From(0));
    assert_eq!((outcome.inserted, outcome.errors.len()), (5, 0));
    assert_eq!(outcome.repeated, [2, 3]);
    assert_eq!(insert(&[0, 1, 2, 3, 4], StatementIds::From(0)).repeated, [0, 1, 2, 3, 4]);
    assert_eq!(all(&store).len(), 5);
}

#[test]
fn repeated_updates_and_deletes_are_answered() {
    let store = Store::in_memory().unwrap();
    for number in 1..=2 {
        let updates = || vec![increment(), increment()];
        let first = store.update(&things(), updates(), &retry(number)).unwrap();
        let second = store.update(&things(), updates(), &retry(number)).unwrap();
        assert_eq!(first.upserted, second.upserted);
        assert_eq!((first.matched, first.modified), (second.matched, second.modified));
        assert_eq!(all(&store), [rawdoc! {"_id": 1, "n": i32::try_from(number).unwrap() * 2}]);
    }
    store.insert(&things(), vec![rawdoc! {"_id": 2}], &WriteOptions::default()).unwrap();
    let delete =
        || DeleteStatement { filter: rawdoc! {}, only_one: true, hint: None, collation: None };
    for _ in 0..2 {
        assert_eq!(store.delete(&things(), vec![delete()], &retry(3)).unwrap().deleted, 1);
    }
    assert_eq!(all(&store), [rawdoc! {"_id": 2}]);
}

fn find_and_modify(store: &Store, change: Change, number: i64) -> Result<FindAndModifyOutcome> {
    let command = FindAndModify {
        filter: rawdoc! {"_id": 1},
        sort: None,
        change,
        projection: None,
        hint: None,
        collation: None,
    };
    store.find_and_modify(&things(), command, &retry(number))
}

#[test]
fn a_repeated_find_and_modify_shows_the_same_document() {
    let store = Store::in_memory().unwrap();
    store.update(&things(), vec![increment()], &WriteOptions::default()).unwrap();
    let change = |return_new| Change::Update {
        update: rawdoc! {"$inc": {"n": 1}}.into(),
        upsert: false,
        return_new,
        array_filters: Vec::new(),
    };
    for (number, return_new, shown) in [(1, false, 1), (2, true, 3)] {
        for repeated in [None, Some(0)] {
            let outcome = find_and_modify(&store, change(return_new), number).unwrap();
            assert_eq!(outcome.value, Some(rawdoc! {"_id": 1, "n": shown}));
            assert_eq!(outcome.repeated, repeated);
        }
    }
    let first = find_and_modify(&store, Change::Remove, 3).unwrap();
    let second = find_and_modify(&store, Change::Remove, 3).unwrap();
    assert_eq!((first.value, first.n), (second.value, second.n));
    assert!(all(&store).is_empty());
}

#[test]
fn an_older_write_comes_too_late() {
    let store = Store::in_memory().unwrap();
    store.update(&things(), vec![increment()], &retry(5)).unwrap();
    let error = store.update(&things(), vec![increment()], &retry(4)).unwrap_err();
    assert!(error.is(Code::TRANSACTION_TOO_OLD));
    assert!(find_and_modify(&store, Change::Remove, 4).unwrap_err().is(Code::TRANSACTION_TOO_OLD));
    assert_eq!(all(&store), [rawdoc! {"_id": 1, "n": 1}]);
}

#[test]
fn a_write_of_many_documents_cannot_be_repeated() {
    let store = Store::in_memory().unwrap();
    let update = UpdateStatement::many(rawdoc! {}, rawdoc! {"$set": {"a": 1}});
    let outcome = store.update(&things(), vec![update], &retry(1)).unwrap();
    assert!(outcome.errors[0].error.is(Code::INVALID_OPTIONS));
    let filter = rawdoc! {};
    let delete = DeleteStatement { filter, only_one: false, hint: None, collation: None };
    let outcome = store.delete(&things(), vec![delete], &retry(1)).unwrap();
    assert!(outcome.errors[0].error.is(Code::INVALID_OPTIONS));
}

#[test]
fn another_write_under_the_same_name_is_refused() {
    let store = Store::in_memory().unwrap();
    store.update(&things(), vec![increment()], &retry(1)).unwrap();
    assert_eq!(find_and_modify(&store, Change::Remove, 1).unwrap_err().code(), 40606);
    let outcome = store.insert(&things(), vec![rawdoc! {"_id": 9}], &retry(1)).unwrap();
    assert_eq!(outcome.errors[0].error.code(), 40606);
}

#[test]
fn a_statement_that_failed_is_tried_again() {
    let store = Store::in_memory().unwrap();
    let documents = || vec![rawdoc! {"_id": 1}, rawdoc! {"_id": 2}];
    store.insert(&things(), vec![rawdoc! {"_id": 1}], &WriteOptions::default()).unwrap();
    assert_eq!(store.insert(&things(), documents(), &retry(1)).unwrap().errors.len(), 1);
    let outcome = find_and_modify(&store, Change::Remove, 0);
    assert!(outcome.unwrap_err().is(Code::TRANSACTION_TOO_OLD));
    let filter = rawdoc! {"_id": 1};
    let delete = DeleteStatement { filter, only_one: true, hint: None, collation: None };
    store.delete(&things(), vec![delete], &WriteOptions::default()).unwrap();
    let again = store.insert(&things(), documents(), &retry(1)).unwrap();
    assert_eq!((again.inserted, again.repeated), (2, vec![1]));
}

#[test]
fn what_is_known_expires_and_survives_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Store::open(directory.path(), crate::StoreOptions::default()).unwrap();
    let store = open();
    store.update(&things(), vec![increment()], &retry(1)).unwrap();
    drop(store);
    let store = open();
    let outcome = store.update(&things(), vec![increment()], &retry(1)).unwrap();
    assert_eq!((outcome.upserted.len(), outcome.repeated), (1, vec![0]));
    assert_eq!(store.expire_retries(0).unwrap(), 0);
    assert_eq!(store.expire_retries(i64::MAX).unwrap(), 1);
    assert_eq!(store.expire_retries(i64::MAX).unwrap(), 0);
    store.update(&things(), vec![increment()], &retry(1)).unwrap();
    assert_eq!(all(&store), [rawdoc! {"_id": 1, "n": 2}]);
}

#[test]
fn sessions_are_looked_through_in_steps() {
    let store = Store::in_memory().unwrap();
    for session in 0..5 {
        let key = RetryKey { session: [session; 32], number: 1, statements: StatementIds::From(0) };
        let options = WriteOptions { retry: Some(key), ..WriteOptions::default() };
        store.insert(&things(), vec![rawdoc! {"s": i32::from(session)}], &options).unwrap();
    }
    let snapshot = store.snapshot();
    let (mut found, mut after) = (Vec::new(), None);
    for expected in [Some(vec![1; 32]), Some(vec![3; 32]), None] {
        after = snapshot.tables().retries_until(i64::MAX, after.as_deref(), 2, &mut found).unwrap();
        assert_eq!(after, expected);
    }
    assert_eq!(found.len(), 5);
}
