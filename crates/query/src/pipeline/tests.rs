use bson::{rawbson, rawdoc};

use super::*;

fn parse(stages: RawBson) -> Result<Pipeline, QueryError> {
    Pipeline::parse(stages.as_array().unwrap())
}

#[test]
fn every_stage_reads_back_as_printed() {
    for stage in [
        rawdoc! { "$match": { "a": 1 } },
        rawdoc! { "$project": { "a": 1, "b": { "c": "$d" }, "e": { "$literal": 1 } } },
        rawdoc! { "$addFields": { "a": 1, "b": { "c": "$d" }, "e": { "$add": [1, 2] }, "f": {} } },
        rawdoc! { "$set": { "a.b": [1, "$c"] } },
        rawdoc! { "$unset": "a" },
        rawdoc! { "$unset": ["a", "b.c"] },
        rawdoc! { "$group": { "_id": "$a", "n": { "$sum": 1 }, "c": { "$count": {} } } },
        rawdoc! { "$group": { "_id": null, "t": { "$topN": { "n": 1, "sortBy": { "a.b": 1 }, "output": "$a" } } } },
        rawdoc! { "$sort": { "a": 1, "b": -1 } },
        rawdoc! { "$skip": 3_i64 },
        rawdoc! { "$limit": 3.0 },
        rawdoc! { "$sample": { "size": 3 } },
        rawdoc! { "$unwind": "$a" },
        rawdoc! { "$unwind": { "path": "$a.b", "includeArrayIndex": "i", "preserveNullAndEmptyArrays": true } },
        rawdoc! { "$replaceRoot": { "newRoot": "$a" } },
        rawdoc! { "$replaceWith": { "a": "$b" } },
        rawdoc! { "$redact": "$$KEEP" },
        rawdoc! { "$count": "n" },
        rawdoc! { "$sortByCount": "$a" },
        rawdoc! { "$bucket": { "groupBy": "$a", "boundaries": [1, 2], "default": "x", "output": { "n": { "$sum": 1 } } } },
        rawdoc! { "$bucketAuto": { "groupBy": "$a", "buckets": 3, "granularity": "R5" } },
        rawdoc! { "$facet": { "x": [{ "$match": { "a": 1 } }], "y": [] } },
        rawdoc! { "$unionWith": "c" },
        rawdoc! { "$unionWith": { "coll": "c", "pipeline": [{ "$limit": 1 }] } },
        rawdoc! { "$lookup": { "from": "c", "localField": "a", "foreignField": "b", "as": "d" } },
        rawdoc! { "$lookup": { "from": { "db": "x", "coll": "c" }, "let": { "v": "$a" }, "pipeline": [{ "$match": { "$expr": { "$eq": ["$$v", 1] } } }], "as": "d" } },
        rawdoc! { "$graphLookup": { "from": "c", "startWith": "$a", "connectFromField": "b", "connectToField": "c", "as": "d", "maxDepth": 2, "depthField": "e", "restrictSearchWithMatch": { "f": 1 } } },
        rawdoc! { "$setWindowFields": { "partitionBy": "$a", "sortBy": { "b": 1 }, "output": { "c": { "$sum": "$d", "window": { "documents": [-1, 0] } }, "r": { "$rank": {} } } } },
        rawdoc! { "$out": "c" },
        rawdoc! { "$out": { "db": "x", "coll": "c" } },
        rawdoc! { "$merge": "c" },
        rawdoc! { "$merge": { "into": "c", "on": ["a", "b"], "whenMatched": [{ "$set": { "a": "$$new.b" } }], "whenNotMatched": "fail" } },
        rawdoc! { "$documents": [{ "a": 1 }] },
        rawdoc! { "$collStats": { "count": {} } },
        rawdoc! { "$indexStats": {} },
    ] {
        let parsed = Stage::parse(&stage).unwrap_or_else(|error| panic!("{stage:?}: {error}"));
        assert_eq!(Stage::parse(&parsed.to_raw()).unwrap(), parsed, "{stage:?}");
    }
}

#[test]
fn faults_have_the_servers_codes() {
    for (stages, code) in [
        (rawbson!([{ "$foo": 1 }]), 40324),
        (rawbson!([{}]), 40323),
        (rawbson!([{ "$match": {}, "$limit": 1 }]), 40323),
        (rawbson!([1]), 14),
        (rawbson!([{ "$out": "a" }, { "$match": {} }]), 40601),
        (rawbson!([{ "$match": {} }, { "$collStats": {} }]), 40602),
        (rawbson!([{ "$limit": 0 }]), 15958),
        (rawbson!([{ "$skip": -1 }]), 5107200),
        (rawbson!([{ "$group": { "n": { "$sum": 1 } } }]), 15955),
        (rawbson!([{ "$group": { "_id": 1, "n": 1 } }]), 40234),
        (rawbson!([{ "$group": { "_id": 1, "n": { "$foo": 1 } } }]), 15952),
        (rawbson!([{ "$group": { "_id": 1, "a.b": { "$sum": 1 } } }]), 40235),
        (rawbson!([{ "$group": { "_id": 1, "a": { "$sum": 1, "$avg": 1 } } }]), 40238),
        (rawbson!([{ "$sort": {} }]), 15976),
        (rawbson!([{ "$unwind": "a" }]), 28818),
        (rawbson!([{ "$count": "" }]), 40156),
        (rawbson!([{ "$facet": { "a": [{ "$out": "x" }] } }]), 40600),
        (rawbson!([{ "$lookup": { "from": "a", "as": "b" } }]), 9),
        (
            rawbson!([{ "$lookup": { "from": "a", "as": "b", "pipeline": [{ "$out": "x" }] } }]),
            51047,
        ),
        (rawbson!([{ "$bucket": { "groupBy": "$a", "boundaries": [2, 1] } }]), 40194),
        (rawbson!([{ "$bucket": { "groupBy": "a", "boundaries": [1, 2] } }]), 40202),
        (rawbson!([{ "$bucketAuto": { "groupBy": 1, "buckets": 2 } }]), 40239),
        (rawbson!([{ "$sortByCount": "a" }]), 40148),
        (rawbson!([{ "$sortByCount": { "a": 1 } }]), 40147),
        (rawbson!([{ "$addFields": { "a": 1, "a.b": 2 } }]), 40176),
        (rawbson!([{ "$project": {} }]), 51272),
    ] {
        let error = parse(stages.clone()).unwrap_err();
        assert_eq!(error.code(), code, "{stages:?} {error}");
    }
}

#[test]
fn pipelines_may_not_nest_without_end() {
    let mut stages = rawbson!([]);
    for _ in 0..40 {
        stages = rawbson!([{ "$unionWith": { "coll": "c", "pipeline": stages } }]);
    }
    assert_eq!(parse(stages).unwrap_err().code(), 232);
}
