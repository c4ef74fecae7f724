use bson::{Bson, Document, RawDocumentBuf, doc, spec::BinarySubtype};
use proptest::prelude::*;

use super::*;
use crate::ProviderKind;

fn parse(document: Document) -> Result<KmsProviders, ConfigError> {
    KmsProviders::parse(&RawDocumentBuf::try_from(&document).unwrap())
}

fn error(document: Document) -> String {
    parse(document).unwrap_err().to_string()
}

fn bytes(length: usize) -> Bson {
    Bson::Binary(bson::Binary { subtype: BinarySubtype::Generic, bytes: vec![7; length] })
}

#[test]
fn every_provider_is_read() {
    let providers = parse(doc! {
        "aws": { "accessKeyId": "a", "secretAccessKey": "b", "sessionToken": "c" },
        "azure": { "tenantId": "a", "clientId": "b", "clientSecret": "c" },
        "gcp": { "email": "a", "privateKey": "Zm9v" },
        "kmip": { "endpoint": "localhost" },
        "local": { "key": bytes(96) },
        "local:two": { "key": "A".repeat(128) },
        "gcp:token": { "accessToken": "t" },
    })
    .unwrap();
    assert_eq!(providers.ids().count(), 7);
    assert!(!providers.needs_credentials());
    providers.validate(false).unwrap();
    assert!(providers.credentials(&KmsId::parse("local:two").unwrap()).is_ok());
    assert_eq!(
        providers.credentials(&KmsId::parse("aws:x").unwrap()).unwrap_err().to_string(),
        "KMS provider `aws:x` is not configured"
    );
}

#[test]
fn errors_name_the_provider_and_the_field() {
    let wrap = |id: &str, text: &str| format!("Failed to parse KMS provider `{id}`: {text}");
    assert_eq!(error(doc! { "aws": 1 }), "expected BSON document for field: aws");
    assert_eq!(
        error(doc! { "aws": { "accessKeyId": 1 } }),
        wrap("aws", "expected UTF-8 accessKeyId")
    );
    assert_eq!(
        error(doc! { "aws": { "accessKeyId": "a", "secretAccessKey": "b", "x": 1 } }),
        wrap("aws", "Unexpected field: 'x'")
    );
    assert_eq!(
        error(doc! { "azure": { "accessToken": "a", "tenantId": "b" } }),
        wrap("azure", "Unexpected field: 'tenantId'")
    );
    assert_eq!(
        error(doc! { "gcp": { "email": "a", "privateKey": "!" } }),
        wrap("gcp", "unable to parse base64 from UTF-8 field privateKey")
    );
    assert_eq!(error(doc! { "kmip": { "x": 1 } }), wrap("kmip", "expected endpoint endpoint"));
    assert_eq!(
        error(doc! { "local": { "key": bytes(95) } }),
        wrap("local", "local key must be 96 bytes")
    );
    assert_eq!(
        error(doc! { "local": { "key": 1 } }),
        wrap("local", "expected UTF-8 or binary key")
    );
    assert_eq!(
        error(doc! { "local:a": {} }),
        "Unexpected empty document for named KMS provider: 'local:a'. On-demand credentials are \
         not supported for named KMS providers."
    );
    assert_eq!(KmsProviders::default().validate(true), Err(ConfigError::NoProvider));
}

#[test]
fn an_empty_document_asks_at_run_time() {
    let providers = parse(doc! { "aws": {} }).unwrap();
    let aws = KmsId::unnamed(ProviderKind::Aws);
    assert!(providers.is_on_demand(&aws) && providers.contains(&aws));
    assert_eq!(providers.validate(false), Err(ConfigError::OnDemandNotEnabled));
    providers.validate(true).unwrap();
    let supplied = parse(doc! { "aws": { "accessKeyId": "a", "secretAccessKey": "b" } }).unwrap();
    let merged = providers.with_supplied(&supplied);
    assert!(merged.credentials(&aws).is_ok() && !merged.needs_credentials());
    assert!(providers.credentials(&aws).is_err());
}

#[test]
fn credentials_cannot_be_given_twice() {
    let local = || parse(doc! { "local": { "key": bytes(96) } }).unwrap();
    let mut providers = local();
    assert_eq!(providers.merge(local()).unwrap_err().to_string(), "local KMS provider already set");
    let named = || parse(doc! { "local:a": { "key": bytes(96) } }).unwrap();
    providers.merge(named()).unwrap();
    assert_eq!(
        providers.merge(named()).unwrap_err().to_string(),
        "Got unexpected duplicate entry for KMS provider: `local:a`"
    );
}

#[test]
fn debug_shows_no_credential() {
    let providers = parse(doc! {
        "aws": { "accessKeyId": "hunter2", "secretAccessKey": "hunter2" },
        "azure": {},
    })
    .unwrap();
    let text = format!("{providers:?}");
    assert_eq!(text, "KmsProviders { entries: [aws: [redacted], azure: on demand] }");
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(document) = RawDocument::from_bytes(&bytes) {
            let _ = KmsProviders::parse(document);
        }
    }
}
