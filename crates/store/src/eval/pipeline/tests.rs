use std::collections::BTreeMap;
use std::sync::Mutex;

use bson::{DateTime, RawArrayBuf, rawbson, rawdoc};
use fieldveil_query::value::equal;

use super::*;

mod buckets;
mod disk;
mod windows;

/// Collections in memory.
#[derive(Default)]
struct Memory {
    collections: Mutex<BTreeMap<String, Vec<RawDocumentBuf>>>,
}

impl Source for Memory {
    fn documents(&self, namespace: &Namespace) -> Result<Documents, QueryError> {
        let collections = self.collections.lock().unwrap();
        Ok(listed(collections.get(&namespace.collection).cloned().unwrap_or_default()))
    }

    fn replace(&self, namespace: &Namespace, documents: Documents) -> Result<(), QueryError> {
        let list = documents.collect::<Result<_, _>>()?;
        self.collections.lock().unwrap().insert(namespace.collection.clone(), list);
        Ok(())
    }

    fn merge(
        &self,
        namespace: &Namespace,
        batch: Vec<Merging>,
        decide: Decide,
    ) -> Result<(), QueryError> {
        let mut collections = self.collections.lock().unwrap();
        let list = collections.entry(namespace.collection.clone()).or_default();
        for merging in batch {
            let place = list.iter().position(|document| {
                merging.key.iter().all(|field| {
                    let (name, value) = field.unwrap();
                    document.get(name.as_str()).unwrap().is_some_and(|found| equal(found, value))
                })
            });
            match decide(&merging, place.map(|place| &*list[place]))? {
                Write::Nothing => {}
                Write::Insert(document) => list.push(document),
                Write::Replace(document) => list[place.unwrap()] = document,
            }
        }
        Ok(())
    }

    fn report(&self, _: &str, _: &RawBson) -> Result<Option<Documents>, QueryError> {
        Ok(None)
    }
}

fn environment(source: Arc<Memory>) -> Environment {
    Environment {
        context: Context::new(DateTime::from_millis(0)),
        source,
        memory_limit: DEFAULT_MEMORY_LIMIT,
        spill: None,
    }
}

fn list(documents: &RawBson) -> Vec<RawDocumentBuf> {
    let array: &RawArrayBuf = match documents {
        RawBson::Array(array) => array,
        _ => panic!("an array is wanted"),
    };
    array.into_iter().map(|item| item.unwrap().as_document().unwrap().to_owned()).collect()
}

fn run_on(
    documents: &RawBson,
    stages: &RawBson,
    environment: &Environment,
) -> Result<Vec<RawDocumentBuf>, QueryError> {
    let pipeline = Pipeline::parse(stages.as_array().unwrap())?;
    run(&pipeline, listed(list(documents)), environment)?.collect()
}

fn check(documents: RawBson, cases: Vec<(RawBson, RawBson)>) {
    let source = Arc::new(Memory::default());
    source.collections.lock().unwrap().insert(
        "other".to_owned(),
        list(&rawbson!([{ "k": 1, "v": "one" }, { "k": [2, 3], "v": "many" }, { "v": "none" }])),
    );
    for (stages, expected) in cases {
        let found = run_on(&documents, &stages, &environment(source.clone()));
        let found = found.unwrap_or_else(|error| panic!("{stages:?}: {error}"));
        assert_eq!(found, list(&expected), "{stages:?}");
    }
}

#[test]
fn documents_are_filtered_ordered_and_reshaped() {
    check(
        rawbson!([{ "a": 3, "b": [1, 2] }, { "a": 1, "b": [] }, { "a": 2 }]),
        vec![
            (
                rawbson!([{ "$match": { "a": { "$gt": 1 } } }, { "$project": { "a": 1 } }]),
                rawbson!([{ "a": 3 }, { "a": 2 }]),
            ),
            (
                rawbson!([{ "$sort": { "a": 1 } }, { "$project": { "a": 1 } }]),
                rawbson!([{ "a": 1 }, { "a": 2 }, { "a": 3 }]),
            ),
            (
                rawbson!([{ "$sort": { "a": -1 } }, { "$limit": 1 }, { "$unset": "b" }]),
                rawbson!([{ "a": 3 }]),
            ),
            (
                rawbson!([{ "$skip": 2 }, { "$addFields": { "c": { "$add": ["$a", 1] } } }]),
                rawbson!([{ "a": 2, "c": 3 }]),
            ),
            (rawbson!([{ "$unwind": "$b" }]), rawbson!([{ "a": 3, "b": 1 }, { "a": 3, "b": 2 }])),
            (
                rawbson!([{ "$unwind": { "path": "$b", "includeArrayIndex": "i", "preserveNullAndEmptyArrays": true } }]),
                rawbson!([{ "a": 3, "b": 1, "i": 0_i64 }, { "a": 3, "b": 2, "i": 1_i64 }, { "a": 1, "i": null }, { "a": 2, "i": null }]),
            ),
            (rawbson!([{ "$count": "n" }]), rawbson!([{ "n": 3 }])),
            (rawbson!([{ "$match": { "a": 9 } }, { "$count": "n" }]), rawbson!([])),
            (
                rawbson!([{ "$limit": 1 }, { "$replaceWith": { "x": "$a" } }]),
                rawbson!([{ "x": 3 }]),
            ),
        ],
    );
}

