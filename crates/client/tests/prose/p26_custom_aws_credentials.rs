//! 26. Custom AWS Credentials.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bson::{Document, doc};
use fieldveil::{ConfigError, EncryptedClient, Error, kms::CredentialsCallback};

use crate::{
    services::{Services, process::has_variables},
    setup::{Deployment, KEY_VAULT},
};

fn given() -> Document {
    doc! { "aws": { "accessKeyId": "AKIAGIVEN", "secretAccessKey": "given" } }
}

/// Credentials of the test's own, and how often they were asked for.
fn provider() -> (CredentialsCallback, Arc<AtomicUsize>) {
    let called = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&called);
    let callback = CredentialsCallback::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok(doc! { "accessKeyId": "AKIACALLBACK", "secretAccessKey": "callback" }) }
    });
    (callback, called)
}

fn assert_unused(error: &Error) {
    assert!(matches!(error, Error::Config(ConfigError::UnusedCredentials { .. })), "{error}");
}

async fn the_callback_is_asked() {
    let (deployment, services) = (Deployment::new().await, Services::new().await);
    let (callback, called) = provider();
    let keys = services
        .client_encryption_with(deployment.client.clone(), doc! { "aws": {} })
        .credentials("aws", callback)
        .build()
        .unwrap();
    let key = services.master_key("aws").unwrap();
    keys.create_data_key("aws").master_key(key).await.unwrap();
    assert!(called.load(Ordering::Relaxed) > 0);
    let request = services.take_requests().remove(0);
    let signed_by = request.header("Authorization").unwrap();
    assert!(signed_by.contains("Credential=AKIACALLBACK/"), "{signed_by}");
}

#[tokio::test]
async fn case_1_a_callback_beside_given_credentials_is_refused() {
    let (deployment, services) = (Deployment::new().await, Services::new().await);
    let keys = services.client_encryption_with(deployment.client.clone(), given());
    assert_unused(&keys.credentials("aws", provider().0).build().unwrap_err());
}

#[tokio::test]
async fn case_2_the_callback_is_asked() {
    the_callback_is_asked().await;
}

#[tokio::test]
async fn case_3_automatic_encryption_refuses_it_too() {
    let deployment = Deployment::new().await;
    let client = EncryptedClient::builder(deployment.uri.as_str())
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(given())
        .credentials("aws", provider().0);
    assert_unused(&client.build().await.unwrap_err());
}

#[tokio::test]
async fn case_4_the_callback_comes_before_the_environment() {
    let variables =
        [("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "environment")];
    let test = "p26_custom_aws_credentials::case_4_the_callback_comes_before_the_environment";
    if has_variables(test, &variables).await {
        the_callback_is_asked().await;
    }
}
