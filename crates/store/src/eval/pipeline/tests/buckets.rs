//! Bounds of `$bucketAuto` that are rounded to a series.

use super::*;

/// The buckets of documents with these values: lower bound, upper bound, count.
fn buckets(values: &[i32], buckets: i32, granularity: &str) -> Vec<(f64, f64, i32)> {
    let documents: RawArrayBuf = values.iter().map(|value| rawdoc! { "x": *value }).collect();
    let stage = rawdoc! { "groupBy": "$x", "buckets": buckets, "granularity": granularity };
    let stages = rawbson!([{ "$bucketAuto": stage }]);
    let environment = environment(Arc::new(Memory::default()));
    let found = run_on(&RawBson::Array(documents), &stages, &environment).unwrap();
    let number = |bound: Option<bson::RawBsonRef<'_>>| {
        fieldveil_query::value::Number::new(bound.unwrap()).unwrap().to_f64()
    };
    found
        .iter()
        .map(|bucket| {
            let id = bucket.get_document("_id").unwrap();
            let (low, high) = (id.get("min").unwrap(), id.get("max").unwrap());
            (number(low), number(high), bucket.get_i32("count").unwrap())
        })
        .collect()
}

/// The example of MongoDB's manual, under "Comparing Different Granularities".
#[test]
fn a_hundred_numbers_in_five_buckets() {
    let values: Vec<i32> = (0..100).collect();
    for (granularity, expected) in [
        ("R20", &[(0, 20, 20), (20, 40, 20), (40, 63, 23), (63, 90, 27), (90, 100, 10)][..]),
        ("E24", &[(0, 20, 20), (20, 43, 23), (43, 68, 25), (68, 91, 23), (91, 100, 9)]),
        ("1-2-5", &[(0, 20, 20), (20, 50, 30), (50, 100, 50)]),
        ("POWERSOF2", &[(0, 32, 32), (32, 64, 32), (64, 128, 36)]),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|(low, high, count)| (f64::from(*low), f64::from(*high), *count))
            .collect();
        assert_eq!(buckets(&values, 5, granularity), expected, "{granularity}");
    }
}

#[test]
fn the_first_bound_is_rounded_down_and_the_others_up() {
    assert_eq!(buckets(&[1, 15, 24, 30, 50], 2, "R5"), [(0.63, 25.0, 3), (25.0, 63.0, 2)]);
    assert_eq!(buckets(&[0, 5, 10, 15, 30], 2, "R5"), [(0.0, 16.0, 4), (16.0, 40.0, 1)]);
    assert_eq!(buckets(&[0, 5, 10, 14, 15], 2, "R5"), [(0.0, 16.0, 5)]);
}

#[test]
fn zero_is_not_rounded() {
    assert_eq!(buckets(&[0, 0, 1, 1], 2, "R5"), [(0.0, 0.63, 2), (0.63, 1.6, 2)]);
    assert_eq!(buckets(&[0, 0, 0], 2, "R5"), [(0.0, 0.0, 3)]);
}

#[test]
fn what_cannot_be_rounded_is_refused() {
    let environment = environment(Arc::new(Memory::default()));
    for (value, granularity, code) in [
        (rawbson!(1), rawbson!("R7"), 40257),
        (rawbson!(1), rawbson!(5), 40261),
        (rawbson!("1"), rawbson!("R5"), 40258),
        (RawBson::Null, rawbson!("R5"), 40258),
        (rawbson!(f64::NAN), rawbson!("E6"), 40259),
        (rawbson!(-1), rawbson!("POWERSOF2"), 40260),
    ] {
        let stage = rawdoc! { "groupBy": "$x", "buckets": 2, "granularity": granularity };
        let documents = rawbson!([{ "x": 1 }, { "x": value }]);
        let result = run_on(&documents, &rawbson!([{ "$bucketAuto": stage }]), &environment);
        assert_eq!(result.unwrap_err().code(), code);
    }
}