#[test]
fn groups_gather() {
    check(
        rawbson!([{ "k": "x", "v": 1 }, { "k": "y", "v": 5 }, { "k": "x", "v": 3 }, { "v": 2 }, { "k": null, "v": 4 }]),
        vec![
            (
                rawbson!([{ "$group": { "_id": "$k", "n": { "$sum": 1 }, "s": { "$sum": "$v" }, "a": { "$avg": "$v" }, "m": { "$max": "$v" }, "f": { "$first": "$v" }, "l": { "$last": "$v" }, "p": { "$push": "$v" } } }]),
                rawbson!([
                    { "_id": null, "n": 2, "s": 6, "a": 3.0, "m": 4, "f": 2, "l": 4, "p": [2, 4] },
                    { "_id": "x", "n": 2, "s": 4, "a": 2.0, "m": 3, "f": 1, "l": 3, "p": [1, 3] },
                    { "_id": "y", "n": 1, "s": 5, "a": 5.0, "m": 5, "f": 5, "l": 5, "p": [5] }
                ]),
            ),
            (
                rawbson!([{ "$group": { "_id": null, "t": { "$topN": { "n": 2, "sortBy": { "v": -1 }, "output": "$v" } }, "b": { "$bottom": { "sortBy": { "v": -1 }, "output": "$v" } }, "x": { "$maxN": { "input": "$v", "n": 2 } }, "f": { "$firstN": { "input": "$v", "n": 2 } }, "s": { "$addToSet": "$k" }, "c": { "$count": {} } } }]),
                rawbson!([{ "_id": null, "t": [5, 4], "b": 1, "x": [5, 4], "f": [1, 5], "s": [null, "x", "y"], "c": 5 }]),
            ),
            (
                rawbson!([{ "$sortByCount": "$k" }, { "$limit": 2 }]),
                rawbson!([{ "_id": null, "count": 2 }, { "_id": "x", "count": 2 }]),
            ),
            (
                rawbson!([{ "$bucket": { "groupBy": "$v", "boundaries": [0, 3, 5], "default": "rest" } }]),
                rawbson!([{ "_id": 0, "count": 2 }, { "_id": 3, "count": 2 }, { "_id": "rest", "count": 1 }]),
            ),
            (
                rawbson!([{ "$bucketAuto": { "groupBy": "$v", "buckets": 2 } }]),
                rawbson!([{ "_id": { "min": 1, "max": 4 }, "count": 3 }, { "_id": { "min": 4, "max": 5 }, "count": 2 }]),
            ),
        ],
    );
}

#[test]
fn collections_are_joined() {
    check(
        rawbson!([{ "a": 1 }, { "a": [3, 9] }, { "b": 1 }]),
        vec![
            (
                rawbson!([{ "$lookup": { "from": "other", "localField": "a", "foreignField": "k", "as": "o" } }, { "$project": { "o.v": 1 } }]),
                rawbson!([{ "o": [{ "v": "one" }] }, { "o": [{ "v": "many" }] }, { "o": [{ "v": "none" }] }]),
            ),
            (
                rawbson!([{ "$lookup": { "from": "other", "let": { "x": "$a" }, "pipeline": [{ "$match": { "$expr": { "$eq": ["$k", "$$x"] } } }, { "$project": { "v": 1 } }], "as": "o" } }, { "$limit": 1 }]),
                rawbson!([{ "a": 1, "o": [{ "v": "one" }] }]),
            ),
            (
                rawbson!([{ "$limit": 1 }, { "$unionWith": { "coll": "other", "pipeline": [{ "$match": { "k": 2 } }] } }]),
                rawbson!([{ "a": 1 }, { "k": [2, 3], "v": "many" }]),
            ),
            (
                rawbson!([{ "$facet": { "n": [{ "$count": "c" }], "f": [{ "$limit": 1 }] } }]),
                rawbson!([{ "n": [{ "c": 3 }], "f": [{ "a": 1 }] }]),
            ),
            (rawbson!([{ "$documents": [{ "x": 1 }] }]), rawbson!([{ "x": 1 }])),
            (
                rawbson!([{ "$limit": 1 }, { "$graphLookup": { "from": "other", "startWith": "$a", "connectFromField": "next", "connectToField": "k", "as": "g", "depthField": "d" } }]),
                rawbson!([{ "a": 1, "g": [{ "k": 1, "v": "one", "d": 0_i64 }] }]),
            ),
        ],
    );
}

