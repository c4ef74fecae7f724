use bson::{DateTime, RawBson, rawbson, rawdoc};

use crate::eval::expression::tests::{check, check_errors};

#[test]
fn date_arguments_that_are_wrong() {
    let document = rawdoc! { "d": DateTime::from_millis(0) };
    check_errors(
        &document,
        vec![
            (rawbson!({ "$dateFromParts": { "year": 2017, "isoWeek": 1 } }), 40489),
            (rawbson!({ "$dateFromParts": { "year": 2017, "isoWeekYear": 2017 } }), 40489),
            (rawbson!({ "$dateFromParts": { "isoWeekYear": 2017, "month": 1 } }), 40525),
            (rawbson!({ "$dateAdd": { "startDate": "x", "unit": "day", "amount": 1 } }), 5166403),
            (rawbson!({ "$dateAdd": { "startDate": "$d", "unit": 5, "amount": 1 } }), 5166404),
            (rawbson!({ "$dateAdd": { "startDate": "$d", "unit": "age", "amount": 1 } }), 9),
            (
                rawbson!({ "$dateDiff": { "startDate": "$d", "endDate": 1, "unit": "day" } }),
                5166307,
            ),
            (
                rawbson!({ "$dateDiff": { "startDate": "$d", "endDate": "$d", "unit": "age" } }),
                5439014,
            ),
            (rawbson!({ "$dateTrunc": { "date": "x", "unit": "day" } }), 5439012),
            (rawbson!({ "$dateTrunc": { "date": "$d", "unit": "day", "binSize": "x" } }), 5439017),
            (
                rawbson!({ "$dateTrunc": { "date": "$d", "unit": "week", "startOfWeek": 5 } }),
                5439015,
            ),
            (
                rawbson!({ "$dateTrunc": { "date": "$d", "unit": "week", "startOfWeek": "x" } }),
                5439016,
            ),
            (rawbson!({ "$tsIncrement": 1 }), 5687302),
        ],
    );
    // The first day of the week matters to weeks only.
    check(
        &document,
        vec![(
            rawbson!({ "$dateTrunc": { "date": "$d", "unit": "day", "startOfWeek": 5 } }),
            RawBson::DateTime(DateTime::from_millis(0)),
        )],
    );
}
