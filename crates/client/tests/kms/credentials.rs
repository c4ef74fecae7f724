//! Credentials on demand, from services that hand them out. Each test makes its data keys in a
//! process with the variables that name these services.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bson::{Document, doc};
use mongodb::options::TlsOptions;

use crate::{
    Database,
    connect::{proxy, through},
    services::{
        Fault, Services, TOKEN,
        front::{Front, Request, reply},
        process::{is_in, run},
    },
};

/// When temporary credentials expire that are to be kept.
const LATE: &str = "2099-01-01T00:00:00Z";

/// The requests that a service got.
type Log = Arc<Mutex<Vec<Request>>>;

/// A service that answers by target; what it does not know is a 404.
async fn metadata(answers: HashMap<&'static str, String>) -> (Front, Log) {
    let log = Log::default();
    let requests = Arc::clone(&log);
    let front = Front::tcp(move |mut stream| {
        let (answers, requests) = (answers.clone(), Arc::clone(&requests));
        async move {
            let request = Request::read(&mut stream).await?;
            let answer = answers.get(request.target()).cloned();
            requests.lock().unwrap().push(request);
            let status = if answer.is_some() { 200 } else { 404 };
            reply(&mut stream, status, &answer.unwrap_or_default()).await
        }
    })
    .await;
    (front, log)
}

fn temporary(expiration: &str) -> String {
    format!(
        r#"{{"AccessKeyId": "AKIATEMPORARY", "SecretAccessKey": "temporary", "Token": "session",
            "Expiration": "{expiration}"}}"#
    )
}

/// Makes data keys in a process with these variables; `results` says which of them succeed, one
/// letter each: `+` or `-`.
async fn create(
    test: &str,
    services: &Services,
    provider: &str,
    results: &str,
    variables: &[(&str, &str)],
) {
    let (endpoint, ca) = (services.http.endpoint(), services.authority.file());
    let mut all = vec![
        ("TEST_ENDPOINT", endpoint.as_str()),
        ("TEST_CA", ca.to_str().unwrap()),
        ("TEST_PROVIDER", provider),
        ("TEST_RESULTS", results),
    ];
    all.extend(variables);
    run(test, &all).await;
}

/// What the other process does.
async fn in_process() {
    let variable = |name| std::env::var(name).unwrap();
    let provider = variable("TEST_PROVIDER");
    let mut tls = TlsOptions::default();
    tls.ca_file_path = Some(variable("TEST_CA").into());
    let database = Database::new().await;
    let mut builder = fieldveil::ClientEncryption::builder(database.client.clone())
        .key_vault_namespace("keyvault.datakeys")
        .kms_providers(doc! { &provider: {} })
        .tls_options(&provider, tls);
    if let Ok(port) = std::env::var("TEST_PROXY") {
        builder = builder.kms_connect(through(port.parse().unwrap(), "password"));
    }
    let keys = builder.build().unwrap();
    let key = crate::services::master_key(&provider, &variable("TEST_ENDPOINT")).unwrap();
    for expected in variable("TEST_RESULTS").chars() {
        let create = keys.create_data_key(&provider).master_key(key.clone()).await;
        assert_eq!(create.is_ok(), expected == '+', "{create:?}");
    }
}

fn assert_signed(requests: &[Request], id: &str) {
    for request in requests {
        let signed_by = request.header("Authorization").unwrap();
        assert!(signed_by.contains(&format!("Credential={id}/")), "{signed_by}");
        assert_eq!(request.header("X-Amz-Security-Token"), Some("session"));
    }
}

#[tokio::test]
async fn aws_takes_a_web_identity() {
    let test = "credentials::aws_takes_a_web_identity";
    if is_in(test) {
        return in_process().await;
    }
    let services = Services::new().await;
    let log = Log::default();
    let requests = Arc::clone(&log);
    let sts = Front::tls(services.authority.server(), None, move |mut stream| {
        let requests = Arc::clone(&requests);
        async move {
            let request = Request::read(&mut stream).await?;
            requests.lock().unwrap().push(request);
            let body = r#"{"AssumeRoleWithWebIdentityResponse": {
                "AssumeRoleWithWebIdentityResult": {"Credentials": {
                    "AccessKeyId": "AKIAWEB", "SecretAccessKey": "web", "SessionToken": "session",
                    "Expiration": 4.07e9}}}}"#;
            reply(&mut stream, 200, body).await
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "header.claims.signature\n").unwrap();
    let (proxy, proxied) = proxy().await;
    let variables = [
        ("TEST_PROXY", &*proxy.port.to_string()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/app"),
        ("AWS_ROLE_SESSION_NAME", "a test"),
        ("AWS_ENDPOINT_URL_STS", &format!("https://{}", sts.endpoint())),
    ];
    create(test, &services, "aws", "+++", &variables).await;
    let requests = log.lock().unwrap();
    assert_eq!(requests.len(), 1, "the credentials are kept");
    assert_eq!(proxied.lock().unwrap()[0], sts.endpoint(), "the token service is beyond the proxy");
    assert_eq!(
        requests[0].target(),
        "/?Action=AssumeRoleWithWebIdentity&RoleSessionName=a%20test\
         &RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fapp\
         &WebIdentityToken=header.claims.signature&Version=2011-06-15"
    );
    let signed = services.take_requests();
    assert_eq!(signed.len(), 3);
    assert_signed(&signed, "AKIAWEB");
}

#[tokio::test]
async fn aws_asks_the_container_again_shortly_before_its_credentials_expire() {
    let test = "credentials::aws_asks_the_container_again_shortly_before_its_credentials_expire";
    if is_in(test) {
        return in_process().await;
    }
    // Four minutes are less than the margin of five.
    let soon = bson::DateTime::from_millis(bson::DateTime::now().timestamp_millis() + 240_000);
    let soon = soon.try_to_rfc3339_string().unwrap();
    for (expiration, asked) in [(soon.as_str(), 3), (LATE, 1)] {
        let services = Services::new().await;
        let (container, log) =
            metadata(HashMap::from([("/v1/credentials", temporary(expiration))])).await;
        let url = format!("http://{}/v1/credentials", container.endpoint());
        let variables = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of the pod"),
        ];
        create(test, &services, "aws", "+++", &variables).await;
        let requests = log.lock().unwrap();
        assert_eq!(requests.len(), asked, "{expiration}");
        assert_eq!(requests[0].header("Authorization"), Some("of the pod"));
        assert_signed(&services.take_requests(), "AKIATEMPORARY");
    }
}

