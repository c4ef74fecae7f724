use std::time::Duration;

use super::*;
use crate::ProviderKind;
use crate::test_support::{Counting, http_reply};

fn request(kind: RequestKind, retry: bool) -> KmsRequest {
    let provider = if kind.is_kmip() { ProviderKind::Kmip } else { ProviderKind::Aws };
    let draft =
        Draft { kind, endpoint: "host:1".into(), message: SecretBytes::new(b"secret".to_vec()) };
    KmsRequest::new(KmsId::unnamed(provider), draft, retry, &mut Counting(0)).unwrap()
}

fn feed_all(request: &mut KmsRequest, reply: &[u8]) -> Result<(), KmsError> {
    let mut rest = reply;
    while !rest.is_empty() {
        let wanted = usize::try_from(request.bytes_needed()).unwrap().min(rest.len());
        let (now, later) = rest.split_at(wanted.max(1));
        request.feed(now)?;
        rest = later;
    }
    Ok(())
}

const GOOD: &str = r#"{"CiphertextBlob": "Zm9vYmFy"}"#;

#[test]
fn a_complete_reply_wants_no_more() {
    let mut request = request(RequestKind::AwsEncrypt, false);
    assert_eq!(request.bytes_needed(), 1024);
    feed_all(&mut request, &http_reply(200, GOOD)).unwrap();
    assert_eq!(request.bytes_needed(), 0);
    assert_eq!(request.feed(b"x").unwrap_err().to_string(), "KMS response fed too much data");
}

#[test]
fn every_prefix_is_unfinished() {
    let reply = http_reply(200, GOOD);
    for length in 1..reply.len() {
        let mut request = request(RequestKind::AwsEncrypt, false);
        feed_all(&mut request, &reply[..length]).unwrap();
        assert!(request.bytes_needed() > 0, "after {length} bytes");
        assert_eq!(request.into_reply().err(), Some(KmsError::Unfinished));
    }
}

#[test]
fn feeding_nothing_or_too_much_ends_the_request() {
    let mut one = request(RequestKind::AwsEncrypt, false);
    assert_eq!(one.feed(b"").unwrap_err().to_string(), "argument 'bytes' cannot be empty");
    assert_eq!((one.bytes_needed(), one.error()), (0, Some(&KmsError::NoData)));
    let mut one = request(RequestKind::AwsEncrypt, false);
    assert_eq!(one.feed(&[b'x'; 1025]).unwrap_err(), KmsError::TooMuchData);
    assert_eq!(one.feed(b"x").unwrap_err(), KmsError::TooMuchData, "the first error stays");
}

#[test]
fn what_is_no_http_says_so() {
    let mut request = request(RequestKind::AwsEncrypt, false);
    assert_eq!(
        request.feed(b"HTTP/1.0 200 OK\r\n").unwrap_err().to_string(),
        "KMS response parser error with status 0, error: 'Could not parse HTTP-Version.'"
    );
}

#[test]
fn a_busy_service_is_asked_three_times_more() {
    let mut request = request(RequestKind::AwsEncrypt, true);
    assert_eq!(request.delay(), Duration::ZERO);
    for retry in 0..3 {
        feed_all(&mut request, &http_reply(503, "busy")).unwrap();
        assert!(request.needs_retry() && request.bytes_needed() == 0);
        assert!(request.delay() > Duration::ZERO);
        assert!(request.delay() <= Duration::from_micros(200_000 << retry));
        request.begin_retry();
        assert_eq!(request.bytes_needed(), 1024);
    }
    let error = feed_all(&mut request, &http_reply(503, "busy")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "KMS request failed after maximum of 3 retries: Error in KMS response. HTTP status=503. \
         Response body=\nbusy"
    );
    assert!(error.is_retryable());
}

#[test]
fn a_retry_may_succeed() {
    let mut request = request(RequestKind::AwsEncrypt, true);
    feed_all(&mut request, &http_reply(429, "")).unwrap();
    let error = request.feed(b"x").unwrap_err();
    assert!(error.to_string().starts_with("KMS context needs retry"), "{error}");

    let mut request = self::request(RequestKind::AwsEncrypt, true);
    feed_all(&mut request, &http_reply(429, "")).unwrap();
    request.begin_retry();
    feed_all(&mut request, &http_reply(200, GOOD)).unwrap();
    assert!(request.into_reply().is_ok());
}

#[test]
fn without_retries_a_busy_service_is_an_error() {
    let mut request = request(RequestKind::AwsEncrypt, false);
    assert!(feed_all(&mut request, &http_reply(503, "busy")).is_err());
    assert!(!request.needs_retry());
}

#[test]
fn each_service_has_its_own_busy_statuses() {
    use RequestKind as Kind;
    let busy = |kind, status| {
        let mut request = request(kind, true);
        let _ = feed_all(&mut request, &http_reply(status, "{}"));
        request.needs_retry()
    };
    assert!(busy(Kind::AwsDecrypt, 509) && !busy(Kind::AwsDecrypt, 504));
    assert!(busy(Kind::AzureToken, 504) && !busy(Kind::AzureUnwrap, 509));
    assert!(busy(Kind::GcpToken, 999) && busy(Kind::GcpDecrypt, 500));
    assert!(!busy(Kind::GcpDecrypt, 404) && !busy(Kind::AwsEncrypt, 400));
}

#[test]
fn aws_throttles_with_status_400_and_a_name() {
    let busy = |kind, body: &str| {
        let mut request = request(kind, true);
        let _ = feed_all(&mut request, &http_reply(400, body));
        request.needs_retry()
    };
    assert!(busy(RequestKind::AwsDecrypt, r#"{"__type":"ThrottlingException"}"#));
    assert!(busy(RequestKind::AwsEncrypt, r#"{"__type":"com.x#TooManyRequestsException"}"#));
    assert!(!busy(RequestKind::AwsEncrypt, r#"{"__type":"ExpiredTokenException"}"#));
    assert!(!busy(RequestKind::AwsEncrypt, "ThrottlingException"));
    assert!(!busy(RequestKind::GcpDecrypt, r#"{"__type":"ThrottlingException"}"#));
}

#[test]
fn network_errors_are_retried_except_for_kmip() {
    let mut one = request(RequestKind::GcpToken, true);
    for _ in 0..3 {
        one.network_failed().unwrap();
        assert!(one.needs_retry());
        one.begin_retry();
    }
    assert_eq!(
        one.network_failed().unwrap_err().to_string(),
        "KMS request failed after 3 retries due to a network error"
    );
    for mut one in [request(RequestKind::KmipGet, true), request(RequestKind::GcpToken, false)] {
        let error = one.network_failed().unwrap_err();
        assert_eq!(error.to_string(), "KMS request failed due to network error");
    }
}

#[test]
fn debug_shows_no_message() {
    let text = format!("{:?}", request(RequestKind::AwsEncrypt, false));
    assert!(!text.contains("secret") && !text.contains("115"), "{text}");
}
