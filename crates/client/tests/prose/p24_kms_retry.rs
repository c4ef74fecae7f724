//! 24. KMS Retry.

use fieldveil::{Algorithm, ClientEncryption, EncryptKey};

use crate::{
    services::{Fault, Services},
    setup::{Deployment, KEY_VAULT},
};

struct Setup {
    _deployment: Deployment,
    services: Services,
    keys: ClientEncryption,
}

impl Setup {
    async fn new() -> Self {
        let (deployment, services) = (Deployment::new().await, Services::new().await);
        let mut builder = ClientEncryption::builder(deployment.client.clone())
            .key_vault_namespace(KEY_VAULT)
            .kms_providers(services.kms_providers());
        for provider in ["aws", "azure", "gcp"] {
            builder = builder.tls_options(provider, services.tls_without_certificate());
        }
        Self { keys: builder.build().unwrap(), _deployment: deployment, services }
    }

    /// A data key is made and used, each time after one fault.
    async fn recovers_from(&self, fault: &Fault) {
        for provider in ["aws", "azure", "gcp"] {
            let key = self.services.master_key(provider).unwrap();
            self.services.fail([fault.clone()]);
            let id = self.keys.create_data_key(provider).master_key(key).await.unwrap();
            self.services.fail([fault.clone()]);
            let encrypt = self.keys.encrypt(123, EncryptKey::Id(id), Algorithm::Deterministic);
            encrypt.await.unwrap();
        }
    }
}

#[tokio::test]
async fn case_1_after_a_network_error() {
    let setup = Setup::new().await;
    setup.recovers_from(&Fault::Drop).await;
}

#[tokio::test]
async fn case_2_after_an_http_error() {
    let setup = Setup::new().await;
    setup.recovers_from(&Fault::Reply(500, "{}")).await;
}

#[tokio::test]
async fn case_3_not_after_too_many() {
    let setup = Setup::new().await;
    for provider in ["aws", "azure", "gcp"] {
        setup.services.fail(vec![Fault::Drop; 4]);
        setup.services.take_requests();
        let key = setup.services.master_key(provider).unwrap();
        let error = setup.keys.create_data_key(provider).master_key(key).await.unwrap_err();
        assert_eq!(setup.services.take_requests().len(), 4, "{provider}: {error}");
    }
}
