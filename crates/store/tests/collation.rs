//! Collations of collections and indexes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bson::raw::{RawArrayBuf, RawDocumentBuf};
use bson::rawdoc;
use fieldveil_store::{
    Code, DeleteStatement, DistinctOptions, ExplainTarget, FindOptions, IndexChoice, Interrupt,
    Namespace, Store, Verbosity, WriteOptions,
};

fn people() -> Namespace {
    Namespace::new("app", "people").unwrap()
}

/// Letters count, and neither their case nor their accents do.
fn letters_only() -> RawDocumentBuf {
    rawdoc! {"locale": "en", "strength": 1}
}

fn insert(store: &Store, documents: Vec<RawDocumentBuf>) -> Option<i32> {
    let outcome = store.insert(&people(), documents, &WriteOptions::default()).unwrap();
    outcome.errors.first().map(|failed| failed.error.code())
}

fn index(store: &Store, spec: RawDocumentBuf) {
    store.create_indexes(&people(), &[spec], &Interrupt::never()).unwrap();
}

fn names(store: &Store, options: FindOptions) -> Vec<String> {
    let found = store.find(&people(), options).unwrap();
    found.map(|document| document.unwrap().get_str("name").unwrap().to_owned()).collect()
}

fn stage(store: &Store, options: FindOptions) -> String {
    let target = ExplainTarget::Find(Box::new(options));
    let plan = store.explain(&people(), &target, Verbosity::QueryPlanner).unwrap();
    bson::Document::try_from(plan).unwrap().to_string()
}

fn named(name: &str) -> FindOptions {
    FindOptions { filter: Some(rawdoc! {"name": name}), ..FindOptions::default() }
}

fn three_people(store: &Store) {
    let documents = ["Zoe", "anna", "Béa"].map(|name| rawdoc! {"name": name}).to_vec();
    assert_eq!(insert(store, documents), None);
}

#[test]
fn commands_inherit_the_collation_of_their_collection() {
    let store = Store::in_memory().unwrap();
    store.create_collection(&people(), &rawdoc! {"collation": letters_only()}).unwrap();
    three_people(&store);
    assert_eq!(names(&store, named("BEA")), ["Béa"]);
    let sorted = FindOptions { sort: Some(rawdoc! {"name": 1}), ..FindOptions::default() };
    assert_eq!(names(&store, sorted), ["anna", "Béa", "Zoe"]);
    let simple = rawdoc! {"locale": "simple"};
    let by_bytes = FindOptions { collation: Some(simple.clone()), ..named("BEA") };
    assert!(names(&store, by_bytes).is_empty());

    assert_eq!(insert(&store, vec![rawdoc! {"name": "ZOE"}]), None);
    let distinct = store.distinct(&people(), "name", DistinctOptions::default()).unwrap();
    assert_eq!(distinct.into_iter().count(), 3);
    let mut pipeline = RawArrayBuf::new();
    pipeline.push(rawdoc! {"$group": {"_id": "$name"}});
    let groups = store.aggregate("app", Some("people"), &pipeline, Default::default()).unwrap();
    assert_eq!(groups.count(), 3);
    let delete = DeleteStatement {
        filter: rawdoc! {"name": "zoé"},
        only_one: false,
        hint: None,
        collation: Some(simple),
    };
    let inheriting = DeleteStatement { collation: None, ..delete.clone() };
    store.delete(&people(), vec![delete], &WriteOptions::default()).unwrap();
    assert_eq!(names(&store, FindOptions::default()).len(), 4);
    store.delete(&people(), vec![inheriting], &WriteOptions::default()).unwrap();
    assert_eq!(names(&store, FindOptions::default()), ["anna", "Béa"]);
}

