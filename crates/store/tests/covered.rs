//! Answers made of index keys are those that the documents give.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bson::raw::{RawArrayBuf, RawBson};
use bson::{Bson, Document, RawDocumentBuf, doc, rawdoc};
use fieldveil_store::{
    AggregateOptions, CountOptions, DistinctOptions, ExplainTarget, FindOptions, Interrupt,
    Namespace, Store, UpdateStatement, Verbosity, WriteOptions,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn things() -> Namespace {
    Namespace::new("app", "things").unwrap()
}

/// Values that compare as equal and are not the same, and others.
fn value() -> impl Strategy<Value = Bson> {
    prop_oneof![
        3 => (-2..3_i32).prop_map(Bson::Int32),
        2 => (-2..3_i64).prop_map(Bson::Int64),
        2 => (-2..3_i32).prop_map(|n| Bson::Double(f64::from(n))),
        1 => prop_oneof![Just(-0.0), Just(f64::NAN), Just(1.5), Just(f64::NEG_INFINITY)]
            .prop_map(Bson::Double),
        1 => prop_oneof![Just("1.0"), Just("2"), Just("NaN"), Just("-Infinity"), Just("1.25")]
            .prop_map(|text| Bson::Decimal128(text.parse().unwrap())),
        1 => prop_oneof![Just(i64::MAX), Just((1 << 53) + 1), Just(i64::MIN)].prop_map(Bson::Int64),
        2 => Just(Bson::Null),
        3 => "[ab\\x00]{0,3}".prop_map(Bson::String),
        1 => "[ab]{0,1}".prop_map(Bson::Symbol),
        1 => any::<bool>().prop_map(Bson::Boolean),
        1 => (-1..2_i64).prop_map(|ms| Bson::DateTime(bson::DateTime::from_millis(ms))),
        1 => (0..2_u32).prop_map(|n| Bson::Timestamp(bson::Timestamp { time: 1, increment: n })),
        1 => (0..2_u8).prop_map(|n| Bson::ObjectId([n; 12].into())),
        1 => (0..2_u8).prop_map(|n| Bson::Binary(bson::Binary {
            subtype: (4 + n).into(), bytes: vec![n; 16],
        })),
        1 => prop_oneof![Just(Bson::MinKey), Just(Bson::MaxKey), Just(Bson::Undefined)],
        1 => Just(Bson::Document(doc! {"x": 1})),
    ]
}

fn document() -> impl Strategy<Value = Document> {
    let field =
        |name: &'static str| proptest::option::weighted(0.8, value().prop_map(move |v| (name, v)));
    let inner = prop_oneof![
        6 => (field("d"), field("e")).prop_map(|(d, e)| {
            Some(Bson::Document(d.into_iter().chain(e).map(|(n, v)| (n.to_owned(), v)).collect()))
        }),
        1 => value().prop_map(Some),
        1 => Just(None),
    ];
    (field("a"), field("b"), inner).prop_map(|(a, b, inner)| {
        let inner = inner.map(|value| ("c", value));
        a.into_iter().chain(b).chain(inner).map(|(n, v)| (n.to_owned(), v)).collect()
    })
}

fn predicate() -> impl Strategy<Value = Bson> {
    let one = |operator: &'static str| {
        value().prop_map(move |value| Bson::Document(doc! {operator: value}))
    };
    prop_oneof![
        4 => value(),
        2 => one("$gt"),
        2 => one("$gte"),
        2 => one("$lt"),
        2 => one("$lte"),
        1 => one("$ne"),
        2 => vec(value(), 0..4).prop_map(|values| Bson::Document(doc! {"$in": values})),
        2 => (value(), value()).prop_map(|(low, high)| Bson::Document(doc! {"$gte": low, "$lt": high})),
        1 => any::<bool>().prop_map(|flag| Bson::Document(doc! {"$exists": flag})),
        1 => Just(Bson::Document(doc! {"$type": "long"})),
        1 => Just(Bson::Document(doc! {"$not": {"$mod": [2, 1]}})),
        1 => Just(Bson::Document(doc! {"$regex": "^a"})),
    ]
}

fn path() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("a"), 3 => Just("b"), 2 => Just("c.d"), 1 => Just("c.e")]
}

fn filter() -> impl Strategy<Value = Document> {
    let fields = || {
        vec((path(), predicate()), 1..4).prop_map(|fields| {
            fields.into_iter().map(|(n, v)| (n.to_owned(), v)).collect::<Document>()
        })
    };
    prop_oneof![
        8 => fields(),
        1 => (fields(), vec(fields(), 1..3)).prop_map(|(mut all, branches)| {
            all.insert("$or", branches);
            all
        }),
    ]
}

