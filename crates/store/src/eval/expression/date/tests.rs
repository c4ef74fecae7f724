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

fn from_string(text: &str) -> RawBson {
    rawbson!({ "$dateFromString": { "dateString": text } })
}

#[test]
fn dates_as_people_write_them() {
    let cases = [
        ("July 4th, 2017", "2017-07-04T00:00:00Z"),
        ("jul 4 2017", "2017-07-04T00:00:00Z"),
        ("4 July 2017", "2017-07-04T00:00:00Z"),
        ("4th of July", ""),
        ("04-Jul-2017", "2017-07-04T00:00:00Z"),
        ("Tue, 4 Jul 2017 11:56:02 GMT", "2017-07-04T11:56:02Z"),
        ("Tue Jul 04 2017 11:56:02 GMT+0200", "2017-07-04T09:56:02Z"),
        ("Jul 4 2017 11:56 PM", "2017-07-04T23:56:00Z"),
        ("Jul 4 2017, 12am", "2017-07-04T00:00:00Z"),
        ("7/4/2017", "2017-07-04T00:00:00Z"),
        ("2017/07/04 11:56:02.5", "2017-07-04T11:56:02.500Z"),
        ("4.7.2017", "2017-07-04T00:00:00Z"),
        ("4-7-2017 08:00", "2017-07-04T08:00:00Z"),
        ("2017-07-04T11:56:02 Europe/London", "2017-07-04T10:56:02Z"),
        ("2017-07-04 11:56:02 EST", "2017-07-04T16:56:02Z"),
        ("July 4 2017 America/New_York", "2017-07-04T04:00:00Z"),
        ("July 2017", ""),
        ("13:00", ""),
        ("Jul 4 2017 13 PM", ""),
        ("Jul 4 2017 11", ""),
        ("Feb 30 2017", ""),
        ("2017-02-30", ""),
        ("7/4/17", ""),
        ("July 4 2017 Nowhere", ""),
        ("Friday", ""),
        ("", ""),
        ("Jul 4 2017é", ""),
    ];
    for (text, expected) in cases {
        match expected {
            "" => check_errors(&rawdoc! {}, vec![(from_string(text), 241)]),
            moment => {
                let moment = DateTime::parse_rfc3339_str(moment).unwrap();
                check(&rawdoc! {}, vec![(from_string(text), RawBson::DateTime(moment))]);
            }
        }
    }
    let given = rawbson!({ "$dateFromString": {
        "dateString": "July 4 2017 EST", "timezone": "Europe/Berlin", "onError": "two zones",
    } });
    check(&rawdoc! {}, vec![(given, rawbson!("two zones"))]);
}
