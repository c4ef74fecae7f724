use bson::{RawBsonRef, rawdoc};

use super::*;

fn key(document: &RawDocument) -> Vec<u8> {
    encoded(document.get("v").unwrap().unwrap(), None).unwrap()
}

#[test]
fn types_ascend_in_bson_order() {
    let documents = [
        rawdoc! {"v": bson::RawBson::MinKey},
        rawdoc! {"v": bson::RawBson::Undefined},
        rawdoc! {"v": bson::RawBson::Null},
        rawdoc! {"v": 1e300},
        rawdoc! {"v": ""},
        rawdoc! {"v": "a"},
        rawdoc! {"v": "a\0"},
        rawdoc! {"v": "a\0b"},
        rawdoc! {"v": "a\u{1}"},
        rawdoc! {"v": "ab"},
        rawdoc! {"v": {}},
        rawdoc! {"v": {"a": 1}},
        rawdoc! {"v": {"a": 1, "b": 1}},
        rawdoc! {"v": {"b": 0}},
        rawdoc! {"v": {"a": "x"}},
        rawdoc! {"v": []},
        rawdoc! {"v": [1]},
        rawdoc! {"v": [1, 2]},
        rawdoc! {"v": [2]},
        rawdoc! {"v": bson::Binary { subtype: BinarySubtype::Generic, bytes: vec![9, 9] }},
        rawdoc! {"v": bson::Binary { subtype: BinarySubtype::Uuid, bytes: vec![0, 0] }},
        rawdoc! {"v": bson::Binary { subtype: BinarySubtype::Generic, bytes: vec![0, 0, 0] }},
        rawdoc! {"v": bson::oid::ObjectId::from_bytes([0; 12])},
        rawdoc! {"v": false},
        rawdoc! {"v": true},
        rawdoc! {"v": bson::DateTime::from_millis(-1)},
        rawdoc! {"v": bson::DateTime::from_millis(1)},
        rawdoc! {"v": bson::Timestamp { time: 1, increment: 0 }},
        rawdoc! {"v": bson::RawBson::JavaScriptCode("a".into())},
        rawdoc! {"v": bson::RawBson::MaxKey},
    ];
    let keys: Vec<Vec<u8>> = documents.iter().map(|document| key(document)).collect();
    for (pair, documents) in keys.windows(2).zip(documents.windows(2)) {
        assert!(pair[0] < pair[1], "{documents:?} {pair:x?}");
        let inverted: Vec<Vec<u8>> = pair
            .iter()
            .map(|key| {
                let mut key = key.clone();
                invert(&mut key);
                key
            })
            .collect();
        assert!(inverted[0] > inverted[1], "descending {documents:?}");
    }
}

#[test]
fn symbol_equals_string() {
    assert_eq!(
        encoded(RawBsonRef::Symbol("a"), None).unwrap(),
        encoded(RawBsonRef::String("a"), None).unwrap()
    );
}
