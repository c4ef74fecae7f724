use bson::{Document, doc};
use proptest::prelude::*;

use super::*;

fn parse(document: &Document) -> Result<MasterKey, ConfigError> {
    MasterKey::parse(&RawDocumentBuf::try_from(document).unwrap())
}

fn error(document: Document) -> String {
    parse(&document).unwrap_err().to_string()
}

#[test]
fn fields_are_written_in_the_order_of_other_clients() {
    let cases = [
        (
            doc! { "endpoint": "a.com:1", "key": "k", "region": "r", "provider": "aws:x" },
            doc! { "provider": "aws:x", "region": "r", "key": "k", "endpoint": "a.com:1" },
        ),
        (
            doc! { "provider": "azure", "keyVersion": "1", "keyName": "n",
            "keyVaultEndpoint": "https://v.vault.azure.net/" },
            doc! { "provider": "azure", "keyVaultEndpoint": "v.vault.azure.net",
            "keyName": "n", "keyVersion": "1" },
        ),
        (
            doc! { "provider": "gcp", "endpoint": "g.com", "keyVersion": "1", "keyName": "n",
            "keyRing": "r", "location": "l", "projectId": "p" },
            doc! { "provider": "gcp", "projectId": "p", "location": "l", "keyRing": "r",
            "keyName": "n", "keyVersion": "1", "endpoint": "g.com" },
        ),
        (
            doc! { "provider": "kmip", "keyId": "1", "delegated": true, "endpoint": "host" },
            doc! { "provider": "kmip", "endpoint": "host", "delegated": true, "keyId": "1" },
        ),
        (
            doc! { "provider": "kmip", "delegated": false, "keyId": "1" },
            doc! { "provider": "kmip", "keyId": "1" },
        ),
        (doc! { "provider": "local" }, doc! { "provider": "local" }),
    ];
    for (read, written) in cases {
        let raw = parse(&read).unwrap().to_raw().unwrap();
        assert_eq!(raw, RawDocumentBuf::try_from(&written).unwrap(), "{read}");
    }
}

#[test]
fn errors_name_the_field() {
    assert_eq!(error(doc! {}), "expected UTF-8 provider");
    assert_eq!(error(doc! { "provider": "aws", "region": "r" }), "expected UTF-8 key");
    assert_eq!(
        error(doc! { "provider": "azure", "keyName": "n" }),
        "expected endpoint keyVaultEndpoint"
    );
    assert_eq!(error(doc! { "provider": "local", "x": 1 }), "Unexpected field: 'x'");
    assert_eq!(error(doc! { "provider": "kmip", "delegated": 1 }), "expected bool delegated");
    assert!(error(doc! { "provider": "foo" }).contains("unrecognized KMS provider `foo`"));
}

#[test]
fn a_kmip_key_without_an_id_cannot_be_stored() {
    let key = parse(&doc! { "provider": "kmip" }).unwrap();
    assert_eq!(key.to_raw().unwrap_err().to_string(), "keyId required for KMIP");
}

#[test]
fn provider_and_key_are_of_one_kind() {
    assert!(MasterKey::new(KmsId::unnamed(ProviderKind::Aws), ServiceKey::Local).is_none());
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        host in "[a-z]{1,9}\\.[a-z]{1,9}(:[0-9]{1,4})?",
        name in "[ -~]{0,20}",
        version in prop::option::of("[0-9a-f]{1,8}"),
    ) {
        let mut document =
            doc! { "provider": "azure:x", "keyVaultEndpoint": host, "keyName": name };
        if let Some(version) = version {
            document.insert("keyVersion", version);
        }
        let key = parse(&document).unwrap();
        prop_assert_eq!(MasterKey::parse(&key.to_raw().unwrap()).unwrap(), key);
    }
}
