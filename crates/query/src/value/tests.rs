use bson::raw::RawBson;
use bson::spec::BinarySubtype;
use bson::{Binary, rawdoc};

use super::*;

fn decimal(text: &str) -> RawBson {
    RawBson::Decimal128(text.parse().unwrap())
}

#[test]
fn types_and_values_are_in_order() {
    let binary = |subtype, bytes: &[u8]| RawBson::Binary(Binary { subtype, bytes: bytes.to_vec() });
    let sorted: Vec<RawBson> = vec![
        RawBson::MinKey,
        RawBson::Undefined,
        RawBson::Null,
        RawBson::Double(f64::NAN),
        RawBson::Double(f64::NEG_INFINITY),
        decimal("-1E+300"),
        RawBson::Int64(i64::MIN),
        RawBson::Int32(-1),
        RawBson::Double(-0.0),
        RawBson::Double(0.1),
        RawBson::Int32(1),
        decimal("1.5"),
        RawBson::Int64(9007199254740992),
        RawBson::Int64(9007199254740993),
        RawBson::Int64(i64::MAX),
        RawBson::Double(9223372036854775808.0),
        decimal("Infinity"),
        RawBson::String(String::new()),
        RawBson::String("a".into()),
        RawBson::String("b".into()),
        RawBson::Document(rawdoc! {}),
        RawBson::Document(rawdoc! { "b": 1 }),
        RawBson::Document(rawdoc! { "b": 1, "a": 1 }),
        RawBson::Document(rawdoc! { "b": 2 }),
        RawBson::Document(rawdoc! { "a": "x" }),
        RawBson::Array(bson::rawbson!([]).as_array().unwrap().to_owned()),
        bson::rawbson!([1]),
        bson::rawbson!([1, 1]),
        bson::rawbson!([2]),
        binary(BinarySubtype::UserDefined(200), &[1]),
        binary(BinarySubtype::Generic, &[0, 0]),
        binary(BinarySubtype::Uuid, &[0, 0]),
        binary(BinarySubtype::Generic, &[0, 0, 0, 0]),
        // Its own length comes before it.
        binary(BinarySubtype::BinaryOld, &[]),
        binary(BinarySubtype::Uuid, &[0, 0, 0, 0]),
        binary(BinarySubtype::BinaryOld, &[0]),
        binary(BinarySubtype::BinaryOld, &[1]),
        RawBson::Boolean(false),
        RawBson::Boolean(true),
        RawBson::DateTime(bson::DateTime::from_millis(-1)),
        RawBson::DateTime(bson::DateTime::from_millis(0)),
        RawBson::Timestamp(bson::Timestamp { time: 1, increment: 2 }),
        RawBson::Timestamp(bson::Timestamp { time: 2, increment: 1 }),
        RawBson::JavaScriptCode("x".into()),
        RawBson::MaxKey,
    ];
    for (i, left) in sorted.iter().enumerate() {
        for (j, right) in sorted.iter().enumerate() {
            let order = compare(left.as_raw_bson_ref(), right.as_raw_bson_ref());
            assert_eq!(order, i.cmp(&j), "{left:?} {right:?}");
        }
    }
}

#[test]
fn numbers_are_equal_across_types() {
    let ones = [RawBson::Int32(1), RawBson::Int64(1), RawBson::Double(1.0), decimal("1.00")];
    for left in &ones {
        for right in &ones {
            assert!(equal(left.as_raw_bson_ref(), right.as_raw_bson_ref()));
        }
    }
    assert!(equal(RawBsonRef::Double(0.0), RawBsonRef::Double(-0.0)));
    assert!(equal(RawBsonRef::Double(f64::NAN), decimal("NaN").as_raw_bson_ref()));
    assert!(!equal(RawBsonRef::Double(0.1), decimal("0.1").as_raw_bson_ref()));
}

#[test]
fn truth() {
    assert!(is_truthy(RawBsonRef::String("")));
    assert!(is_truthy(RawBsonRef::Double(f64::NAN)));
    for value in [RawBsonRef::Null, RawBsonRef::Boolean(false), RawBsonRef::Double(-0.0)] {
        assert!(!is_truthy(value));
    }
    assert!(!is_truthy(decimal("0.00").as_raw_bson_ref()));
}

#[test]
fn type_names_and_numbers_agree() {
    for number in (1..=19).chain([-1, 127]) {
        let kind = BsonType::from_number(number).unwrap();
        assert_eq!(BsonType::from_name(kind.name()), Some(kind));
        assert_eq!(i64::from(kind.number()), number);
    }
    assert!(BsonType::from_number(0).is_none());
}