#[test]
fn a_collection_shows_its_collation_and_hands_it_to_its_indexes() {
    let store = Store::in_memory().unwrap();
    store.create_collection(&people(), &rawdoc! {"collation": letters_only()}).unwrap();
    index(&store, rawdoc! {"key": {"name": 1}, "name": "inherited"});
    let simple = rawdoc! {"locale": "simple"};
    index(&store, rawdoc! {"key": {"name": 1}, "name": "simple", "collation": simple});
    let indexes = store.list_indexes(&people()).unwrap();
    let collations: Vec<bool> =
        indexes.iter().map(|index| index.get("collation").unwrap().is_some()).collect();
    assert_eq!(collations, [true, true, false]);
    let options = store.list_collections("app");
    let collation = options.first().unwrap().get_document("options").unwrap();
    let collation = collation.get_document("collation").unwrap();
    assert_eq!(collation.get_i32("strength").unwrap(), 1);
    assert_eq!(collation.get_str("alternate").unwrap(), "non-ignorable");

    let by_key = IndexChoice::Key(rawdoc! {"name": 1});
    let error = store.drop_indexes(&people(), &by_key).unwrap_err();
    assert!(error.is(Code::AMBIGUOUS_INDEX_KEY_PATTERN));
    assert_eq!(insert(&store, vec![rawdoc! {"_id": "a"}, rawdoc! {"_id": "A"}]), Some(11000));
    let by_id = FindOptions { filter: Some(rawdoc! {"_id": "Á"}), ..FindOptions::default() };
    assert!(stage(&store, by_id.clone()).contains("IDHACK"));
    assert_eq!(store.find(&people(), by_id).unwrap().count(), 1);
}

#[test]
fn an_index_serves_queries_of_its_own_collation() {
    let store = Store::in_memory().unwrap();
    three_people(&store);
    let spec = rawdoc! {
        "key": {"name": 1}, "name": "letters", "unique": true, "collation": letters_only(),
    };
    index(&store, spec);
    assert_eq!(insert(&store, vec![rawdoc! {"name": "ANNA"}]), Some(11000));

    let collated = |options| FindOptions { collation: Some(letters_only()), ..options };
    assert!(stage(&store, collated(named("ANNA"))).contains("IXSCAN"));
    assert_eq!(names(&store, collated(named("ANNA"))), ["anna"]);
    let range = rawdoc! {"name": {"$gt": "ANNA", "$lte": "zoe"}};
    let range = FindOptions {
        filter: Some(range),
        sort: Some(rawdoc! {"name": -1}),
        ..FindOptions::default()
    };
    assert!(!stage(&store, collated(range.clone())).contains("SORT"));
    assert_eq!(names(&store, collated(range)), ["Zoe", "Béa"]);

    assert!(stage(&store, named("anna")).contains("COLLSCAN"));
    assert_eq!(names(&store, named("anna")), ["anna"]);
    assert!(names(&store, named("ANNA")).is_empty());
    let other = rawdoc! {"locale": "en", "strength": 3};
    let other = FindOptions { collation: Some(other), ..named("ANNA") };
    assert!(stage(&store, other).contains("COLLSCAN"));
    let prefix = rawdoc! {"name": {"$regex": "^an"}};
    let prefix = FindOptions { filter: Some(prefix), ..FindOptions::default() };
    assert_eq!(names(&store, prefix.clone()), ["anna"]);
    assert_eq!(names(&store, collated(prefix)), ["anna"]);
}

#[test]
fn a_partial_index_misses_nothing_that_a_collation_makes_equal() {
    let store = Store::in_memory().unwrap();
    let spec = rawdoc! {
        "key": {"x": 1}, "name": "partial", "partialFilterExpression": {"name": "anna"},
    };
    index(&store, spec);
    assert_eq!(insert(&store, vec![rawdoc! {"name": "Anna", "x": 1}]), None);
    let filter = Some(rawdoc! {"name": "anna", "x": 1});
    let find = FindOptions { filter, collation: Some(letters_only()), ..FindOptions::default() };
    assert_eq!(names(&store, find), ["Anna"]);
}

#[test]
fn a_unique_partial_index_covers_what_its_collation_makes_equal() {
    let store = Store::in_memory().unwrap();
    let spec = rawdoc! {
        "key": {"x": 1}, "name": "partial", "unique": true, "collation": letters_only(),
        "partialFilterExpression": {"name": "anna"},
    };
    index(&store, spec);
    assert_eq!(insert(&store, vec![rawdoc! {"name": "Anna", "x": 1}]), None);
    assert_eq!(insert(&store, vec![rawdoc! {"name": "ANNA", "x": 1}]), Some(11000));
}

#[test]
fn collations_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Store::open(folder.path().join("data"), Default::default()).unwrap();
    let store = open();
    store.create_collection(&people(), &rawdoc! {"collation": letters_only()}).unwrap();
    index(&store, rawdoc! {"key": {"name": 1}, "name": "inherited", "unique": true});
    three_people(&store);
    drop(store);
    let store = open();
    assert_eq!(insert(&store, vec![rawdoc! {"name": "ZOE"}]), Some(11000));
    assert_eq!(names(&store, named("BEA")), ["Béa"]);
    assert!(store.check(&Interrupt::never()).unwrap().is_empty());
}
