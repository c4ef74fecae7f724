use bson::{RawDocumentBuf, rawdoc};

use super::*;
use crate::{CountOptions, WriteOptions};

fn namespace(name: &str) -> Namespace {
    Namespace::new("app", name).unwrap()
}

fn store() -> Store {
    let store = Store::in_memory().unwrap();
    let orders = (0..10)
        .map(|n| rawdoc! {"_id": n, "who": if n % 2 == 0 { "a" } else { "b" }, "n": n})
        .collect();
    store.insert(&namespace("orders"), orders, &WriteOptions::default()).unwrap();
    let people = vec![rawdoc! {"_id": "a", "age": 1}, rawdoc! {"_id": "b", "age": 2}];
    store.insert(&namespace("people"), people, &WriteOptions::default()).unwrap();
    store
}

fn stages(stages: &[RawDocumentBuf]) -> RawArrayBuf {
    stages.iter().cloned().collect()
}

fn run(store: &Store, on: &str, pipeline: &[RawDocumentBuf]) -> Vec<RawDocumentBuf> {
    store
        .aggregate("app", Some(on), &stages(pipeline), AggregateOptions::default())
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn groups_after_a_match() {
    let found = run(
        &store(),
        "orders",
        &[
            rawdoc! {"$match": {"n": {"$gte": 4}}},
            rawdoc! {"$group": {"_id": "$who", "sum": {"$sum": "$n"}}},
            rawdoc! {"$sort": {"_id": 1}},
        ],
    );
    assert_eq!(found, [rawdoc! {"_id": "a", "sum": 18}, rawdoc! {"_id": "b", "sum": 21}]);
}

#[test]
fn other_collections_are_looked_up() {
    let lookup = rawdoc! {"$lookup": {
        "from": "people", "localField": "who", "foreignField": "_id", "as": "person",
    }};
    let found = run(&store(), "orders", &[rawdoc! {"$match": {"_id": 3}}, lookup]);
    let expected = rawdoc! {"_id": 3, "who": "b", "n": 3, "person": [{"_id": "b", "age": 2}]};
    assert_eq!(found, [expected]);
}

#[test]
fn views_are_read_like_collections() {
    let store = store();
    let create = |name: &str, on: &str, stage: RawDocumentBuf| {
        let options = rawdoc! {"viewOn": on, "pipeline": [stage]};
        store.create_collection(&namespace(name), &options).unwrap();
    };
    create("of_a", "orders", rawdoc! {"$match": {"who": "a"}});
    create("of_a_large", "of_a", rawdoc! {"$match": {"n": {"$gt": 2}}});
    let options = FindOptions {
        filter: Some(rawdoc! {"n": {"$lt": 8}}),
        sort: Some(rawdoc! {"n": -1}),
        projection: Some(rawdoc! {"_id": 0, "n": 1}),
        ..FindOptions::default()
    };
    let found: Vec<_> =
        store.find(&namespace("of_a_large"), options).unwrap().map(Result::unwrap).collect();
    assert_eq!(found, [rawdoc! {"n": 6}, rawdoc! {"n": 4}]);
    let count = store.count(&namespace("of_a"), CountOptions::default()).unwrap();
    assert_eq!(count, 5);
    let union = run(&store, "people", &[rawdoc! {"$unionWith": "of_a_large"}]);
    assert_eq!(union.len(), 5);
}

#[test]
fn out_replaces_and_keeps_indexes() {
    let store = store();
    let unique = rawdoc! {"key": {"n": 1}, "name": "n", "unique": true};
    let target = namespace("target");
    store.create_indexes(&target, &[unique], &Interrupt::never()).unwrap();
    store.insert(&target, vec![rawdoc! {"_id": "old"}], &WriteOptions::default()).unwrap();
    let out = rawdoc! {"$out": "target"};
    assert!(
        run(&store, "orders", &[rawdoc! {"$match": {"n": {"$lt": 3}}}, out.clone()]).is_empty()
    );
    assert_eq!(store.count(&target, CountOptions::default()).unwrap(), 3);
    assert_eq!(store.list_indexes(&target).unwrap().len(), 2);
    // A failure leaves the target as it was, and nothing else behind.
    let same = [rawdoc! {"$project": {"n": {"$literal": 1}}}, out];
    let error = store
        .aggregate("app", Some("orders"), &stages(&same), AggregateOptions::default())
        .unwrap_err();
    assert!(error.is(Code::DUPLICATE_KEY), "{error:?}");
    assert_eq!(store.count(&target, CountOptions::default()).unwrap(), 3);
    assert_eq!(store.list_collections("app").len(), 3);
    assert!(store.check(&Interrupt::never()).unwrap().is_empty());
}

#[test]
fn merge_updates_and_inserts() {
    let store = store();
    let target = namespace("sums");
    store
        .insert(&target, vec![rawdoc! {"_id": "a", "old": true}], &WriteOptions::default())
        .unwrap();
    let group = rawdoc! {"$group": {"_id": "$who", "sum": {"$sum": "$n"}}};
    run(&store, "orders", &[group, rawdoc! {"$merge": {"into": "sums"}}]);
    let found: Vec<_> =
        store.find(&target, FindOptions::default()).unwrap().map(Result::unwrap).collect();
    let expected = [rawdoc! {"_id": "a", "old": true, "sum": 20}, rawdoc! {"_id": "b", "sum": 25}];
    assert_eq!(found, expected);
    let by_other = rawdoc! {"$merge": {"into": "sums", "on": "who"}};
    let error = store
        .aggregate("app", Some("orders"), &stages(&[by_other]), AggregateOptions::default())
        .unwrap_err();
    assert_eq!(error.code(), 51183);
}

#[test]
fn pipelines_can_bring_their_own_documents() {
    let documents = rawdoc! {"$documents": [{"a": 1}]};
    let store = store();
    let found: Vec<_> = store
        .aggregate("app", None, &stages(&[documents]), AggregateOptions::default())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(found, [rawdoc! {"a": 1}]);
    let missing = store.aggregate("app", None, &RawArrayBuf::new(), AggregateOptions::default());
    assert!(missing.unwrap_err().is(Code::INVALID_NAMESPACE));
    assert_eq!(
        run(&store, "people", &[rawdoc! {"$indexStats": {}}])[0].get_str("name").unwrap(),
        "_id_"
    );
}

#[test]
fn merge_writes_many_documents_and_counts_those_before_a_fault() {
    let store = store();
    let many: Vec<_> = (0..2500).map(|id| rawdoc! {"_id": id}).collect();
    store.insert(&namespace("many"), many, &WriteOptions::default()).unwrap();
    let count = |name| store.count(&namespace(name), CountOptions::default()).unwrap();
    run(&store, "many", &[rawdoc! {"$merge": {"into": "copy"}}]);
    assert_eq!(count("copy"), 2500);
    let discard = rawdoc! {"$merge": {"into": "none", "whenNotMatched": "discard"}};
    run(&store, "many", &[discard]);
    assert!(
        store.list_collections("app").iter().all(|found| found.get_str("name").unwrap() != "none")
    );
    run(&store, "many", &[rawdoc! {"$unset": "_id"}, rawdoc! {"$merge": {"into": "copy"}}]);
    assert_eq!(count("copy"), 5000);
    store.insert(&namespace("some"), vec![rawdoc! {"_id": 10}], &WriteOptions::default()).unwrap();
    let fail = rawdoc! {"$merge": {"into": "some", "whenMatched": "fail"}};
    let error = store
        .aggregate("app", Some("many"), &stages(&[fail]), AggregateOptions::default())
        .unwrap_err();
    assert!(error.is(Code::DUPLICATE_KEY), "{error:?}");
    let key = rawdoc! {"keyPattern": {"_id": 1}, "keyValue": {"_id": 10}};
    assert_eq!(error.extra(), Some(&*key));
    assert_eq!(count("some"), 11);
}

#[test]
fn what_an_interrupted_out_left_is_removed_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Store::open(directory.path(), crate::StoreOptions::default()).unwrap();
    let store = open();
    for name in ["tmp.agg_out.1", "kept"] {
        store.insert(&namespace(name), vec![rawdoc! {}], &WriteOptions::default()).unwrap();
    }
    drop(store);
    let names: Vec<_> = open()
        .list_collections("app")
        .iter()
        .map(|found| found.get_str("name").unwrap().to_owned())
        .collect();
    assert_eq!(names, ["kept"]);
}

