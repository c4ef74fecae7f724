//! 15. On-demand AWS Credentials.

use bson::doc;
use fieldveil::Part;

use crate::{
    services::{Services, process::has_variables},
    setup::Deployment,
};

#[tokio::test]
async fn case_1_without_credentials_it_fails() {
    let nowhere = ("AWS_EC2_METADATA_DISABLED", "true");
    if !has_variables("p15_on_demand_aws::case_1_without_credentials_it_fails", &[nowhere]).await {
        return;
    }
    let (deployment, services) = (Deployment::new().await, Services::new().await);
    let keys = services.client_encryption_with(deployment.client.clone(), doc! { "aws": {} });
    let key = services.master_key("aws").unwrap();
    let create = keys.build().unwrap().create_data_key("aws").master_key(key).await;
    let error = create.unwrap_err();
    assert_eq!(error.part(), Part::Kms, "{error}");
    assert!(error.to_string().contains("no credentials for KMS provider 'aws'"), "{error}");
    assert!(services.take_requests().is_empty());
}

#[tokio::test]
async fn case_2_those_of_the_environment_are_used() {
    let variables =
        [("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "of the environment")];
    let test = "p15_on_demand_aws::case_2_those_of_the_environment_are_used";
    if !has_variables(test, &variables).await {
        return;
    }
    let (deployment, services) = (Deployment::new().await, Services::new().await);
    let keys = services.client_encryption_with(deployment.client.clone(), doc! { "aws": {} });
    let key = services.master_key("aws").unwrap();
    keys.build().unwrap().create_data_key("aws").master_key(key).await.unwrap();
    let request = services.take_requests().remove(0);
    let signed_by = request.header("Authorization").unwrap();
    assert!(signed_by.contains("Credential=AKIAENVIRONMENT/"), "{signed_by}");
}