#[test]
fn windows_move_over_partitions() {
    check(
        rawbson!([{ "p": 1, "v": 1 }, { "p": 1, "v": 3 }, { "p": 2, "v": 5 }, { "p": 1, "v": 2 }]),
        vec![(
            rawbson!([{ "$setWindowFields": { "partitionBy": "$p", "sortBy": { "v": 1 }, "output": {
                "s": { "$sum": "$v", "window": { "documents": ["unbounded", "current"] } },
                "n": { "$documentNumber": {} },
                "prev": { "$shift": { "output": "$v", "by": -1, "default": 0 } },
                "near": { "$push": "$v", "window": { "range": [0, 1] } }
            } } }]),
            rawbson!([
                { "p": 1, "v": 1, "s": 1, "n": 1, "prev": 0, "near": [1, 2] },
                { "p": 1, "v": 2, "s": 3, "n": 2, "prev": 1, "near": [2, 3] },
                { "p": 1, "v": 3, "s": 6, "n": 3, "prev": 2, "near": [3] },
                { "p": 2, "v": 5, "s": 5, "n": 1, "prev": 0, "near": [5] }
            ]),
        )],
    );
}

#[test]
fn series_look_at_neighbours() {
    check(
        rawbson!([{ "t": 0, "v": 0, "w": 1 }, { "t": 2, "v": 4, "w": null }, { "t": 4, "v": 4, "w": 5 }]),
        vec![(
            rawbson!([{ "$setWindowFields": { "sortBy": { "t": 1 }, "output": {
                    "d": { "$derivative": { "input": "$v" }, "window": { "documents": [-1, 0] } },
                    "i": { "$integral": { "input": "$v" }, "window": { "documents": ["unbounded", "current"] } },
                    "e": { "$expMovingAvg": { "input": "$v", "alpha": 0.5 } },
                    "c": { "$covariancePop": ["$t", "$v"] },
                    "l": { "$linearFill": "$w" }
                } } }, { "$unset": ["t", "v", "w"] }]),
            rawbson!([
                { "d": null, "i": 0.0, "e": 0.0, "c": 2.6666666666666665, "l": 1 },
                { "d": 2.0, "i": 4.0, "e": 2.0, "c": 2.6666666666666665, "l": 3.0 },
                { "d": 0.0, "i": 12.0, "e": 3.0, "c": 2.6666666666666665, "l": 5 }
            ]),
        )],
    );
}

#[test]
fn gaps_are_filled() {
    check(
        rawbson!([{ "t": 2, "a": null, "b": 4 }, { "t": 0, "a": 1 }, { "t": 4, "a": 5, "b": 6 }]),
        vec![(
            rawbson!([{ "$fill": { "sortBy": { "t": 1 }, "output": { "a": { "method": "linear" }, "b": { "value": 0 } } } }]),
            rawbson!([{ "t": 0, "a": 1, "b": 0 }, { "t": 2, "a": 3.0, "b": 4 }, { "t": 4, "a": 5, "b": 6 }]),
        )],
    );
}

