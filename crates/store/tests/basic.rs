//! The store from outside: what is written is there, also after opening again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::mpsc::{Receiver, Sender, channel};

use bson::{RawBson, RawDocumentBuf, rawdoc};
use fieldveil_store::{
    BulkOutcome, Code, CountOptions, FORMAT_VERSION, FindOptions, IndexChoice, Interrupt, Lead,
    Namespace, OpenError, Store, StoreError, StoreOptions, Take, WriteOptions, WriteStatement,
};

fn people() -> Namespace {
    Namespace::new("app", "people").unwrap()
}

fn all(store: &Store, namespace: &Namespace) -> Vec<RawDocumentBuf> {
    store.find(namespace, FindOptions::default()).unwrap().map(Result::unwrap).collect()
}

#[test]
fn written_documents_survive_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
    let outcome = store
        .insert(&people(), vec![rawdoc! {"a": 1}, rawdoc! {"_id": 7}], &WriteOptions::default())
        .unwrap();
    assert_eq!(outcome.inserted, 2);
    store
        .create_indexes(
            &people(),
            &[rawdoc! {"key": {"a": -1}, "name": "a_-1"}],
            &Interrupt::never(),
        )
        .unwrap();
    let before = all(&store, &people());
    assert!(before[0].get_object_id("_id").is_ok());
    let info = store.collection_info(&people());
    drop(store);

    let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
    assert_eq!(all(&store, &people()), before);
    assert_eq!(store.list_indexes(&people()).unwrap().len(), 2);
    assert_eq!(store.collection_info(&people()), info);
    assert_eq!(store.list_databases().unwrap()[0].name, "app");
}

#[test]
fn second_opener_is_told_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Store::open(directory.path(), StoreOptions::default()).unwrap();
    let error = Store::open(directory.path(), StoreOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::InUse(_)));
    assert!(error.to_string().contains(&directory.path().display().to_string()));
}

#[test]
fn foreign_directories_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("letter.txt"), "dear reader").unwrap();
    let error = Store::open(directory.path(), StoreOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::NotOurs(_)), "{error}");
    let file = directory.path().join("letter.txt");
    assert!(matches!(
        Store::open(&file, StoreOptions::default()).unwrap_err(),
        OpenError::NotADirectory(_)
    ));
    // Nothing was added.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn damage_and_newer_formats_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let store = Store::open(&path, StoreOptions::default()).unwrap();
    let documents = (0..2000).map(|n| rawdoc! {"_id": n, "text": "x".repeat(200)}).collect();
    store.insert(&people(), documents, &WriteOptions::default()).unwrap();
    drop(store);

    let data = path.join("data.redb");
    let sound = std::fs::read(&data).unwrap();
    for damaged in [b"not a database".to_vec(), sound[..sound.len() / 2].to_vec(), {
        let mut bytes = sound.clone();
        for byte in bytes.iter_mut().skip(8192).step_by(4099) {
            *byte ^= 0x5A;
        }
        bytes
    }] {
        std::fs::write(&data, &damaged).unwrap();
        let error = Store::open(&path, StoreOptions::default()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    }
    std::fs::write(&data, &sound).unwrap();
    let marker = path.join("fieldveil.toml");
    let text = std::fs::read_to_string(&marker).unwrap();
    std::fs::write(&marker, text.replace(&format!("format = {FORMAT_VERSION}"), "format = 99"))
        .unwrap();
    let error = Store::open(&path, StoreOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::NewerFormat { found: 99, .. }), "{error}");
    std::fs::write(&marker, text).unwrap();
    assert_eq!(all(&Store::open(&path, StoreOptions::default()).unwrap(), &people()).len(), 2000);
}

#[test]
fn duplicates_are_reported_like_mongodb() {
    let store = Store::in_memory().unwrap();
    let unordered = WriteOptions { ordered: false, ..WriteOptions::default() };
    let documents = vec![rawdoc! {"_id": 1}, rawdoc! {"_id": 1.0}, rawdoc! {"_id": 2}];
    let outcome = store.insert(&people(), documents.clone(), &unordered).unwrap();
    assert_eq!(outcome.inserted, 2);
    let error = &outcome.errors[0];
    assert_eq!(error.index, 1);
    assert_eq!(
        error.error.message(),
        "E11000 duplicate key error collection: app.people index: _id_ dup key: { _id: 1.0 }"
    );
    assert_eq!(
        error.error.extra().unwrap().to_owned(),
        rawdoc! {"keyPattern": {"_id": 1}, "keyValue": {"_id": 1.0}}
    );
    let ordered = store.insert(&people(), documents, &WriteOptions::default()).unwrap();
    assert_eq!((ordered.inserted, ordered.errors.len()), (0, 1));
}

