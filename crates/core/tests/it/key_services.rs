//! Keys wrapped by a service that answers over the network.

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_core::{
    Algorithm, CoreError, Crypt, DataKeyOptions, Env, ExplicitOptions, KeyId, Origin, Step,
};

use crate::outside::{Counting, Outside};

fn aws() -> Crypt {
    let mut builder = Crypt::builder();
    builder
        .kms_providers(&rawdoc! { "aws": { "accessKeyId": "id", "secretAccessKey": "secret" } })
        .unwrap();
    builder.build().unwrap()
}

fn azure() -> Crypt {
    let mut builder = Crypt::builder();
    let azure = rawdoc! { "tenantId": "t", "clientId": "c", "clientSecret": "s" };
    builder.kms_providers(&rawdoc! { "azure": azure }).unwrap();
    builder.build().unwrap()
}

fn http(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Answers every request of the rounds that follow with these replies.
fn drive(
    mut step: Step,
    replies: &[Vec<u8>],
    vault: &[RawDocumentBuf],
) -> Result<(RawDocumentBuf, usize), CoreError> {
    let mut random = Counting::default();
    let mut replies = replies.iter();
    let mut rounds = 0;
    loop {
        let mut env = Env::new(std::time::Duration::ZERO, || 1_700_000_000_000, &mut random);
        step = match step {
            Step::Keys(mut need) => {
                for key in vault {
                    need.feed(key)?;
                }
                need.done(&mut env)?
            }
            Step::Kms(mut need) => {
                rounds += 1;
                for request in need.requests() {
                    assert!(!request.message().is_empty());
                    if let Some(reply) = replies.next() {
                        let _ = request.feed(reply);
                    }
                }
                need.done(&mut env)?
            }
            Step::Ready(ready) => return Ok((ready.finish(), rounds)),
            other => panic!("{other:?}"),
        };
    }
}

fn create(crypt: &Crypt, master_key: RawDocumentBuf) -> Step {
    let options = DataKeyOptions { master_key: Some(master_key), ..DataKeyOptions::default() };
    let mut random = Counting::default();
    let mut env = Env::new(std::time::Duration::ZERO, || 1_700_000_000_000, &mut random);
    crypt.create_data_key(options, &mut env).unwrap()
}

fn aws_key() -> RawDocumentBuf {
    rawdoc! { "provider": "aws", "region": "us-east-1", "key": "arn" }
}

/// 96 bytes of 0x11 in base64.
fn plain() -> String {
    "ERER".repeat(32)
}

/// What stands for them wrapped: 96 bytes of 0x22.
fn wrapped() -> String {
    "IiIi".repeat(32)
}

#[test]
fn a_key_is_made_and_used_through_aws() {
    let crypt = aws();
    let reply = http(&format!("{{\"CiphertextBlob\": \"{}\"}}", wrapped()));
    let (key, rounds) = drive(create(&crypt, aws_key()), &[reply], &[]).unwrap();
    assert_eq!(rounds, 1);
    assert_eq!(key.get_document("masterKey").unwrap(), &*aws_key());
    let material = key.get_binary("keyMaterial").unwrap().bytes;
    assert_eq!(material, [0x22; 96]);

    let options = ExplicitOptions {
        key_id: KeyId::from_bson(key.get("_id").unwrap().unwrap()),
        algorithm: Some(Algorithm::Deterministic),
        ..ExplicitOptions::new()
    };
    let mut outside = Outside::new();
    let encrypt = |outside: &mut Outside| {
        crypt.encrypt_value(&rawdoc! { "v": 1 }, &options, &mut outside.env()).unwrap()
    };
    let reply = http(&format!("{{\"Plaintext\": \"{}\"}}", plain()));
    let vault = [key];
    let (_, rounds) = drive(encrypt(&mut outside), &[reply], &vault).unwrap();
    assert_eq!(rounds, 1);
    outside.now = std::time::Duration::ZERO;
    let (_, rounds) = drive(encrypt(&mut outside), &[], &[]).unwrap();
    assert_eq!(rounds, 0, "the key is cached");
}

#[test]
fn wrong_and_missing_replies_end_the_operation() {
    let crypt = aws();
    let error = |replies: &[Vec<u8>]| drive(create(&crypt, aws_key()), replies, &[]).unwrap_err();
    let refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope".to_vec();
    let refused = error(&[refused]);
    assert_eq!(refused.origin(), Origin::Kms);
    assert_eq!(refused.to_string(), "Error in KMS response. HTTP status=403. Response body=\nnope");
    assert_eq!(error(&[]).to_string(), "KMS response unfinished");
    assert_eq!(error(&[http("")[..20].to_vec()]).to_string(), "KMS response unfinished");
}

#[test]
fn a_token_is_fetched_once_and_used_by_later_operations() {
    let crypt = azure();
    let master_key = || {
        rawdoc! { "provider": "azure", "keyVaultEndpoint": "v.vault.azure.net", "keyName": "k" }
    };
    let token = http("{\"access_token\": \"T\", \"expires_in\": 3600}");
    let wrapped = http(&format!("{{\"value\": \"{}\"}}", wrapped()));
    let replies = [token, wrapped.clone()];
    let (_, rounds) = drive(create(&crypt, master_key()), &replies, &[]).unwrap();
    assert_eq!(rounds, 2);
    let (_, rounds) = drive(create(&crypt, master_key()), &[wrapped], &[]).unwrap();
    assert_eq!(rounds, 1);
}

#[test]
fn rewrapping_that_would_lose_a_key_is_refused() {
    let mut outside = Outside::new();
    outside.make_key(&[]);
    let mut builder = Crypt::builder();
    builder
        .kms_providers(&rawdoc! {
            "aws": { "accessKeyId": "id", "secretAccessKey": "secret" },
            "local": { "key": crate::outside::local_key() },
        })
        .unwrap();
    let crypt = builder.build().unwrap();
    let step = || crypt.rewrap_many(&rawdoc! {}, Some(&aws_key())).unwrap();
    let wrapped = http(&format!("{{\"CiphertextBlob\": \"{}\"}}", wrapped()));
    // The service gives another key back than the one that it was to wrap.
    let unwrapped = http(&format!("{{\"Plaintext\": \"{}\"}}", plain()));
    let error = drive(step(), &[wrapped, unwrapped], &outside.vault).unwrap_err();
    assert!(error.to_string().contains("does not unwrap to the same key material"), "{error}");
}
