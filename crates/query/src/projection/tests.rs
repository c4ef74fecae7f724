use bson::rawdoc;

use super::*;

#[test]
fn modes_follow_from_the_fields() {
    for (document, mode) in [
        (rawdoc! {}, Mode::Exclusion),
        (rawdoc! { "_id": 0 }, Mode::Exclusion),
        (rawdoc! { "_id": 1 }, Mode::Inclusion),
        (rawdoc! { "_id": 0, "a": 1 }, Mode::Inclusion),
        (rawdoc! { "_id": 1, "a": 0 }, Mode::Exclusion),
        (rawdoc! { "a": { "b": 1 } }, Mode::Inclusion),
        (rawdoc! { "a": { "$slice": 1 } }, Mode::Exclusion),
        (rawdoc! { "_id": 1, "a": { "$slice": 1 } }, Mode::Inclusion),
        (rawdoc! { "a": { "$elemMatch": { "b": 1 } } }, Mode::Inclusion),
        (rawdoc! { "a": "$b" }, Mode::Inclusion),
        (rawdoc! { "a.$": 1 }, Mode::Inclusion),
    ] {
        assert_eq!(Projection::parse_find(&document).unwrap().mode, mode, "{document:?}");
    }
}

#[test]
fn what_is_printed_reads_back() {
    for document in [
        rawdoc! { "a": { "b": 1, "c": { "d": true } }, "_id": false },
        rawdoc! { "a": 0, "b.c": 0 },
        rawdoc! { "a": { "$slice": [1, 2] }, "b": { "$slice": -3 } },
        rawdoc! { "a": { "$elemMatch": { "b": 1 } } },
        rawdoc! { "a.b.$": 1 },
        rawdoc! { "a": { "$literal": 1 }, "b": { "$add": ["$c", 1] }, "d": ["$e"] },
        rawdoc! { "a": { "$meta": "textScore" } },
    ] {
        let parsed = Projection::parse_find(&document).unwrap();
        let again = Projection::parse_find(&parsed.to_raw()).unwrap();
        assert_eq!(again, parsed, "{document:?}");
    }
}

#[test]
fn faults_have_the_servers_codes() {
    for (document, code) in [
        (rawdoc! { "a": 1, "b": 0 }, 31254),
        (rawdoc! { "a": 0, "b": 1 }, 31253),
        (rawdoc! { "a": 0, "b": "$c" }, 31252),
        (rawdoc! { "a": 1, "a.b": 1 }, 31249),
        (rawdoc! { "a": { "b": 1 }, "a.b": 1 }, 31250),
        (rawdoc! { "a": {} }, 51270),
        (rawdoc! { "a.$": 1, "b.$": 1 }, 31276),
        (rawdoc! { "a.$": 0 }, 31395),
        (rawdoc! { "$a": 1 }, 16410),
        (rawdoc! { "a": { "$foo": 1 } }, 168),
    ] {
        let error = Projection::parse_find(&document).unwrap_err();
        assert_eq!(error.code(), code, "{document:?} {error}");
    }
    assert_eq!(Projection::parse_stage(&rawdoc! {}).unwrap_err().code(), 51272);
}
