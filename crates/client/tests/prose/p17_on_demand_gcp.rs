//! 17. On-demand GCP Credentials. The metadata service of the instance is played by the test.

use bson::doc;
use fieldveil::Part;

use crate::{
    services::{
        Services, TOKEN,
        front::{Front, Request, reply},
        process::has_variables,
    },
    setup::Deployment,
};

#[tokio::test]
async fn case_1_without_a_service_account_it_fails() {
    // A port that was free a moment ago.
    let nowhere = Front::tcp(|_| async { Ok(()) }).await.endpoint();
    let variables = [("GCE_METADATA_HOST", nowhere.as_str())];
    let test = "p17_on_demand_gcp::case_1_without_a_service_account_it_fails";
    if !has_variables(test, &variables).await {
        return;
    }
    let (deployment, services) = (Deployment::new().await, Services::new().await);
    let keys = services.client_encryption_with(deployment.client.clone(), doc! { "gcp": {} });
    let key = services.master_key("gcp").unwrap();
    let create = keys.build().unwrap().create_data_key("gcp").master_key(key).await;
    let error = create.unwrap_err();
    assert_eq!(error.part(), Part::Kms, "{error}");
    assert!(error.to_string().contains("GCP credentials cannot be had"), "{error}");
}

#[tokio::test]
async fn case_2_the_token_of_the_service_account_is_used() {
    let metadata = Front::tcp(|mut stream| async move {
        let request = Request::read(&mut stream).await?;
        assert_eq!(request.header("Metadata-Flavor"), Some("Google"));
        let body = format!(r#"{{"access_token": "{TOKEN}", "expires_in": 3600}}"#);
        reply(&mut stream, 200, &body).await
    })
    .await;
    let endpoint = metadata.endpoint();
    let test = "p17_on_demand_gcp::case_2_the_token_of_the_service_account_is_used";
    if !has_variables(test, &[("GCE_METADATA_HOST", &endpoint)]).await {
        return;
    }
    let (deployment, services) = (Deployment::new().await, Services::new().await);
    let keys = services.client_encryption_with(deployment.client.clone(), doc! { "gcp": {} });
    let key = services.master_key("gcp").unwrap();
    // The service takes no other token.
    keys.build().unwrap().create_data_key("gcp").master_key(key).await.unwrap();
}
