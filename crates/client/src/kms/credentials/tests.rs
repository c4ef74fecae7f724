//! Metadata services played by a script on loopback.

use std::{collections::HashMap, time::Duration};

use bson::doc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::kms::{Connect, KmsSettings};

/// Answers one request after the other, and gives back what was asked.
async fn service(answers: Vec<(u16, String)>) -> (String, u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let mut requests = Vec::new();
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            requests.push(String::from_utf8(request).unwrap());
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    ("127.0.0.1".to_owned(), port, served)
}

fn ok(body: &str) -> (u16, String) {
    (200, body.to_owned())
}

fn way() -> aws::Way<'static> {
    let tls = KmsSettings::default().open(&doc! {}).unwrap().tls("aws");
    aws::Way { tls, connect: &Connect::Direct }
}

/// Prose test 18 of the driver specification "Client-Side Encryption", case 1.
#[tokio::test]
async fn p18_case_1_a_token_lives_for_its_time_less_a_minute() {
    let (host, port, served) =
        service(vec![ok(r#"{"access_token": "magic", "expires_in": "70"}"#)]).await;
    let fetched =
        azure::fetch(&azure::Place { host, port, ..azure::Place::default() }).await.unwrap();
    assert_eq!(fetched.fields, doc! { "accessToken": "magic" });
    let left = fetched.expires.unwrap().saturating_duration_since(Instant::now());
    assert!(left <= Duration::from_secs(10), "{left:?}");
    let request = served.await.unwrap().remove(0);
    assert!(request.starts_with("GET /metadata/identity/oauth2/token?api-version=2018-02-01&"));
    assert!(request.contains("Metadata: true\r\n") && request.contains("Accept: application/json"));
}

#[tokio::test]
async fn p18_cases_2_to_5_what_is_no_token_is_an_error_with_what_was_answered() {
    for (answer, expected) in [
        ((404, "no such identity".to_owned()), "no such identity"),
        ((500, String::new()), "HTTP status=500"),
        (ok("{}"), "access_token"),
        (ok("bad-json"), "must be in JSON format"),
        (ok(r#"{"access_token": "t", "expires_in": "foo"}"#), "expires_in"),
    ] {
        let (host, port, _served) = service(vec![answer]).await;
        let error = azure::fetch(&azure::Place { host, port, ..azure::Place::default() })
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains("Failed to acquire IMDS access token"), "{error}");
    }
}

#[tokio::test]
async fn p18_case_6_a_slow_service_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let place =
        azure::Place { port, host: "127.0.0.1".to_owned(), timeout: Duration::from_millis(50) };
    let error = azure::fetch(&place).await.err().unwrap();
    assert!(error.to_string().contains("no answer within 0.05 s"), "{error}");
}

#[tokio::test]
async fn gcp_is_asked_where_the_environment_says() {
    let (host, port, served) =
        service(vec![ok(r#"{"access_token": "t", "expires_in": 3600}"#)]).await;
    let variables = HashMap::from([("GCE_METADATA_HOST", format!("{host}:{port}"))]);
    let place = gcp::Place::from_environment(&variables);
    let fetched = gcp::fetch(&place).await.unwrap();
    assert_eq!(fetched.fields, doc! { "accessToken": "t" });
    assert!(fetched.is_fresh());
    let request = served.await.unwrap().remove(0);
    assert!(request.starts_with(
        "GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1\r\n"
    ));
    assert!(request.contains("Metadata-Flavor: Google\r\n"));

    let (host, port, _served) = service(vec![(403, "forbidden".to_owned())]).await;
    let error = gcp::fetch(&gcp::Place { host, port }).await.err().unwrap();
    assert!(
        error.to_string().contains("GCP credentials") && error.to_string().contains("forbidden")
    );
}

#[tokio::test]
async fn aws_looks_at_the_environment_first() {
    let variables = HashMap::from([
        ("AWS_ACCESS_KEY_ID", "id".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ("AWS_SESSION_TOKEN", "token".to_owned()),
    ]);
    let fetched = aws::fetch(&aws::Places::default(), &variables, way()).await.unwrap();
    let expected =
        doc! { "accessKeyId": "id", "secretAccessKey": "secret", "sessionToken": "token" };
    assert_eq!(fetched.fields, expected);
    assert!(!fetched.is_fresh(), "the environment is read each time");
}

const TEMPORARY: &str = r#"{"AccessKeyId": "id", "SecretAccessKey": "secret", "Token": "token",
    "Expiration": "2099-01-01T00:00:00Z"}"#;

#[tokio::test]
async fn aws_asks_the_container() {
    let (host, port, served) = service(vec![ok(TEMPORARY)]).await;
    let places = aws::Places { container: (host, port), ..aws::Places::default() };
    let variables =
        HashMap::from([("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x".to_owned())]);
    let fetched = aws::fetch(&places, &variables, way()).await.unwrap();
    assert_eq!(fetched.fields.get_str("sessionToken").unwrap(), "token");
    assert!(fetched.is_fresh());
    assert!(served.await.unwrap().remove(0).starts_with("GET /v2/credentials/x HTTP/1.1\r\n"));
}

#[tokio::test]
async fn aws_asks_the_instance_with_a_token() {
    let (host, port, served) = service(vec![ok("imds"), ok("my-role\n"), ok(TEMPORARY)]).await;
    let places = aws::Places { instance: (host, port), ..aws::Places::default() };
    let fetched = aws::fetch(&places, &HashMap::new(), way()).await.unwrap();
    assert_eq!(fetched.fields.get_str("accessKeyId").unwrap(), "id");
    let requests = served.await.unwrap();
    assert!(requests[0].starts_with("PUT /latest/api/token HTTP/1.1\r\n"));
    assert!(requests[1].contains("X-aws-ec2-metadata-token: imds\r\n"));
    assert!(
        requests[2].starts_with("GET /latest/meta-data/iam/security-credentials/my-role HTTP/1.1")
    );
}

#[tokio::test]
async fn aws_without_any_source_says_what_to_do() {
    // A port that nobody listens on.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let places = aws::Places { instance: ("127.0.0.1".to_owned(), port), ..aws::Places::default() };
    let error = aws::fetch(&places, &HashMap::new(), way()).await.err().unwrap();
    assert!(error.to_string().contains("set AWS_ACCESS_KEY_ID"), "{error}");
}

#[tokio::test]
async fn a_callback_comes_before_everything_and_its_failure_is_told() {
    let mut settings = KmsSettings::default();
    let fields = doc! { "accessKeyId": "id", "secretAccessKey": "secret" };
    let given = fields.clone();
    let callback = CredentialsCallback::new(move || {
        let given = given.clone();
        async move { Ok(given) }
    });
    settings.credentials.insert("aws".to_owned(), callback);
    let failing = CredentialsCallback::new(|| async { Err("no luck".into()) });
    settings.credentials.insert("gcp".to_owned(), failing);
    let io = settings.open(&doc! { "aws": {}, "gcp": {} }).unwrap();

    let found = io.credentials(vec!["aws".to_owned(), "gcp".to_owned()]).await.unwrap();
    assert_eq!(Document::try_from(found.as_ref()).unwrap(), doc! { "aws": fields });
    let error = io.credentials(vec!["gcp".to_owned()]).await.unwrap_err();
    assert!(error.to_string().contains("'gcp': the callback failed: no luck"), "{error}");
}
