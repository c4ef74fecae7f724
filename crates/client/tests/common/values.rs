//! A value of each BSON type.

use bson::{Binary, Bson, doc, oid::ObjectId, raw::cstr, spec::BinarySubtype};

/// A value, its type's name in schemas, and whether it may be encrypted deterministically.
pub(crate) struct Value {
    pub(crate) name: &'static str,
    pub(crate) value: Bson,
    pub(crate) deterministic: bool,
}

/// Every type that can be encrypted at all.
pub(crate) fn every_type() -> Vec<Value> {
    let binary = Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2, 3] };
    let regex = bson::Regex { pattern: cstr!("^a").to_owned(), options: cstr!("i").to_owned() };
    let with_scope =
        bson::JavaScriptCodeWithScope { code: "f()".to_owned(), scope: doc! { "a": 1 } };
    let id = ObjectId::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    let value = |name, value, deterministic| Value { name, value, deterministic };
    vec![
        value("double", Bson::Double(1.5), false),
        value("string", Bson::String("text".to_owned()), true),
        value("object", Bson::Document(doc! { "a": { "b": 1 } }), false),
        value("array", Bson::Array(vec![1.into(), "two".into()]), false),
        value("binData", Bson::Binary(binary), true),
        value("objectId", Bson::ObjectId(id), true),
        value("bool", Bson::Boolean(true), false),
        value("date", Bson::DateTime(bson::DateTime::from_millis(12345)), true),
        value("regex", Bson::RegularExpression(regex), true),
        value("javascript", Bson::JavaScriptCode("f()".to_owned()), true),
        value("symbol", Bson::Symbol("symbol".to_owned()), true),
        value("javascriptWithScope", Bson::JavaScriptCodeWithScope(with_scope), false),
        value("int", Bson::Int32(7), true),
        value("timestamp", Bson::Timestamp(bson::Timestamp { time: 1, increment: 2 }), true),
        value("long", Bson::Int64(1 << 40), true),
        value("decimal", Bson::Decimal128("1.5".parse().unwrap()), false),
    ]
}

/// The types that cannot be encrypted.
pub(crate) fn never_encrypted() -> Vec<Bson> {
    let ciphertext = Binary { subtype: BinarySubtype::Encrypted, bytes: vec![0; 40] };
    vec![Bson::Null, Bson::Undefined, Bson::MinKey, Bson::MaxKey, ciphertext.into()]
}
