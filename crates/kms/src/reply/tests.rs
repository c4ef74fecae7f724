use proptest::prelude::*;

use super::*;
use crate::request::RequestKind as Kind;

fn error(kind: Kind, status: i32, body: &str) -> String {
    read_http(kind, status, body.as_bytes()).err().expect("an error").to_string()
}

fn bytes(kind: Kind, body: &str) -> Vec<u8> {
    match read_http(kind, 200, body.as_bytes()).ok().unwrap() {
        Reply::Bytes(bytes) => bytes.expose().to_vec(),
        _ => panic!("no bytes"),
    }
}

#[test]
fn each_service_has_its_field() {
    assert_eq!(bytes(Kind::AwsEncrypt, r#"{"KeyId":1,"CiphertextBlob":"Zm9v"}"#), b"foo");
    assert_eq!(bytes(Kind::AwsDecrypt, r#"{"Plaintext":"Zm9v","x":{"y":[1,null,1.5]}}"#), b"foo");
    assert_eq!(bytes(Kind::GcpEncrypt, r#"{"ciphertext":"Zm9v"}"#), b"foo");
    assert_eq!(bytes(Kind::GcpDecrypt, r#"{"plaintext":"Zm9v"}"#), b"foo");
    assert_eq!(bytes(Kind::AzureWrap, r#"{"value":"-_8"}"#), [0xfb, 0xff]);
    assert_eq!(bytes(Kind::AzureUnwrap, r#"{"value":"-_8="}"#), [0xfb, 0xff]);
}

#[test]
fn a_token_comes_with_its_life() {
    let body = br#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#;
    match read_http(Kind::AzureToken, 200, body).ok().unwrap() {
        Reply::Token { token, expires_in_secs } => {
            assert_eq!((token.expose(), expires_in_secs), ("t", Some(3599)));
        }
        _ => panic!("no token"),
    }
    for body in [r#"{"access_token":"t"}"#, r#"{"access_token":"t","expires_in":"9"}"#] {
        let reply = read_http(Kind::GcpToken, 200, body.as_bytes()).ok().unwrap();
        assert!(matches!(reply, Reply::Token { expires_in_secs: None, .. }));
    }
}

#[test]
fn an_error_status_shows_its_body() {
    assert_eq!(
        error(Kind::AwsDecrypt, 302, "moved"),
        "Unsupported HTTP code in KMS response. HTTP status=302. Response body=\nmoved"
    );
    assert_eq!(
        error(Kind::AwsDecrypt, 404, ""),
        "Error in KMS response. HTTP status=404. Empty body."
    );
    assert_eq!(
        error(Kind::GcpDecrypt, 404, "who?"),
        "Error in KMS response. HTTP status=404. Response body=\nwho?"
    );
}

#[test]
fn azure_and_tokens_are_read_as_json_before_the_status_counts() {
    assert_eq!(error(Kind::AzureWrap, 404, ""), "Empty KMS response. HTTP status=404");
    let text = error(Kind::AzureToken, 404, "Not Found");
    assert!(
        text.starts_with(
            "Error parsing JSON in KMS response 'Got parse error at \"N\", position 0"
        ),
        "{text}"
    );
    assert!(text.ends_with("HTTP status=404. Response body=\nNot Found"), "{text}");
    assert_eq!(
        error(Kind::GcpToken, 401, r#"{"error":"x"}"#),
        "Error in KMS response. HTTP status=401. Response body=\n{\"error\":\"x\"}"
    );
}

#[test]
fn a_missing_or_mistyped_field_is_named() {
    assert_eq!(
        error(Kind::AwsDecrypt, 200, r#"{"Plaintext":1}"#),
        "KMS JSON response does not include field 'Plaintext'. HTTP status=200. Response \
         body=\n[15 bytes withheld, for they may hold a secret]"
    );
    assert_eq!(
        error(Kind::GcpToken, 200, "{}"),
        "Invalid KMS response. KMS JSON response does not include field 'access_token'. HTTP \
         status=200. Response body=\n[2 bytes withheld, for they may hold a secret]"
    );
    assert_eq!(
        error(Kind::AwsEncrypt, 200, r#"{"CiphertextBlob":"!"}"#),
        "Failed to base64 decode response. HTTP status=200. Response \
         body=\n{\"CiphertextBlob\":\"!\"}"
    );
}

#[test]
fn a_broken_reply_with_a_secret_is_not_shown() {
    for kind in
        [Kind::AwsDecrypt, Kind::GcpDecrypt, Kind::AzureUnwrap, Kind::AzureToken, Kind::GcpToken]
    {
        let bodies = [
            r#""hunter2""#,
            r#"{"plaintext": "hunter2"#,
            r#"{"Plaintext": "hunter2!", "plaintext": "hunter2!", "value": "hunter2!"} x"#,
            r#"["hunter2"]"#,
            r#"{"Plaintext": ["hunter2"], "plaintext": 7, "access_tokens": "hunter2"}"#,
        ];
        for body in bodies {
            let text = error(kind, 200, body);
            assert!(!text.contains("hunter2") && text.contains("withheld"), "{text}");
        }
    }
}

#[test]
fn json_that_breaks_off_or_goes_on_is_an_error() {
    let body = r#"{"Plaintext":"Zm9v"}"#;
    for length in 0..body.len() {
        let text = error(Kind::AwsDecrypt, 200, &body[..length]);
        assert!(text.starts_with("Error parsing JSON in KMS response"), "{text}");
    }
    for body in ["[]", "1", "{} x", "{\"a\":1}{"] {
        assert!(error(Kind::AwsDecrypt, 200, body).contains("parse error"), "{body}");
    }
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(status in 0..1000, body in prop::collection::vec(any::<u8>(), 0..99)) {
        for kind in [Kind::AwsEncrypt, Kind::AzureToken, Kind::AzureWrap, Kind::GcpDecrypt] {
            let _ = read_http(kind, status, &body);
        }
        for kind in [Kind::KmipRegister, Kind::KmipGet, Kind::KmipEncrypt, Kind::KmipDecrypt] {
            let _ = read_kmip(kind, &body);
        }
    }
}