fn projection() -> impl Strategy<Value = Document> {
    (vec(path(), 1..4), any::<bool>()).prop_map(|(paths, with_id)| {
        let mut projection: Document =
            paths.into_iter().map(|path| (path.to_owned(), Bson::Int32(1))).collect();
        if !with_id {
            projection.insert("_id", 0);
        }
        projection
    })
}

fn store(documents: &[Document]) -> Store {
    let store = Store::in_memory().unwrap();
    let indexes = [
        rawdoc! {"key": {"a": 1, "b": -1, "c.d": 1, "_id": 1}, "name": "a"},
        rawdoc! {"key": {"b": 1, "a": -1}, "name": "b"},
        rawdoc! {"key": {"c.d": -1, "c.e": 1, "a": 1}, "name": "c"},
        rawdoc! {"key": {"a": -1, "_id": 1}, "name": "u", "unique": true},
    ];
    store.create_indexes(&things(), &indexes, &Interrupt::never()).unwrap();
    let documents = documents.iter().enumerate().map(|(id, document)| {
        let mut with_id = doc! {"_id": i64::try_from(id).unwrap()};
        with_id.extend(document.clone());
        raw(&with_id)
    });
    let options = WriteOptions::default();
    let outcome = store.insert(&things(), documents.collect(), &options).unwrap();
    assert!(outcome.errors.is_empty());
    store
}

fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).unwrap()
}

/// A document with its fields by name: covered answers have them in the order of the index.
fn by_name(document: &RawDocumentBuf) -> Vec<u8> {
    fn sorted(document: Document) -> Document {
        let mut fields: Vec<(String, Bson)> = document
            .into_iter()
            .map(|(name, value)| match value {
                Bson::Document(inner) => (name, Bson::Document(sorted(inner))),
                other => (name, other),
            })
            .collect();
        fields.sort_by(|left, right| left.0.cmp(&right.0));
        fields.into_iter().collect()
    }
    raw(&sorted(Document::try_from(document.as_ref()).unwrap())).into_bytes()
}

fn found(store: &Store, options: FindOptions) -> Vec<Vec<u8>> {
    let cursor = store.find(&things(), options).unwrap();
    let mut found: Vec<_> = cursor.map(|document| by_name(&document.unwrap())).collect();
    found.sort();
    found
}

fn natural() -> Option<RawBson> {
    Some(RawBson::Document(rawdoc! {"$natural": 1}))
}