#[test]
fn unique_index_over_duplicates_is_not_built() {
    let store = Store::in_memory().unwrap();
    let documents = vec![rawdoc! {"_id": 1, "a": [1, 2]}, rawdoc! {"_id": 2, "a": 2}];
    store.insert(&people(), documents, &WriteOptions::default()).unwrap();
    let specs = [
        rawdoc! {"key": {"b": 1}, "name": "b_1"},
        rawdoc! {"key": {"a": 1}, "name": "a_1", "unique": true},
    ];
    let error = store.create_indexes(&people(), &specs, &Interrupt::never()).unwrap_err();
    assert!(error.is(Code::DUPLICATE_KEY));
    assert!(error.message().ends_with("dup key: { a: 2 }"), "{error}");
    assert_eq!(store.list_indexes(&people()).unwrap().len(), 1);
    // The collection still takes writes.
    let outcome = store.insert(&people(), vec![rawdoc! {"a": 2}], &WriteOptions::default());
    assert_eq!(outcome.unwrap().inserted, 1);
}

#[test]
fn index_conflicts_have_their_codes() {
    let store = Store::in_memory().unwrap();
    let create = |spec| store.create_indexes(&people(), &[spec], &Interrupt::never());
    create(rawdoc! {"key": {"a": 1}, "name": "a_1"}).unwrap();
    let same = create(rawdoc! {"key": {"a": 1.0}, "name": "a_1"}).unwrap();
    assert_eq!((same.before, same.after), (2, 2));
    let cases = [
        (rawdoc! {"key": {"a": 1}, "name": "other"}, 85),
        (rawdoc! {"key": {"b": 1}, "name": "a_1"}, 86),
        (rawdoc! {"key": {"a": 1}, "name": "a_1", "unique": true}, 86),
        (rawdoc! {"key": {"a": 1}, "name": "a_1", "expireAfterSeconds": 1}, 85),
    ];
    for (spec, code) in cases {
        assert_eq!(create(spec.clone()).unwrap_err().code(), code, "{spec:?}");
    }
    create(rawdoc! {"key": {"a": 1}, "name": "unique", "unique": true}).unwrap();
    assert_eq!(store.drop_indexes(&people(), &IndexChoice::All).unwrap(), 3);
    assert_eq!(store.list_indexes(&people()).unwrap().len(), 1);
    let missing = IndexChoice::Names(vec!["a_1".into()]);
    assert!(store.drop_indexes(&people(), &missing).unwrap_err().is(Code::INDEX_NOT_FOUND));
}

#[test]
fn bad_documents_are_refused() {
    let store = Store::in_memory().unwrap();
    let mut deep = rawdoc! {"end": 1};
    for _ in 0..101 {
        deep = rawdoc! {"a": deep};
    }
    let cases = [
        (rawdoc! {"_id": [1]}, 53),
        (rawdoc! {"_id": {"$x": 1}}, 52),
        (deep, 15),
        (rawdoc! {"a": "x".repeat(16 * 1024 * 1024)}, 10334),
    ];
    for (document, code) in cases {
        let outcome = store.insert(&people(), vec![document], &WriteOptions::default()).unwrap();
        assert_eq!(outcome.errors[0].error.code(), code);
    }
}

#[test]
fn readers_keep_their_snapshot() {
    let store = Store::in_memory().unwrap();
    store.insert(&people(), vec![rawdoc! {"_id": 1}], &WriteOptions::default()).unwrap();
    let cursor = store.find(&people(), FindOptions::default()).unwrap();
    store.insert(&people(), vec![rawdoc! {"_id": 2}], &WriteOptions::default()).unwrap();
    store.drop_collection(&people()).unwrap();
    assert_eq!(cursor.count(), 1);
    assert_eq!(all(&store, &people()).len(), 0);
}

#[test]
fn concurrent_writers_share_commits_and_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = store.clone();
            scope.spawn(move || {
                for n in 0..20 {
                    let document = rawdoc! {"_id": thread * 100 + n};
                    let outcome =
                        store.insert(&people(), vec![document], &WriteOptions::default()).unwrap();
                    assert_eq!(outcome.inserted, 1);
                }
            });
        }
    });
    assert_eq!(all(&store, &people()).len(), 160);
}

#[test]
fn let_variables_are_expressions_without_a_document() {
    let store = Store::in_memory().unwrap();
    let documents = vec![rawdoc! {"_id": 1}, rawdoc! {"_id": 3}];
    store.insert(&people(), documents, &WriteOptions::default()).unwrap();
    let find = |variables| {
        let options = FindOptions {
            filter: Some(rawdoc! {"$expr": {"$eq": ["$_id", "$$wanted"]}}),
            let_variables: Some(variables),
            ..FindOptions::default()
        };
        store.find(&people(), options).map(Iterator::count)
    };
    assert_eq!(find(rawdoc! {"wanted": {"$add": [1, 2]}}).unwrap(), 1);
    assert_eq!(find(rawdoc! {"wanted": {"$literal": "$_id"}}).unwrap(), 0);
    assert_eq!(find(rawdoc! {"wanted": "$_id"}).unwrap_err().code(), 4_890_500);
}