#[test]
fn series_are_made_dense() {
    check(
        rawbson!([{ "p": 1, "v": 0 }, { "p": 1, "v": 5 }, { "p": 2, "v": 2 }, { "p": 2 }]),
        vec![
            (
                rawbson!([{ "$densify": { "field": "v", "partitionByFields": ["p"], "range": { "step": 2, "bounds": "partition" } } }]),
                rawbson!([{ "p": 2 }, { "p": 1, "v": 0 }, { "p": 1, "v": 2 }, { "p": 1, "v": 4 }, { "p": 1, "v": 5 }, { "p": 2, "v": 2 }]),
            ),
            (
                rawbson!([{ "$match": { "p": 2, "v": 2 } }, { "$densify": { "field": "v", "range": { "step": 1, "bounds": [1, 4] } } }]),
                rawbson!([{ "v": 1 }, { "p": 2, "v": 2 }, { "v": 3 }]),
            ),
        ],
    );
    let month = |month: u8| {
        let days = [0, 31, 59, 90];
        RawBson::DateTime(DateTime::from_millis(days[usize::from(month) - 1] * 86_400_000))
    };
    check(
        rawbson!([{ "t": month(1) }, { "t": month(3) }]),
        vec![(
            rawbson!([{ "$densify": { "field": "t", "range": { "step": 1, "unit": "month", "bounds": "full" } } }]),
            rawbson!([{ "t": month(1) }, { "t": month(2) }, { "t": month(3) }]),
        )],
    );
}

#[test]
fn redaction_goes_level_by_level() {
    check(
        rawbson!([{ "level": 1, "a": { "level": 5, "x": 1 }, "b": [{ "level": 2 }, { "level": 9 }, 3] }]),
        vec![(
            rawbson!([{ "$redact": { "$cond": [{ "$lt": ["$level", 3] }, "$$DESCEND", "$$PRUNE"] } }]),
            rawbson!([{ "level": 1, "b": [{ "level": 2 }, 3] }]),
        )],
    );
}

#[test]
fn results_are_written() {
    let source = Arc::new(Memory::default());
    let environment = environment(source.clone());
    let input = rawbson!([{ "_id": 1, "a": 1 }, { "_id": 2, "a": 2 }]);
    assert!(run_on(&input, &rawbson!([{ "$out": "t" }]), &environment).unwrap().is_empty());
    let stages =
        rawbson!([{ "$match": { "_id": 2 } }, { "$project": { "b": "$a" } }, { "$merge": "t" }]);
    run_on(&input, &stages, &environment).unwrap();
    let stages = rawbson!([{ "$match": { "_id": 1 } }, { "$merge": { "into": "t", "whenMatched": [{ "$set": { "n": "$$new.a" } }] } }]);
    run_on(&input, &stages, &environment).unwrap();
    assert_eq!(
        source.collections.lock().unwrap()["t"],
        [rawdoc! { "_id": 1, "a": 1, "n": 1 }, rawdoc! { "_id": 2, "a": 2, "b": 2 }]
    );
}

#[test]
fn collections_too_large_to_hold_are_asked_for_each_document() {
    let source = Arc::new(Memory::default());
    source.collections.lock().unwrap().insert(
        "other".to_owned(),
        list(&rawbson!([{ "k": 1, "v": "one" }, { "k": [2, 3], "v": "many" }, { "v": "none" }])),
    );
    let input = rawbson!([{ "a": 1 }, { "a": [3, 9] }, { "b": 1 }]);
    for stages in [
        rawbson!([{ "$lookup": { "from": "other", "localField": "a", "foreignField": "k", "as": "o" } }]),
        rawbson!([{ "$lookup": { "from": "other", "pipeline": [{ "$match": { "k": 2 } }], "as": "o" } }]),
    ] {
        let mut environment = environment(source.clone());
        let held = run_on(&input, &stages, &environment).unwrap();
        environment.memory_limit = 10;
        assert_eq!(run_on(&input, &stages, &environment).unwrap(), held, "{stages:?}");
    }
}

#[test]
fn limits_and_absent_stages_are_errors() {
    let mut environment = environment(Arc::new(Memory::default()));
    environment.memory_limit = 50;
    let input =
        rawbson!([{ "a": "some text that takes a while" }, { "a": "and a bit more of it" }]);
    for stages in [
        rawbson!([{ "$sort": { "a": 1 } }]),
        rawbson!([{ "$group": { "_id": "$a" } }]),
        rawbson!([{ "$group": { "_id": null, "a": { "$first": "$$ROOT" } } }]),
        rawbson!([{ "$group": { "_id": null, "a": { "$firstN": { "n": 9, "input": "$a" } } } }]),
        rawbson!([{ "$facet": { "x": [] } }]),
    ] {
        assert_eq!(run_on(&input, &stages, &environment).unwrap_err().code(), 292, "{stages:?}");
    }
    for stages in [rawbson!([{ "$geoNear": {} }]), rawbson!([{ "$search": {} }])] {
        assert_eq!(run_on(&input, &stages, &environment).unwrap_err().code(), 238, "{stages:?}");
    }
}
