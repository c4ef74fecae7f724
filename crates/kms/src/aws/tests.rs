use super::*;
use crate::{Endpoint, SecretText};

fn credentials(session_token: Option<&str>) -> AwsCredentials {
    AwsCredentials {
        access_key_id: SecretText::new("AKIDEXAMPLE".into()),
        secret_access_key: SecretText::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into()),
        session_token: session_token.map(|token| SecretText::new(token.into())),
    }
}

fn key(endpoint: Option<&str>) -> AwsKey {
    AwsKey {
        region: "us-east-1".into(),
        key: "alias/1".into(),
        endpoint: endpoint.map(|text| Endpoint::parse(text).unwrap()),
    }
}

const NOW: i64 = 1_440_938_160_000;

fn text(draft: &Draft) -> &str {
    std::str::from_utf8(draft.message.expose()).unwrap()
}

#[test]
fn encrypt_request_is_exact() {
    let draft = encrypt(&key(None), &credentials(None), b"foobar", NOW, &NativeHashes).unwrap();
    assert_eq!(draft.endpoint, "kms.us-east-1.amazonaws.com:443");
    let (head, authorization_and_body) = text(&draft).split_once("Authorization: ").unwrap();
    assert_eq!(
        head,
        "POST / HTTP/1.1\r\n\
         Connection:close\r\n\
         Content-Length:45\r\n\
         Content-Type:application/x-amz-json-1.1\r\n\
         Host:kms.us-east-1.amazonaws.com\r\n\
         X-Amz-Date:20150830T123600Z\r\n\
         X-Amz-Target:TrentService.Encrypt\r\n"
    );
    let (authorization, body) = authorization_and_body.split_once("\r\n\r\n").unwrap();
    assert!(authorization.starts_with(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request, \
         SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-target, Signature="
    ));
    assert_eq!(body, r#"{"Plaintext": "Zm9vYmFy", "KeyId": "alias/1"}"#);
}

#[test]
fn the_host_of_an_endpoint_has_its_port_only_for_decryption() {
    let key = key(Some("https://kms.example.com:90/path"));
    let draft = encrypt(&key, &credentials(None), b"foobar", NOW, &NativeHashes).unwrap();
    assert!(text(&draft).contains("\r\nHost:kms.example.com\r\n"));
    let draft = decrypt(&key, &credentials(Some("token")), b"foobar", NOW, &NativeHashes).unwrap();
    assert!(text(&draft).contains("\r\nHost:kms.example.com:90\r\n"));
    assert!(text(&draft).contains("\r\nX-Amz-Security-Token:token\r\nX-Amz-Target:"));
    assert!(text(&draft).ends_with("\r\n\r\n{\"CiphertextBlob\": \"Zm9vYmFy\"}"));
    assert_eq!(draft.endpoint, "kms.example.com:90");
}

#[test]
fn options_cannot_change_the_request() {
    let mut bad = key(None);
    bad.region = "us-east-1\r\nX:1".into();
    assert!(encrypt(&bad, &credentials(None), b"foobar", NOW, &NativeHashes).is_err());
    assert!(
        encrypt(&key(None), &credentials(Some("a\r\nb")), b"foobar", NOW, &NativeHashes).is_err()
    );
    bad = key(None);
    bad.key = "a\", \"X\": \"".into();
    let draft = encrypt(&bad, &credentials(None), b"foobar", NOW, &NativeHashes).unwrap();
    assert!(text(&draft).ends_with(r#""KeyId": "a\", \"X\": \""}"#));
}

/// Counts, and fails at one of the calls.
struct Counted {
    calls: std::cell::Cell<u32>,
    fails_at: u32,
}

impl Counted {
    fn count(&self) -> Result<(), String> {
        self.calls.set(self.calls.get() + 1);
        if self.calls.get() == self.fails_at { Err("no hashes today".into()) } else { Ok(()) }
    }
}

impl RequestHashes for Counted {
    fn sha_256(&self, input: &[u8]) -> Result<[u8; 32], String> {
        self.count()?;
        NativeHashes.sha_256(input)
    }

    fn hmac_sha_256(&self, key: &[u8], input: &[u8]) -> Result<[u8; 32], String> {
        self.count()?;
        NativeHashes.hmac_sha_256(key, input)
    }
}

#[test]
fn hashes_of_the_application_sign() {
    let hashes = Counted { calls: 0.into(), fails_at: u32::MAX };
    let hooked = encrypt(&key(None), &credentials(None), b"foobar", NOW, &hashes).unwrap();
    let native = encrypt(&key(None), &credentials(None), b"foobar", NOW, &NativeHashes).unwrap();
    assert_eq!(text(&hooked), text(&native));
    // Body and canonical request; four keys of the chain, and the signature.
    assert_eq!(hashes.calls.get(), 2 + 5);
    for fails_at in 1..=7 {
        let hashes = Counted { calls: 0.into(), fails_at };
        let error = decrypt(&key(None), &credentials(None), b"foobar", NOW, &hashes).err().unwrap();
        assert_eq!(error.to_string(), "error constructing KMS message: no hashes today");
    }
}