#[test]
fn documents_are_shown_until_one_is_refused() {
    let store = Store::in_memory().unwrap();
    let documents = (0..300).map(|n| rawdoc! {"_id": n, "even": n % 2 == 0}).collect();
    store.insert(&people(), documents, &WriteOptions::default()).unwrap();
    for sort in [None, Some(rawdoc! {"_id": 1}), Some(rawdoc! {"even": 1})] {
        for limit in [0, 150, 3] {
            let filter = Some(rawdoc! {"even": true});
            let options =
                FindOptions { filter, sort: sort.clone(), limit, ..FindOptions::default() };
            let mut cursor = store.find(&people(), options).unwrap();
            let mut found = Vec::new();
            // Every second call begins with the document that was refused before.
            for round in 0.. {
                let mut seen = 0;
                let is_over = cursor
                    .each(|document| {
                        seen += 1;
                        if seen == 3 && round % 2 == 0 {
                            return Take::Not;
                        }
                        found.push(document.get_i32("_id").unwrap());
                        if seen == 3 { Take::Enough } else { Take::More }
                    })
                    .unwrap();
                if is_over {
                    break;
                }
                // The two ways of reading may be mixed.
                found.extend(cursor.next().map(|next| next.unwrap().get_i32("_id").unwrap()));
            }
            let wanted = if limit == 0 { 150 } else { i32::try_from(limit).unwrap() };
            assert!(found.iter().copied().eq((0..wanted).map(|n| n * 2)), "{sort:?}: {found:?}");
        }
    }
}

#[test]
fn a_brief_read_ends_where_it_would_take_long() {
    let store = Store::in_memory().unwrap();
    let numbers = Namespace::new("app", "numbers").unwrap();
    let documents = (0..1000).map(|n| rawdoc! {"_id": n, "n": n, "many": [n, -1]}).collect();
    store.insert(&numbers, documents, &WriteOptions::default()).unwrap();
    let specs =
        [rawdoc! {"key": {"n": 1}, "name": "n_1"}, rawdoc! {"key": {"many": 1}, "name": "many_1"}];
    store.create_indexes(&numbers, &specs, &Interrupt::never()).unwrap();
    let view = rawdoc! {"viewOn": "numbers", "pipeline": []};
    store.create_collection(&Namespace::new("app", "view").unwrap(), &view).unwrap();
    let count = |collection: &str, filter| {
        let options = FindOptions {
            filter: Some(filter),
            interrupt: Interrupt::never().briefly(),
            ..FindOptions::default()
        };
        let found = store.find(&Namespace::new("app", collection).unwrap(), options)?;
        found.map(|document| document.map(|_| 1)).sum::<Result<u32, _>>()
    };
    assert_eq!(count("numbers", rawdoc! {"_id": 7}).unwrap(), 1);
    assert_eq!(count("numbers", rawdoc! {"n": {"$lt": 100}}).unwrap(), 100);
    for (collection, filter) in [
        ("numbers", rawdoc! {"n": {"$gte": 0}}),
        ("numbers", rawdoc! {"absent": 1}),
        ("numbers", rawdoc! {"many": 7}),
        ("view", rawdoc! {"_id": 7}),
    ] {
        assert!(count(collection, filter).unwrap_err().is(StoreError::NOT_BRIEF));
    }
}

#[test]
fn keys_are_returned_in_the_place_of_documents() {
    let store = Store::in_memory().unwrap();
    let documents = vec![rawdoc! {"_id": 1, "a": 5, "b": {"c": "x"}}, rawdoc! {"_id": 2, "a": 6}];
    store.insert(&people(), documents, &WriteOptions::default()).unwrap();
    let specs = [
        rawdoc! {"key": {"a": 1, "b.c": -1}, "name": "both"},
        rawdoc! {"key": {"list": 1}, "name": "list"},
    ];
    store.create_indexes(&people(), &specs, &Interrupt::never()).unwrap();
    let keys = |filter, show_record_id| {
        let filter = Some(filter);
        let find = FindOptions { filter, return_key: true, show_record_id, ..Default::default() };
        store.find(&people(), find).map(|found| found.map(Result::unwrap).collect::<Vec<_>>())
    };
    assert_eq!(keys(rawdoc! {"a": 5}, false).unwrap(), [rawdoc! {"a": 5, "b.c": "x"}]);
    assert_eq!(keys(rawdoc! {"a": 6}, false).unwrap(), [rawdoc! {"a": 6, "b.c": RawBson::Null}]);
    assert_eq!(keys(rawdoc! {"_id": 2}, true).unwrap(), [rawdoc! {"_id": 2}]);
    assert_eq!(keys(rawdoc! {"b.c": "x"}, false).unwrap(), [rawdoc! {}]);
    let with_list = vec![rawdoc! {"_id": 3, "list": [1, 2]}];
    store.insert(&people(), with_list, &WriteOptions::default()).unwrap();
    assert!(keys(rawdoc! {"list": 2}, false).unwrap_err().is(Code::COMMAND_NOT_SUPPORTED));
}