#[test]
fn sorts_use_the_disk_unless_that_is_forbidden() {
    let directory = tempfile::tempdir().unwrap();
    let options =
        crate::StoreOptions { operation_memory_bytes: 10_000, ..crate::StoreOptions::default() };
    let store = Store::open(directory.path(), options).unwrap();
    let many: Vec<_> =
        (0..300).map(|id| rawdoc! {"_id": id, "a": -id, "pad": "x".repeat(100)}).collect();
    store.insert(&namespace("many"), many, &WriteOptions::default()).unwrap();
    for allow_disk_use in [None, Some(true), Some(false)] {
        let sort = Some(rawdoc! {"a": 1});
        let find = store
            .find(
                &namespace("many"),
                FindOptions { sort, allow_disk_use, ..FindOptions::default() },
            )
            .and_then(Iterator::collect::<Result<Vec<_>>>);
        // After a stage that the planner does not take.
        let late = stages(&[rawdoc! {"$set": {"b": "$a"}}, rawdoc! {"$sort": {"b": 1}}]);
        let options = AggregateOptions { allow_disk_use, ..AggregateOptions::default() };
        let aggregate = store
            .aggregate("app", Some("many"), &late, options)
            .and_then(Iterator::collect::<Result<Vec<_>>>);
        for result in [find, aggregate] {
            match result {
                Ok(documents) => {
                    assert_ne!(allow_disk_use, Some(false));
                    let ids = documents.iter().map(|document| document.get_i32("_id").unwrap());
                    assert!(ids.eq((0..300).rev()));
                }
                Err(error) => {
                    assert_eq!(allow_disk_use, Some(false));
                    assert!(error.is(Code::EXCEEDED_MEMORY_LIMIT), "{error:?}");
                }
            }
        }
    }
}