fn instance() -> HashMap<&'static str, String> {
    HashMap::from([
        ("/latest/api/token", "imds".to_owned()),
        ("/latest/meta-data/iam/security-credentials/", "role".to_owned()),
        ("/latest/meta-data/iam/security-credentials/role", temporary(LATE)),
    ])
}

#[tokio::test]
async fn aws_asks_the_instance_with_a_token_of_its_own() {
    let test = "credentials::aws_asks_the_instance_with_a_token_of_its_own";
    if is_in(test) {
        return in_process().await;
    }
    let services = Services::new().await;
    let (imds, log) = metadata(instance()).await;
    let url = format!("http://{}", imds.endpoint());
    create(test, &services, "aws", "++", &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)]).await;
    let requests = log.lock().unwrap();
    let lines: Vec<_> =
        requests.iter().map(|request| request.head.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "PUT /latest/api/token HTTP/1.1",
            "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1",
            "GET /latest/meta-data/iam/security-credentials/role HTTP/1.1",
        ]
    );
    assert!(requests[0].header("X-aws-ec2-metadata-token-ttl-seconds").is_some());
    for request in &requests[1..] {
        assert_eq!(request.header("X-aws-ec2-metadata-token"), Some("imds"));
    }
    assert_signed(&services.take_requests(), "AKIATEMPORARY");
}

#[tokio::test]
async fn credentials_that_are_refused_are_looked_up_anew() {
    let test = "credentials::credentials_that_are_refused_are_looked_up_anew";
    if is_in(test) {
        return in_process().await;
    }
    let services = Services::new().await;
    let (imds, log) = metadata(instance()).await;
    let url = format!("http://{}", imds.endpoint());
    services.fail([Fault::Reply(400, r#"{"__type": "ExpiredTokenException"}"#)]);
    create(test, &services, "aws", "-++", &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)]).await;
    assert_eq!(log.lock().unwrap().len(), 6, "twice three requests");
}

#[tokio::test]
async fn a_token_of_google_is_kept_until_a_minute_before_it_expires() {
    let test = "credentials::a_token_of_google_is_kept_until_a_minute_before_it_expires";
    if is_in(test) {
        return in_process().await;
    }
    for (seconds, asked) in [(3600, 1), (59, 3)] {
        let services = Services::new().await;
        let body = format!(r#"{{"access_token": "{TOKEN}", "expires_in": {seconds}}}"#);
        let path = "/computeMetadata/v1/instance/service-accounts/default/token";
        let (google, log) = metadata(HashMap::from([(path, body)])).await;
        let variables = [("GCE_METADATA_HOST", google.endpoint())];
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        create(test, &services, "gcp", "+++", &variables).await;
        assert_eq!(log.lock().unwrap().len(), asked, "{seconds} s");
    }
}

#[tokio::test]
async fn credentials_are_not_asked_for_in_the_clear_from_afar() {
    let test = "credentials::credentials_are_not_asked_for_in_the_clear_from_afar";
    if is_in(test) {
        let database = Database::new().await;
        let keys = fieldveil::ClientEncryption::builder(database.client.clone())
            .key_vault_namespace("keyvault.datakeys")
            .kms_providers(doc! { "aws": Document::new() })
            .build()
            .unwrap();
        let key = crate::services::master_key("aws", "127.0.0.1:1").unwrap();
        let error = keys.create_data_key("aws").master_key(key).await.unwrap_err();
        assert!(error.to_string().contains("AWS_CONTAINER_CREDENTIALS_FULL_URI"), "{error}");
        return;
    }
    let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/credentials")];
    run(test, &variables).await;
}
