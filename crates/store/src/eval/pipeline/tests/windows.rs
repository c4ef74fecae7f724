//! Windows by distance against looking at every pair of rows.

use super::*;

/// Row `n` of a sort key that has gaps and repetitions.
fn key(n: i32) -> Option<i32> {
    let spread = n.wrapping_mul(7919) % 101;
    (spread % 9 != 0).then_some(spread / 3)
}

/// The rows in the window of a row, the straightforward way.
fn window(rows: &[i32], row: i32, low: Option<i32>, high: Option<i32>) -> Vec<i32> {
    let Some(current) = key(row) else { return vec![row] };
    let is_in = |other: &&i32| {
        let Some(distance) = key(**other).map(|key| key - current) else { return false };
        low.is_none_or(|low| distance >= low) && high.is_none_or(|high| distance <= high)
    };
    rows.iter().filter(is_in).copied().collect()
}

#[test]
fn windows_by_distance_hold_the_rows_that_are_near() {
    let documents: RawArrayBuf = (0..200)
        .map(|n| match key(n) {
            Some(key) => rawdoc! { "n": n, "t": key },
            None => rawdoc! { "n": n },
        })
        .collect();
    let documents = RawBson::Array(documents);
    let environment = environment(Arc::new(Memory::default()));
    let bound = |bound: Option<i32>| bound.map_or_else(|| rawbson!("unbounded"), |it| rawbson!(it));
    for descending in [false, true] {
        let mut rows: Vec<i32> = (0..200).collect();
        rows.sort_by_key(|n| key(*n));
        if descending {
            rows.sort_by_key(|n| std::cmp::Reverse(key(*n)));
        }
        for (low, high) in [
            (Some(-4), Some(0)),
            (Some(0), Some(6)),
            (Some(-3), Some(2)),
            (Some(2), Some(9)),
            (Some(-9), Some(-2)),
            (None, Some(1)),
            (Some(-1), None),
            (None, None),
        ] {
            let near = rawdoc! { "$push": "$n", "window": { "range": [bound(low), bound(high)] } };
            let stage = rawdoc! {
                "sortBy": { "t": if descending { -1 } else { 1 } }, "output": { "near": near },
            };
            let found =
                run_on(&documents, &rawbson!([{ "$setWindowFields": stage }]), &environment);
            for document in found.unwrap() {
                let row = document.get_i32("n").unwrap();
                let near = document.get_array("near").unwrap().into_iter();
                let near: Vec<i32> = near.map(|n| n.unwrap().as_i32().unwrap()).collect();
                assert_eq!(near, window(&rows, row, low, high), "{row}: {low:?} to {high:?}");
            }
        }
    }
}

#[test]
fn numbers_and_dates_have_no_distance() {
    let documents = rawbson!([{ "t": 1 }, { "t": DateTime::from_millis(5) }]);
    let stage = rawdoc! {
        "sortBy": { "t": 1 },
        "output": { "near": { "$count": {}, "window": { "range": [-1, 1] } } },
    };
    let environment = environment(Arc::new(Memory::default()));
    let found = run_on(&documents, &rawbson!([{ "$setWindowFields": stage }]), &environment);
    assert_eq!(found.unwrap_err().code(), 5429414);
}

fn counts(documents: &RawBson, window: RawDocumentBuf) -> Result<Vec<i32>, QueryError> {
    let stage = rawdoc! {
        "sortBy": { "t": 1 }, "output": { "near": { "$count": {}, "window": window } },
    };
    let environment = environment(Arc::new(Memory::default()));
    let found = run_on(documents, &rawbson!([{ "$setWindowFields": stage }]), &environment)?;
    Ok(found.iter().map(|document| document.get_i32("near").unwrap()).collect())
}

#[test]
fn months_of_a_window_are_those_of_the_calendar() {
    let day = |text: &str| DateTime::parse_rfc3339_str(format!("{text}T00:00:00Z")).unwrap();
    let documents = rawbson!([
        { "t": day("2024-01-31") }, { "t": day("2024-02-29") }, { "t": day("2024-03-01") },
        { "t": day("2025-01-31") }, { "t": day("2025-02-28") },
    ]);
    let range =
        |low: RawBson, high: RawBson, unit: &str| rawdoc! { "range": [low, high], "unit": unit };
    for (low, high, unit, expected) in [
        (rawbson!("current"), rawbson!(1), "month", [2, 2, 1, 2, 1]),
        (rawbson!(-1), rawbson!("current"), "month", [1, 2, 2, 1, 2]),
        (rawbson!(0), rawbson!(1), "quarter", [3, 2, 1, 2, 1]),
        (rawbson!("unbounded"), rawbson!(1), "year", [4, 5, 5, 5, 5]),
    ] {
        assert_eq!(counts(&documents, range(low, high, unit)).unwrap(), expected, "{unit}");
    }
    let numbers = rawbson!([{ "t": 1 }]);
    assert!(counts(&numbers, range(rawbson!(0), rawbson!(1), "month")).is_err());
}

#[test]
fn bounds_that_contradict_each_other_are_refused() {
    let documents = rawbson!([{ "t": 1 }]);
    for window in [
        rawdoc! { "range": [0, 1], "documents": [0, 1] },
        rawdoc! { "unit": "day", "documents": [0, 1] },
        rawdoc! { "unit": "day" },
        rawdoc! { "range": [0, 1], "unit": "age" },
        rawdoc! { "range": [0, 1.5], "unit": "day" },
    ] {
        assert_eq!(counts(&documents, window.clone()).unwrap_err().code(), 9, "{window:?}");
    }
}
