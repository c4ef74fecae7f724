//! Whatever is encrypted comes back; whatever is fed does not panic.

use bson::{Binary, RawBson, RawDocumentBuf, rawdoc, spec::BinarySubtype};
use fieldveil_core::{Algorithm, ExplicitOptions};
use proptest::prelude::*;

use crate::outside::{Outside, encrypted};

/// Values of types that both algorithms allow.
fn comparable() -> impl Strategy<Value = RawBson> {
    prop_oneof![
        ".{0,40}".prop_map(RawBson::String),
        proptest::collection::vec(any::<u8>(), 0..80).prop_map(|bytes| {
            RawBson::Binary(Binary { subtype: BinarySubtype::Generic, bytes })
        }),
        any::<[u8; 12]>().prop_map(|bytes| RawBson::ObjectId(bytes.into())),
        any::<i64>().prop_map(|ms| RawBson::DateTime(bson::DateTime::from_millis(ms))),
        any::<i32>().prop_map(RawBson::Int32),
        any::<i64>().prop_map(RawBson::Int64),
        any::<(u32, u32)>().prop_map(|(time, increment)| {
            RawBson::Timestamp(bson::Timestamp { time, increment })
        }),
        "[a-z]{0,9}".prop_map(RawBson::Symbol),
        "[a-z]{0,9}".prop_map(RawBson::JavaScriptCode),
    ]
}

/// Values of all types that may be encrypted.
fn any_value() -> impl Strategy<Value = RawBson> {
    prop_oneof![
        comparable(),
        any::<f64>().prop_map(RawBson::Double),
        any::<bool>().prop_map(RawBson::Boolean),
        any::<[u8; 16]>()
            .prop_map(|bytes| RawBson::Decimal128(bson::Decimal128::from_bytes(bytes))),
        comparable().prop_map(|value| {
            let mut inner = rawdoc! { "x": 1 };
            inner.append(bson::raw::cstr!("y"), value);
            RawBson::Document(rawdoc! { "list": [ { "z": inner }, 2 ] })
        }),
    ]
}

fn message(value: &RawBson) -> RawDocumentBuf {
    let mut message = rawdoc! {};
    message.append(bson::raw::cstr!("v"), value.clone());
    message
}

fn round_trip(value: &RawBson, algorithm: Algorithm) {
    let mut outside = Outside::new();
    let options = ExplicitOptions {
        key_id: Some(outside.make_key(&[])),
        algorithm: Some(algorithm),
        ..ExplicitOptions::new()
    };
    let message = message(value);
    let result = outside.encrypt(&message, &options).unwrap();
    let back = outside.run(|crypt, env| crypt.decrypt_value(&result, env)).unwrap();
    assert_eq!(back.as_bytes(), message.as_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn decryption_undoes_random_encryption(value in any_value()) {
        round_trip(&value, Algorithm::Random);
    }

    #[test]
    fn decryption_undoes_deterministic_encryption(value in comparable()) {
        round_trip(&value, Algorithm::Deterministic);
    }

    #[test]
    fn any_content_is_decrypted_or_refused(
        first in 0u8..20,
        content in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut outside = Outside::new();
        outside.make_key(&[]);
        let mut bytes = vec![first];
        bytes.extend_from_slice(&content);
        let _ = outside.decrypt(&rawdoc! { "a": { "b": encrypted(bytes) } });
    }
}
