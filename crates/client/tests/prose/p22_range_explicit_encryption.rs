//! 22. Range Explicit Encryption: the cases without a server's help.
//!
//! Cases 2 to 5 find stored payloads, which needs a server with Queryable Encryption; that the
//! expressions of these cases are encrypted at all is tested here.

use bson::{Binary, Bson, DateTime, Document, doc, spec::BinarySubtype};
use fieldveil::{Algorithm, ClientEncryption, Encrypt, RangeOptions};

use crate::setup::Deployment;

/// One of the specification's types: how a number is written in it, and its index.
struct Type {
    name: &'static str,
    value: fn(i32) -> Bson,
    has_bounds: bool,
    precision: Option<i32>,
}

const TYPES: [Type; 7] = [
    Type { name: "DecimalNoPrecision", value: decimal, has_bounds: false, precision: None },
    Type { name: "DecimalPrecision", value: decimal, has_bounds: true, precision: Some(2) },
    Type { name: "DoubleNoPrecision", value: double, has_bounds: false, precision: None },
    Type { name: "DoublePrecision", value: double, has_bounds: true, precision: Some(2) },
    Type { name: "Date", value: date, has_bounds: true, precision: None },
    Type { name: "Int", value: Bson::Int32, has_bounds: true, precision: None },
    Type { name: "Long", value: long, has_bounds: true, precision: None },
];

fn decimal(value: i32) -> Bson {
    Bson::Decimal128(value.to_string().parse().unwrap())
}

fn double(value: i32) -> Bson {
    Bson::Double(value.into())
}

fn date(value: i32) -> Bson {
    Bson::DateTime(DateTime::from_millis(value.into()))
}

fn long(value: i32) -> Bson {
    Bson::Int64(value.into())
}

impl Type {
    fn range(&self) -> RangeOptions {
        let bound = |value| self.has_bounds.then(|| (self.value)(value));
        RangeOptions {
            min: bound(0),
            max: bound(200),
            sparsity: Some(1),
            trim_factor: Some(1),
            precision: self.precision,
        }
    }

    fn is_fractional(&self) -> bool {
        self.name.starts_with("Do") || self.name.starts_with("Dec")
    }
}

struct Setup {
    _deployment: Deployment,
    keys: ClientEncryption,
    key: Binary,
}

async fn setup() -> Setup {
    let deployment = Deployment::new().await;
    let keys = deployment.client_encryption();
    let key = keys.create_data_key("local").await.unwrap();
    Setup { _deployment: deployment, keys, key }
}

impl Setup {
    fn encrypt(&self, value: Bson, range: RangeOptions) -> Encrypt<'_> {
        let encrypt = self.keys.encrypt(value, self.key.clone(), Algorithm::Range);
        encrypt.contention_factor(0).range(range)
    }

    async fn encrypt_expression(&self, expression: Document, range: RangeOptions) -> Document {
        let encrypt = self.keys.encrypt_expression(expression, self.key.clone());
        encrypt.contention_factor(0).range(range).await.unwrap()
    }
}

#[tokio::test]
async fn case_1_a_payload_is_decrypted() {
    let setup = setup().await;
    for kind in &TYPES {
        let value = (kind.value)(6);
        let payload = setup.encrypt(value.clone(), kind.range()).await.unwrap();
        assert_eq!(setup.keys.decrypt(&payload).await.unwrap(), value, "{}", kind.name);
    }
}

#[tokio::test]
async fn cases_2_to_5_the_bounds_of_expressions_become_payloads() {
    let setup = setup().await;
    for kind in &TYPES {
        let v = kind.value;
        for (lower, upper) in [(6, 200), (0, 6)] {
            let filter =
                doc! { "$and": [{ "f": { "$gte": v(lower) } }, { "f": { "$lte": v(upper) } }] };
            let found = setup.encrypt_expression(filter, kind.range()).await;
            let bounds = found.get_array("$and").unwrap();
            for (bound, operator) in bounds.iter().zip(["$gte", "$lte"]) {
                let bound = bound.as_document().unwrap().get_document("f").unwrap();
                assert_payload(bound.get(operator).unwrap());
            }
        }
        let filter = doc! { "$and": [{ "f": { "$gt": v(30) } }] };
        let found = setup.encrypt_expression(filter, kind.range()).await;
        let bound = found.get_array("$and").unwrap()[0].as_document().unwrap();
        assert_payload(bound.get_document("f").unwrap().get("$gt").unwrap());

        let expression = doc! { "$and": [{ "$lt": ["$f", v(30)] }] };
        let found = setup.encrypt_expression(expression, kind.range()).await;
        let bound = found.get_array("$and").unwrap()[0].as_document().unwrap();
        assert_payload(&bound.get_array("$lt").unwrap()[1]);
    }
}

fn assert_payload(value: &Bson) {
    assert!(
        matches!(value, Bson::Binary(binary) if binary.subtype == BinarySubtype::Encrypted),
        "{value}"
    );
}

#[tokio::test]
async fn case_6_a_value_above_the_maximum_is_an_error() {
    let setup = setup().await;
    for kind in TYPES.iter().filter(|kind| kind.has_bounds) {
        let error = setup.encrypt((kind.value)(201), kind.range()).await.unwrap_err();
        assert!(error.to_string().contains("less than or equal to the maximum"), "{error}");
    }
}

#[tokio::test]
async fn case_7_a_value_of_another_type_is_an_error() {
    let setup = setup().await;
    for kind in TYPES.iter().filter(|kind| kind.has_bounds) {
        let other = if kind.name == "Int" { Bson::Double(6.0) } else { Bson::Int32(6) };
        setup.encrypt(other, kind.range()).await.unwrap_err();
    }
}

#[tokio::test]
async fn case_8_precision_is_for_fractions_only() {
    let setup = setup().await;
    for kind in TYPES.iter().filter(|kind| !kind.is_fractional()) {
        let range = RangeOptions { precision: Some(2), ..kind.range() };
        let error = setup.encrypt((kind.value)(6), range).await.unwrap_err();
        assert!(error.to_string().contains("precision"), "{error}");
    }
}
