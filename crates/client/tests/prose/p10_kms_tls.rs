//! 10. KMS TLS.

use fieldveil::ClientEncryption;

use crate::{
    services::{Services, authority::Identity, front::Front, master_key},
    setup::{Deployment, KEY_VAULT},
};

/// What comes of asking a service with this certificate.
async fn asked(identity: impl Fn(&Services) -> Identity) -> String {
    let deployment = Deployment::new().await;
    let services = Services::new().await;
    let front = Front::tls(identity(&services), None, |_| async { Ok(()) }).await;
    let keys = ClientEncryption::builder(deployment.client.clone())
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(services.kms_providers())
        .tls_options("aws", services.tls_without_certificate())
        .build()
        .unwrap();
    let key = master_key("aws", &front.endpoint()).unwrap();
    keys.create_data_key("aws").master_key(key).await.unwrap_err().to_string()
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let error = asked(|services| services.authority.expired()).await;
    assert!(error.contains("certificate expired"), "{error}");
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let error = asked(|services| services.authority.wrong_host()).await;
    assert!(error.contains("not valid for name"), "{error}");
}