fn named(name: &str) -> Option<RawBson> {
    Some(RawBson::String(name.into()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn keys_give_what_documents_give(
        documents in vec(document(), 1..25),
        changed in vec((path(), value()), 0..4),
        queries in vec((filter(), projection()), 1..12),
    ) {
        let store = store(&documents);
        for (number, (path, value)) in changed.into_iter().enumerate() {
            let set = raw(&doc! {"$set": {path: value}});
            let statement = UpdateStatement::one(rawdoc! {"_id": i64::try_from(number).unwrap()}, set);
            // Some have no way to the field.
            store.update(&things(), vec![statement], &WriteOptions::default()).unwrap();
        }
        prop_assert_eq!(store.check(&Interrupt::never()).unwrap(), []);
        for (filter, projection) in queries {
            let with = |hint| FindOptions {
                filter: Some(raw(&filter)),
                projection: Some(raw(&projection)),
                hint,
                ..FindOptions::default()
            };
            // Some operands are refused.
            if store.find(&things(), with(natural())).is_err() {
                continue;
            }
            let expected = found(&store, with(natural()));
            let count = |hint| {
                let options = CountOptions { filter: Some(raw(&filter)), hint, ..CountOptions::default() };
                usize::try_from(store.count(&things(), options).unwrap()).unwrap()
            };
            for hint in [None, named("a"), named("b"), named("c"), named("u")] {
                prop_assert_eq!(&found(&store, with(hint.clone())), &expected, "{:?} {}", hint, filter);
                prop_assert_eq!(count(hint.clone()), expected.len(), "{:?} {}", hint, filter);
                // The same, sorted and in a pipeline.
                let sorted = FindOptions { sort: Some(rawdoc! {"b": 1, "a": 1}), ..with(hint.clone()) };
                prop_assert_eq!(&found(&store, sorted), &expected, "{:?} {}", hint, filter);
                let stages: RawArrayBuf = [
                    rawdoc! {"$match": raw(&filter)}, rawdoc! {"$project": raw(&projection)},
                ].into_iter().collect();
                let options = AggregateOptions { hint: hint.clone(), ..AggregateOptions::default() };
                let cursor = store.aggregate("app", Some("things"), &stages, options).unwrap();
                let mut piped: Vec<_> = cursor.map(|document| by_name(&document.unwrap())).collect();
                piped.sort();
                prop_assert_eq!(&piped, &expected, "{:?} {}", hint, filter);
            }
            for path in ["a", "b", "c.d"] {
                let values = |hint| {
                    let options = DistinctOptions { filter: Some(raw(&filter)), hint, ..DistinctOptions::default() };
                    store.distinct(&things(), path, options).unwrap().into_iter().count()
                };
                prop_assert_eq!(values(None), values(natural()), "{} {}", path, filter);
            }
        }
    }
}

/// The stages of the plan from the outermost in, and how many documents were read.
fn plan(store: &Store, target: &ExplainTarget) -> (Vec<String>, i32) {
    let explained = store.explain(&things(), target, Verbosity::ExecutionStats).unwrap();
    let explained = match explained.get_array("stages") {
        Ok(stages) => {
            let first = stages.get(0).unwrap().unwrap().as_document().unwrap();
            first.get_document("$cursor").unwrap().to_owned()
        }
        Err(_) => explained,
    };
    let mut stage =
        explained.get_document("queryPlanner").unwrap().get_document("winningPlan").unwrap();
    let mut names = Vec::new();
    loop {
        names.push(stage.get_str("stage").unwrap().to_owned());
        match stage.get_document("inputStage") {
            Ok(inner) => stage = inner,
            Err(_) => break,
        }
    }
    let stats = explained.get_document("executionStats").unwrap();
    (names, stats.get_i32("totalDocsExamined").unwrap())
}

fn simple_store() -> Store {
    let documents: Vec<Document> =
        (0..20).map(|n| doc! {"a": n % 4, "b": format!("b{n}"), "c": {"d": n}}).collect();
    store(&documents)
}

#[test]
fn covered_queries_read_no_documents() {
    let store = simple_store();
    let find = |filter, projection, sort| {
        let options = FindOptions {
            filter: Some(filter),
            projection: Some(projection),
            sort: Some(sort),
            ..FindOptions::default()
        };
        plan(&store, &ExplainTarget::Find(Box::new(options)))
    };
    let covered = (vec!["PROJECTION_COVERED".to_owned(), "IXSCAN".to_owned()], 0);
    let none = || rawdoc! {};
    assert_eq!(find(rawdoc! {"a": 1}, rawdoc! {"b": 1, "_id": 0}, none()), covered);
    assert_eq!(find(rawdoc! {"a": 1}, rawdoc! {"_id": 1}, rawdoc! {"b": -1}), covered);
    assert_eq!(find(rawdoc! {"a": 1}, rawdoc! {"c.d": 1}, none()), covered);
    assert_eq!(
        find(rawdoc! {"a": 1, "b": {"$regex": "1"}}, rawdoc! {"b": 1, "_id": 0}, none()),
        covered
    );
    let stages = |stages: &[&str], documents| {
        (stages.iter().map(|stage| (*stage).to_owned()).collect::<Vec<_>>(), documents)
    };
    assert_eq!(
        find(rawdoc! {"a": 1}, rawdoc! {"b": 1, "c.d": 1, "_id": 0}, rawdoc! {"c.d": 1}),
        stages(&["PROJECTION_COVERED", "SORT", "IXSCAN"], 0)
    );
    assert_eq!(
        find(rawdoc! {"a": 1}, rawdoc! {"x": {"$concat": ["$b", "!"]}, "_id": 0}, none()),
        stages(&["PROJECTION_DEFAULT", "IXSCAN"], 0)
    );
    assert_eq!(
        find(rawdoc! {"a": 1}, rawdoc! {"c": 1}, none()),
        stages(&["PROJECTION_SIMPLE", "FETCH", "IXSCAN"], 5)
    );
    assert_eq!(
        find(rawdoc! {"a": 1}, rawdoc! {"c": 0}, none()),
        stages(&["PROJECTION_SIMPLE", "FETCH", "IXSCAN"], 5)
    );
    assert_eq!(
        find(rawdoc! {"a": 1}, rawdoc! {"c.x": 1}, none()),
        stages(&["PROJECTION_DEFAULT", "FETCH", "IXSCAN"], 5)
    );
}

#[test]
fn counts_and_pipelines_read_no_documents() {
    let store = simple_store();
    let count = |filter| {
        let options = CountOptions { filter: Some(filter), ..CountOptions::default() };
        plan(&store, &ExplainTarget::Count(Box::new(options)))
    };
    let stages = |stages: &[&str], documents| {
        (stages.iter().map(|stage| (*stage).to_owned()).collect::<Vec<_>>(), documents)
    };
    assert_eq!(count(rawdoc! {"a": 1}), stages(&["COUNT", "COUNT_SCAN"], 0));
    assert_eq!(count(rawdoc! {"a": 1, "b": {"$lt": "b2"}}), stages(&["COUNT", "COUNT_SCAN"], 0));
    assert_eq!(count(rawdoc! {"a": {"$in": [1, 2]}}), stages(&["COUNT", "IXSCAN"], 0));
    assert_eq!(count(rawdoc! {"a": 1, "b": {"$ne": "b2"}}), stages(&["COUNT", "IXSCAN"], 0));
    assert_eq!(count(rawdoc! {"a": 1, "x": 1}), stages(&["COUNT", "FETCH", "IXSCAN"], 5));
    let options = || {
        Box::new(DistinctOptions { filter: Some(rawdoc! {"a": 1}), ..DistinctOptions::default() })
    };
    let distinct = ExplainTarget::Distinct("b".into(), options());
    assert_eq!(plan(&store, &distinct).1, 0);
    let pipeline = |group| {
        let stages = [rawdoc! {"$match": {"a": {"$gte": 1}}}, rawdoc! {"$group": group}];
        let options = Box::new(AggregateOptions::default());
        plan(&store, &ExplainTarget::Aggregate(stages.into_iter().collect(), options))
    };
    assert_eq!(pipeline(rawdoc! {"_id": 1, "n": {"$sum": 1}}), stages(&["IXSCAN"], 0));
    assert_eq!(
        pipeline(rawdoc! {"_id": "$b", "n": {"$max": "$a"}}),
        stages(&["PROJECTION_COVERED", "IXSCAN"], 0)
    );
    assert_eq!(pipeline(rawdoc! {"_id": "$c"}), stages(&["FETCH", "IXSCAN"], 15));
}

#[test]
fn a_number_in_a_path_leaves_the_filter_to_be_applied() {
    let store = Store::in_memory().unwrap();
    let index = rawdoc! {"key": {"a.0": 1}, "name": "p"};
    store.create_indexes(&things(), &[index], &Interrupt::never()).unwrap();
    let documents = vec![rawdoc! {"_id": 1, "a": []}, rawdoc! {"_id": 2, "a": {"0": null}}];
    store.insert(&things(), documents, &WriteOptions::default()).unwrap();
    for hint in [named("p"), natural()] {
        let options =
            CountOptions { filter: Some(rawdoc! {"a.0": null}), hint, ..CountOptions::default() };
        assert_eq!(store.count(&things(), options).unwrap(), 1);
    }
}

#[test]
fn fields_come_in_the_order_of_the_index() {
    let store = store(&[doc! {"b": 1, "a": 2_i64}]);
    let options = FindOptions {
        filter: Some(rawdoc! {"a": 2}),
        projection: Some(rawdoc! {"b": 1, "a": 1, "_id": 0}),
        hint: named("a"),
        ..FindOptions::default()
    };
    let found: Vec<_> = store.find(&things(), options).unwrap().map(Result::unwrap).collect();
    assert_eq!(found, [rawdoc! {"a": 2_i64, "b": 1}]);
}

#[test]
fn an_array_ends_the_covering() {
    let store = simple_store();
    let array = vec![rawdoc! {"_id": 100, "a": 1, "b": ["x", "y"]}];
    store.insert(&things(), array, &WriteOptions::default()).unwrap();
    let options = FindOptions {
        filter: Some(rawdoc! {"a": 1}),
        projection: Some(rawdoc! {"b": 1, "_id": 0}),
        ..FindOptions::default()
    };
    let (stages, documents) = plan(&store, &ExplainTarget::Find(Box::new(options.clone())));
    assert_eq!((stages.concat().contains("FETCH"), documents), (true, 6));
    let last = store.find(&things(), options).unwrap().any(|found| {
        found.unwrap().get_array("b").is_ok_and(|array| array.into_iter().count() == 2)
    });
    assert!(last);
}
