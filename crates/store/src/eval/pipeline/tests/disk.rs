//! Stages that go on on disk come to what they come to in memory.

use super::*;

/// What stages make of documents in memory, after it was seen that with less memory they go on on disk
/// to the same end, or fail where they may not.
fn on_disk(
    documents: &[RawDocumentBuf],
    stages: &RawBson,
    memory_limit: usize,
    is_ordered: bool,
) -> Vec<RawDocumentBuf> {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::parse(stages.as_array().unwrap()).unwrap();
    let mut environment = environment(Arc::new(Memory::default()));
    let results = |environment: &Environment| {
        let results = run(&pipeline, listed(documents.to_vec()), environment)?;
        let mut results = results.collect::<Result<Vec<_>, _>>()?;
        if !is_ordered {
            results.sort_by(|left, right| left.as_bytes().cmp(right.as_bytes()));
        }
        Ok::<_, QueryError>(results)
    };
    let held = results(&environment).unwrap();
    environment.memory_limit = memory_limit;
    assert_eq!(results(&environment).unwrap_err().code(), 292, "{stages:?}");
    environment.spill = Some(Arc::from(directory.path()));
    let spilled = results(&environment).unwrap_or_else(|error| panic!("{stages:?}: {error}"));
    assert!(spilled == held, "{stages:?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    held
}

/// A value of one of many types.
fn mixed(n: i32) -> RawBson {
    match n % 7 {
        0 => rawbson!(n % 50),
        1 => rawbson!(f64::from(n % 50)),
        2 => rawbson!([n % 40, "x"]),
        3 => rawbson!({ "a": n % 30 }),
        4 => rawbson!(format!("text {}", n % 60)),
        5 => rawbson!([]),
        _ => RawBson::Null,
    }
}

/// Documents in no order, with values of many types.
fn documents() -> Vec<RawDocumentBuf> {
    (0..2000_i32)
        .map(|n| n.wrapping_mul(7919) % 2000)
        .map(|n| rawdoc! { "k": mixed(n), "n": n, "s": "y".repeat((n % 90) as usize) })
        .collect()
}

#[test]
fn groups_that_do_not_fit_are_made_on_disk() {
    for fields in [
        rawdoc! { "sum": { "$sum": "$n" }, "first": { "$first": "$s" } },
        rawdoc! { "list": { "$push": "$n" }, "last": { "$last": "$s" }, "most": { "$max": "$s" } },
        rawdoc! { "set": { "$addToSet": { "$mod": ["$n", 9] } }, "median": {
        "$median": { "input": "$n", "method": "approximate" } } },
        rawdoc! { "top": { "$topN": { "n": 3, "sortBy": { "n": -1 }, "output": "$s" } } },
        rawdoc! { "few": { "$lastN": { "n": 2, "input": "$s" } }, "m": { "$mergeObjects": "$$ROOT" } },
    ] {
        let mut stage = rawdoc! { "_id": "$k" };
        for field in fields.iter() {
            let (name, value) = field.unwrap();
            stage.append(name, RawBson::from(value));
        }
        on_disk(&documents(), &rawbson!([{ "$group": stage }]), 12_000, false);
    }
}

/// How many documents are in each bucket, the straightforward way.
fn bucket_sizes(documents: &[RawDocumentBuf], buckets: usize) -> Vec<i32> {
    let mut values: Vec<RawBson> = documents
        .iter()
        .map(|document| document.get("k").unwrap().map_or(RawBson::Null, RawBson::from))
        .collect();
    let order = |left: &RawBson, right: &RawBson| {
        fieldveil_query::value::compare(left.as_raw_bson_ref(), right.as_raw_bson_ref())
    };
    values.sort_by(order);
    let size = (values.len() as f64 / buckets as f64).round().max(1.0) as usize;
    let mut sizes = Vec::new();
    let mut start = 0;
    while start < values.len() {
        let mut end = (start + size).min(values.len());
        if sizes.len() + 1 == buckets {
            end = values.len();
        }
        while end < values.len() && order(&values[end - 1], &values[end]).is_eq() {
            end += 1;
        }
        sizes.push((end - start) as i32);
        start = end;
    }
    sizes
}

#[test]
fn buckets_are_made_on_disk() {
    for buckets in [1, 7, 150, 5000] {
        let stage = rawdoc! {
            "groupBy": "$k", "buckets": buckets,
            "output": { "count": { "$sum": 1 }, "most": { "$max": "$s" }, "sum": { "$sum": "$n" } },
        };
        let found = on_disk(&documents(), &rawbson!([{ "$bucketAuto": stage }]), 40_000, true);
        let sizes: Vec<i32> = found.iter().map(|it| it.get_i32("count").unwrap()).collect();
        assert_eq!(sizes, bucket_sizes(&documents(), buckets as usize));
    }
    let numbers: Vec<_> = (0..3000_i32).map(|n| rawdoc! { "k": (n * 7919) % 1000 }).collect();
    let stage = rawdoc! { "groupBy": "$k", "buckets": 6, "granularity": "R10" };
    let found = on_disk(&numbers, &rawbson!([{ "$bucketAuto": stage }]), 10_000, true);
    let sum: i32 = found.iter().map(|it| it.get_i32("count").unwrap()).sum();
    assert_eq!(sum, 3000);
}

#[test]
fn one_bucket_has_to_fit() {
    let directory = tempfile::tempdir().unwrap();
    let mut environment = environment(Arc::new(Memory::default()));
    environment.memory_limit = 10_000;
    environment.spill = Some(Arc::from(directory.path()));
    let output = rawdoc! { "all": { "$push": "$$ROOT" } };
    let stage = rawdoc! { "groupBy": "$n", "buckets": 2, "output": output };
    let pipeline = rawbson!([{ "$bucketAuto": stage }]);
    let pipeline = Pipeline::parse(pipeline.as_array().unwrap()).unwrap();
    let found = run(&pipeline, listed(documents()), &environment).unwrap();
    assert_eq!(found.collect::<Result<Vec<_>, _>>().unwrap_err().code(), 292);
}

/// Documents with numbers, gaps, dates and a group, in no order.
fn series() -> Vec<RawDocumentBuf> {
    (0..900_i32)
        .map(|n| n.wrapping_mul(7919) % 900)
        .map(|n| {
            let gap = if n % 3 == 0 { RawBson::Null } else { rawbson!(n % 50) };
            rawdoc! {
                "p": mixed_group(n), "t": n / 2, "v": n % 11, "gap": gap,
                "at": DateTime::from_millis(i64::from(n) * 1000), "s": "y".repeat((n % 90) as usize),
            }
        })
        .collect()
}

fn mixed_group(n: i32) -> RawBson {
    match n % 5 {
        0 => rawbson!("a"),
        1 => rawbson!(1),
        2 => rawbson!(1.0),
        3 => rawbson!({ "x": 1 }),
        _ => RawBson::Null,
    }
}

#[test]
fn windows_go_on_on_disk_and_so_do_partitions() {
    let window = |low: RawBson, high: RawBson| rawdoc! { "documents": [low, high] };
    let range = |low: RawBson, high: RawBson| rawdoc! { "range": [low, high] };
    let open = || rawbson!("unbounded");
    let now = || rawbson!("current");
    let output = rawdoc! {
        "number": { "$documentNumber": {} },
        "total": { "$sum": "$v", "window": window(open(), now()) },
        "all": { "$sum": "$v" },
        "moving": { "$avg": "$v", "window": window(rawbson!(-20), rawbson!(300)) },
        "list": { "$push": "$v", "window": window(rawbson!(-3), rawbson!(-1)) },
        "near": { "$max": "$s", "window": range(rawbson!(-7), rawbson!(30)) },
        "below": { "$count": {}, "window": range(open(), now()) },
        "rank": { "$rank": {} },
        "dense": { "$denseRank": {} },
        "later": { "$shift": { "output": "$v", "by": 250, "default": "none" } },
        "earlier": { "$shift": { "output": "$v", "by": -40 } },
        "kept": { "$locf": "$gap" },
        "line": { "$linearFill": "$gap" },
        "average": { "$expMovingAvg": { "input": "$v", "N": 4 } },
        "slope": { "$derivative": { "input": "$v" }, "window": window(rawbson!(-9), now()) },
        "area": { "$integral": { "input": "$v" }, "window": window(now(), rawbson!(9)) },
        "both": { "$covariancePop": ["$v", "$t"], "window": window(rawbson!(-9), now()) },
    };
    for partition in [RawBson::Null, rawbson!("$p")] {
        for order in [1, -1] {
            let stage = rawdoc! {
                "partitionBy": partition.clone(), "sortBy": { "t": order }, "output": output.clone(),
            };
            let stages = rawbson!([{ "$setWindowFields": stage }]);
            assert_eq!(on_disk(&series(), &stages, 12_000, true).len(), 900);
        }
    }
    let by_time = rawdoc! {
        "sortBy": { "at": 1 },
        "output": {
            "near": { "$sum": "$v", "window": { "range": [-2, 1], "unit": "minute" } },
            "slope": { "$derivative": { "input": "$v", "unit": "hour" }, "window": window(rawbson!(-1), now()) },
        },
    };
    on_disk(&series(), &rawbson!([{ "$setWindowFields": by_time }]), 12_000, true);
    let fill = rawdoc! {
        "partitionBy": "$p", "sortBy": { "t": 1 },
        "output": { "gap": { "method": "linear" }, "v": { "value": 0 } },
    };
    on_disk(&series(), &rawbson!([{ "$fill": fill }]), 12_000, true);
}

#[test]
fn what_a_window_gathers_has_to_fit() {
    let directory = tempfile::tempdir().unwrap();
    let mut environment = environment(Arc::new(Memory::default()));
    environment.memory_limit = 12_000;
    environment.spill = Some(Arc::from(directory.path()));
    let stages = rawbson!([{ "$setWindowFields": { "output": { "all": { "$push": "$$ROOT" } } } }]);
    let pipeline = Pipeline::parse(stages.as_array().unwrap()).unwrap();
    let found = run(&pipeline, listed(series()), &environment).unwrap();
    assert_eq!(found.collect::<Result<Vec<_>, _>>().unwrap_err().code(), 292);
}
