//! What `explain` shows, and that indexes are used where they help.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_store::{
    CountOptions, DistinctOptions, ExplainTarget, FindOptions, Interrupt, Namespace, Store,
    Verbosity, WriteOptions,
};

fn things() -> Namespace {
    Namespace::new("app", "things").unwrap()
}

fn store() -> Store {
    let store = Store::in_memory().unwrap();
    let documents =
        (0..100).map(|n| rawdoc! {"_id": n, "a": n % 10, "b": n, "c": "text"}).collect();
    store.insert(&things(), documents, &WriteOptions::default()).unwrap();
    let indexes = [
        rawdoc! {"key": {"a": 1, "b": -1}, "name": "a_b"},
        rawdoc! {"key": {"c": 1}, "name": "c", "partialFilterExpression": {"b": {"$gt": 50}}},
        rawdoc! {"key": {"d": 1}, "name": "d", "sparse": true},
    ];
    store.create_indexes(&things(), &indexes, &Interrupt::never()).unwrap();
    store
}

fn explain(store: &Store, options: FindOptions) -> RawDocumentBuf {
    let target = ExplainTarget::Find(Box::new(options));
    store.explain(&things(), &target, Verbosity::ExecutionStats).unwrap()
}

/// The names of the stages from the outermost in, and the index's name.
fn stages(explained: &RawDocumentBuf) -> Vec<String> {
    let planner = explained.get_document("queryPlanner").unwrap();
    let mut stage = planner.get_document("winningPlan").unwrap();
    let mut names = Vec::new();
    loop {
        names.push(stage.get_str("stage").unwrap().to_owned());
        if let Ok(index) = stage.get_str("indexName") {
            names.push(index.to_owned());
        }
        match stage.get_document("inputStage") {
            Ok(inner) => stage = inner,
            Err(_) => return names,
        }
    }
}

fn examined(explained: &RawDocumentBuf) -> (i32, i32, i32) {
    let stats = explained.get_document("executionStats").unwrap();
    let number = |name| stats.get_i32(name).unwrap();
    (number("nReturned"), number("totalKeysExamined"), number("totalDocsExamined"))
}

#[test]
fn plans_fit_the_filter() {
    let store = store();
    let cases = [
        (rawdoc! {"_id": 5}, rawdoc! {}, vec!["IDHACK"], (1, 1, 1)),
        (rawdoc! {"a": 3}, rawdoc! {}, vec!["FETCH", "IXSCAN", "a_b"], (10, 10, 10)),
        (
            rawdoc! {"a": {"$in": [3, 4]}, "b": {"$gte": 50}},
            rawdoc! {},
            vec!["FETCH", "IXSCAN", "a_b"],
            (10, 10, 10),
        ),
        (rawdoc! {"b": 3}, rawdoc! {}, vec!["COLLSCAN"], (1, 0, 100)),
        (rawdoc! {"a": 3}, rawdoc! {"b": 1}, vec!["FETCH", "IXSCAN", "a_b"], (10, 10, 10)),
        (rawdoc! {"a": 3}, rawdoc! {"c": 1}, vec!["SORT", "FETCH", "IXSCAN", "a_b"], (10, 10, 10)),
        (rawdoc! {}, rawdoc! {"a": -1}, vec!["FETCH", "IXSCAN", "a_b"], (100, 100, 100)),
        (rawdoc! {"c": "text"}, rawdoc! {}, vec!["COLLSCAN"], (100, 0, 100)),
        (
            rawdoc! {"c": "text", "b": {"$gt": 60}},
            rawdoc! {},
            vec!["FETCH", "IXSCAN", "c"],
            (39, 49, 49),
        ),
        (rawdoc! {"d": null}, rawdoc! {}, vec!["COLLSCAN"], (100, 0, 100)),
        (rawdoc! {"d": 1}, rawdoc! {}, vec!["FETCH", "IXSCAN", "d"], (0, 0, 0)),
        (rawdoc! {"$or": [{"a": 1}, {"_id": 7}]}, rawdoc! {}, vec!["FETCH", "OR"], (11, 11, 11)),
    ];
    for (filter, sort, expected, counts) in cases {
        let options = FindOptions {
            filter: Some(filter.clone()),
            sort: Some(sort.clone()),
            ..FindOptions::default()
        };
        let explained = explain(&store, options);
        assert_eq!(stages(&explained), expected, "{filter:?} {sort:?}");
        assert_eq!(examined(&explained), counts, "{filter:?} {sort:?}");
    }
}

#[test]
fn bounds_are_readable() {
    let filter = rawdoc! {"a": {"$gt": 3, "$lte": 5}, "b": {"$gte": 1}};
    let explained =
        explain(&store(), FindOptions { filter: Some(filter), ..FindOptions::default() });
    let planner = explained.get_document("queryPlanner").unwrap();
    let scan = planner.get_document("winningPlan").unwrap().get_document("inputStage").unwrap();
    let expected = rawdoc! {"a": ["(3, 5]"], "b": ["[1, inf]"]};
    assert_eq!(scan.get_document("indexBounds").unwrap().to_owned(), expected);
}

#[test]
fn count_and_distinct_agree_with_find() {
    let store = store();
    let count = |filter, skip, limit| {
        let options = CountOptions { filter, skip, limit, ..CountOptions::default() };
        store.count(&things(), options).unwrap()
    };
    assert_eq!(count(None, 0, 0), 100);
    assert_eq!(count(None, 95, 10), 5);
    assert_eq!(count(Some(rawdoc! {"a": 3}), 0, 0), 10);
    assert_eq!(count(Some(rawdoc! {"a": 3}), 8, 5), 2);
    let options =
        DistinctOptions { filter: Some(rawdoc! {"b": {"$lt": 3}}), ..DistinctOptions::default() };
    let values = store.distinct(&things(), "a", options).unwrap();
    assert_eq!(rawdoc! {"v": values}, rawdoc! {"v": [0, 1, 2]});
}

#[test]
fn min_and_max_bound_the_hinted_index() {
    let store = store();
    let options = FindOptions {
        min: Some(rawdoc! {"a": 3, "b": 50}),
        max: Some(rawdoc! {"a": 4, "b": 90}),
        hint: Some(bson::RawBson::String("a_b".into())),
        ..FindOptions::default()
    };
    let found: Vec<i32> = store
        .find(&things(), options)
        .unwrap()
        .map(|document| document.unwrap().get_i32("_id").unwrap())
        .collect();
    // `b` descends: from 3/43 down, then 4/94.
    assert_eq!(found, [43, 33, 23, 13, 3, 94]);
    let unhinted = FindOptions { min: Some(rawdoc! {"a": 1}), ..FindOptions::default() };
    assert_eq!(store.find(&things(), unhinted).unwrap_err().code(), 51173);
}