#[test]
fn writes_without_a_thread_that_waits_share_commits_with_those_that_wait() {
    let store = Store::in_memory().unwrap();
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, sender) = (&store, sender.clone());
            scope.spawn(move || {
                for n in 0..50 {
                    let document = rawdoc! {"_id": thread * 100 + n};
                    store.insert(&people(), vec![document], &WriteOptions::default()).unwrap();
                    let document = rawdoc! {"_id": thread * 100 + 50 + n};
                    let statements = vec![(people(), WriteStatement::Insert(document))];
                    let sender = sender.clone();
                    let done = move |outcome| sender.send(outcome).unwrap();
                    let appoint = |lead| drop(std::thread::spawn(|| drop(lead)));
                    store.bulk_later(statements, WriteOptions::default(), done, appoint);
                }
            });
        }
    });
    drop(sender);
    let outcomes: Vec<BulkOutcome> = receiver.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.len(), 200);
    assert!(outcomes.iter().all(|outcome| outcome.results[0].is_ok()));
    assert_eq!(store.count(&people(), CountOptions::default()).unwrap(), 400);
}

type Outcome = Result<BulkOutcome, StoreError>;

/// Writes that nobody waits for.
#[derive(Clone)]
struct Posts {
    store: Store,
    outcomes: Sender<Outcome>,
    leads: Sender<Lead>,
}

/// What has come of them, and who has been asked to commit them.
struct Posted {
    outcomes: Receiver<Outcome>,
    leads: Receiver<Lead>,
}

fn posts() -> (Posts, Posted) {
    let (outcomes, done) = channel();
    let (leads, appointed) = channel();
    let store = Store::in_memory().unwrap();
    (Posts { store, outcomes, leads }, Posted { outcomes: done, leads: appointed })
}

impl Posts {
    /// Hands in the insertion of a document, and calls `then` when it is done.
    fn post(&self, id: i32, then: impl FnOnce() + Send + 'static) {
        let (outcomes, leads) = (self.outcomes.clone(), self.leads.clone());
        self.store.bulk_later(
            vec![(people(), WriteStatement::Insert(rawdoc! {"_id": id}))],
            WriteOptions::default(),
            move |outcome| {
                outcomes.send(outcome).unwrap();
                then();
            },
            move |lead| leads.send(lead).unwrap(),
        );
    }
}

impl Posted {
    /// Has the next who has been asked commit what is there.
    fn lead(&self) {
        drop(self.leads.recv().unwrap());
    }

    /// How many are done; each is told of once.
    fn done(&self) -> usize {
        let outcomes = self.outcomes.try_iter();
        outcomes.inspect(|outcome| assert!(outcome.as_ref().unwrap().results[0].is_ok())).count()
    }
}

/// Every thread that could lead may itself be one that waits for its write.
#[test]
fn a_write_that_waits_does_not_wait_for_a_leader_who_is_long_in_coming() {
    let (posts, posted) = posts();
    let post = |id| posts.post(id, || ());
    post(1);
    post(2);
    assert_eq!(posted.done(), 0);
    let document = vec![rawdoc! {"_id": 3}];
    let inserted = posts.store.insert(&people(), document, &WriteOptions::default()).unwrap();
    assert_eq!((inserted.inserted, posted.done()), (1, 2));
    post(4);
    // The first leader comes at last, and does what it finds; the second finds nothing.
    posted.lead();
    assert_eq!(posted.done(), 1);
    posted.lead();
    post(5);
    posted.lead();
    assert_eq!(posted.done(), 1);
    assert_eq!(posts.store.count(&people(), CountOptions::default()).unwrap(), 5);
}

/// A leader lets some of those come back whose writes it has committed; they need not.
#[test]
fn a_leader_does_not_wait_long_for_writes_that_do_not_come() {
    let (posts, posted) = posts();
    // One of the eight writes again.
    let again = posts.clone();
    posts.post(0, move || again.post(8, || ()));
    for id in 1..8 {
        posts.post(id, || ());
    }
    posted.lead();
    assert_eq!(posted.done(), 9);
}
