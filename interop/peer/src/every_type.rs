//! One document with a field for every BSON type that each algorithm allows, and its schema.

use anyhow::{Context, Result};
use bson::{Binary, Bson, Document, doc};
use serde_json::{Value, json};

const ALGORITHM: &str = "AEAD_AES_256_CBC_HMAC_SHA_512-";

/// Name of the type in a schema, whether Deterministic allows it, and a value as canonical
/// extended JSON.
fn cases() -> Vec<(&'static str, bool, Value)> {
    vec![
        ("string", true, json!("zweiundvierzig \u{1F4A7}")),
        ("binData", true, json!({"$binary": {"base64": "AAH/", "subType": "00"}})),
        ("objectId", true, json!({"$oid": "070707070707070707070707"})),
        ("date", true, json!({"$date": {"$numberLong": "-1"}})),
        ("regex", true, json!({"$regularExpression": {"pattern": "^a.*b$", "options": "im"}})),
        (
            "dbPointer",
            true,
            json!({"$dbPointer":
            {"$ref": "db.people", "$id": {"$oid": "070707070707070707070707"}}}),
        ),
        ("javascript", true, json!({"$code": "function () { return 1; }"})),
        ("symbol", true, json!({"$symbol": "old"})),
        ("int", true, json!({"$numberInt": "-2147483648"})),
        ("timestamp", true, json!({"$timestamp": {"t": 1, "i": 2}})),
        ("long", true, json!({"$numberLong": "9223372036854775807"})),
        ("double", false, json!({"$numberDouble": "-0.5"})),
        ("object", false, json!({"inner": {"deep": [{"$numberInt": "1"}, "two"]}, "empty": {}})),
        ("array", false, json!([{"$numberInt": "1"}, null, true])),
        ("bool", false, json!(false)),
        (
            "javascriptWithScope",
            false,
            json!({"$code": "x + y", "$scope": {"y": {"$numberInt": "1"}}}),
        ),
        ("decimal", false, json!({"$numberDecimal": "-1234567890.0987654321E-7"})),
    ]
}

/// The algorithms that a type is encrypted with here, as they end the field's name.
fn algorithms(deterministic: bool) -> &'static [&'static str] {
    if deterministic { &["Random", "Deterministic"] } else { &["Random"] }
}

/// The document: `<type>_Random` for every type, `<type>_Deterministic` where that is allowed.
pub(crate) fn document() -> Result<Document> {
    let mut document = Document::new();
    for (name, deterministic, value) in cases() {
        let value = Bson::try_from(value).with_context(|| format!("the value for {name}"))?;
        for algorithm in algorithms(deterministic) {
            document.insert(format!("{name}_{algorithm}"), value.clone());
        }
    }
    Ok(document)
}

/// A schema under which each field of [`document`] is encrypted as its name says.
pub(crate) fn schema(key_id: &Binary) -> Document {
    let mut properties = Document::new();
    for (name, deterministic, _) in cases() {
        for algorithm in algorithms(deterministic) {
            let rule = doc! {
                "bsonType": name,
                "algorithm": format!("{ALGORITHM}{algorithm}"),
                "keyId": [key_id.clone()],
            };
            properties.insert(format!("{name}_{algorithm}"), doc! { "encrypt": rule });
        }
    }
    doc! { "bsonType": "object", "properties": properties }
}
