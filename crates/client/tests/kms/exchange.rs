//! What may happen to a request, and when it is sent again.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bson::{Bson, Document, doc};
use fieldveil::{Algorithm, ClientEncryption, EncryptedClient, Error, kms::KmsIoError};
use tokio::sync::Barrier;

use crate::{
    Database,
    services::{
        Fault, Services,
        front::{Front, Request, reply},
        master_key,
    },
};

const CLOUDS: [&str; 3] = ["aws", "azure", "gcp"];

struct Bed {
    services: Services,
    keys: ClientEncryption,
    _database: Database,
}

impl Bed {
    async fn new() -> Self {
        Self::with_timeout(Duration::from_secs(10)).await
    }

    async fn with_timeout(timeout: Duration) -> Self {
        let (database, services) = (Database::new().await, Services::new().await);
        let builder = services.client_encryption(database.client.clone()).kms_timeout(timeout);
        // Keys are unwrapped anew each time.
        let keys = builder.key_expiration(Duration::from_nanos(1)).build().unwrap();
        Self { services, keys, _database: database }
    }

    async fn create(&self, provider: &str) -> Result<bson::Binary, Error> {
        let key = self.services.master_key(provider).unwrap();
        self.keys.create_data_key(provider).master_key(key).await
    }

    /// A data key is made and used while these faults happen.
    async fn recovers_from(&self, provider: &str, faults: Vec<Fault>) {
        self.services.fail(faults.clone());
        let id = self.create(provider).await;
        let id = id.unwrap_or_else(|error| panic!("{provider}, {faults:?}: {error}"));
        self.services.fail(faults.clone());
        let value = self.keys.encrypt("value", id, Algorithm::Random).await;
        assert!(value.is_ok(), "{provider}, {faults:?}: {value:?}");
    }
}

#[tokio::test]
async fn busy_services_and_broken_connections_are_asked_again() {
    let bed = Bed::new().await;
    for provider in CLOUDS {
        for fault in [
            Fault::Reply(429, "{}"),
            Fault::Reply(503, r#"{"error": {"code": "ServiceUnavailable"}}"#),
            Fault::Drop,
            Fault::Truncate,
        ] {
            bed.recovers_from(provider, vec![fault.clone(), fault]).await;
        }
    }
    let throttled = Fault::Reply(400, r#"{"__type": "ThrottlingException"}"#);
    bed.recovers_from("aws", vec![throttled; 3]).await;
}

#[tokio::test]
async fn a_slow_reply_is_waited_for() {
    let bed = Bed::new().await;
    for provider in CLOUDS {
        bed.recovers_from(provider, vec![Fault::Dribble; 2]).await;
    }
}

#[tokio::test]
async fn a_service_that_says_nothing_is_given_up_after_four_attempts() {
    let bed = Bed::with_timeout(Duration::from_millis(300)).await;
    for provider in CLOUDS {
        bed.services.fail(vec![Fault::Stall; 4]);
        bed.services.take_requests();
        let error = bed.create(provider).await.unwrap_err();
        assert!(matches!(error, Error::Kms(KmsIoError::Timeout { .. })), "{error}");
        let text = error.to_string();
        let place = format!("'{provider}' at {} did not answer", bed.services.http.endpoint());
        assert!(text.contains(&place) && text.contains("kms_timeout"), "{text}");
        assert_eq!(bed.services.take_requests().len(), 4);
    }
}

#[tokio::test]
async fn a_refusal_is_not_asked_again() {
    let bed = Bed::new().await;
    for (provider, body) in
        [("aws", r#"{"__type": "ExpiredTokenException"}"#), ("gcp", r#"{"error": "denied"}"#)]
    {
        bed.services.take_requests();
        bed.services.fail([Fault::Reply(400, body)]);
        let error = bed.create(provider).await.unwrap_err();
        assert!(error.to_string().contains(body), "{error}");
        assert_eq!(bed.services.take_requests().len(), 1);
    }
}

#[tokio::test]
async fn one_token_serves_until_shortly_before_it_expires_or_is_refused() {
    for provider in ["azure", "gcp"] {
        let bed = Bed::new().await;
        let tokens = || {
            let requests = bed.services.take_requests();
            requests.iter().filter(|request| request.target().ends_with("/token")).count()
        };
        let id = bed.create(provider).await.unwrap();
        bed.create(provider).await.unwrap();
        bed.keys.encrypt("value", id, Algorithm::Random).await.unwrap();
        assert_eq!(tokens(), 1, "{provider}: kept for all operations");

        bed.services.fail([Fault::Reply(401, r#"{"error": "expired"}"#)]);
        bed.create(provider).await.unwrap();
        assert_eq!(tokens(), 1, "{provider}: a refused one is replaced");

        let bed = Bed::new().await;
        bed.services.set_token_lifetime(4);
        for _ in 0..3 {
            bed.create(provider).await.unwrap();
        }
        let requests = bed.services.take_requests();
        assert_eq!(requests.len(), 6, "{provider}: one that is about to expire is not kept");
    }
}

#[tokio::test]
async fn providers_of_one_kind_have_credentials_and_tls_options_of_their_own() {
    let (database, services) = (Database::new().await, Services::new().await);
    let account = |id: &str| doc! { "accessKeyId": id, "secretAccessKey": "secret" };
    let providers = doc! { "aws:eu": account("AKIAEU"), "aws:us": account("AKIAUS") };
    let keys = services.client_encryption_with(database.client.clone(), providers.clone());
    let keys = keys.build().unwrap();
    let mut document = Document::new();
    for provider in ["aws:eu", "aws:us"] {
        let key = services.master_key(provider).unwrap();
        let create = keys.create_data_key(provider).master_key(key).key_alt_names([provider]);
        create.await.unwrap();
        let value = keys.encrypt(provider, provider, Algorithm::Random).await.unwrap();
        document.insert(provider, value);
    }
    let coll = database.client.database("db").collection::<Document>("coll");
    coll.insert_one(&document).await.unwrap();

    services.take_requests();
    let client = EncryptedClient::builder(database.uri.as_str())
        .key_vault_namespace("keyvault.datakeys")
        .kms_providers(providers)
        .tls_options("aws:eu", services.tls_options())
        .tls_options("aws:us", services.tls_without_certificate())
        .build()
        .await
        .unwrap();
    let found = client.collection::<Document>("db", "coll").find_one(doc! {}).await.unwrap();
    let found = found.unwrap();
    assert_eq!(found.get_str("aws:eu").unwrap(), "aws:eu");
    assert_eq!(found.get_str("aws:us").unwrap(), "aws:us");
    let requests = services.take_requests();
    assert_eq!(requests.len(), 2);
    for id in ["AKIAEU", "AKIAUS"] {
        let credential = format!("Credential={id}/");
        let signed = |request: &Request| {
            request.header("Authorization").is_some_and(|value| value.contains(&credential))
        };
        assert_eq!(requests.iter().filter(|request| signed(request)).count(), 1, "{id}");
    }
}

#[tokio::test]
async fn the_keys_of_a_document_are_unwrapped_at_once() {
    const KEYS: usize = 5;
    let (database, services) = (Database::new().await, Services::new().await);
    let keys = services.client_encryption(database.client.clone()).build().unwrap();
    // It answers nobody before everybody has asked.
    let barrier = Arc::new(Barrier::new(KEYS));
    let front = Front::tls(services.authority.server(), None, move |mut stream| {
        let barrier = Arc::clone(&barrier);
        async move {
            let request = Request::read(&mut stream).await?;
            if request.header("X-Amz-Target") == Some("TrentService.Encrypt") {
                let body: serde_json::Value = serde_json::from_str(&request.body)?;
                let wrapped = format!(r#"{{"CiphertextBlob": {}}}"#, body["Plaintext"]);
                return reply(&mut stream, 200, &wrapped).await;
            }
            let body: serde_json::Value = serde_json::from_str(&request.body)?;
            let key = STANDARD.decode(body["CiphertextBlob"].as_str().unwrap()).unwrap();
            assert_eq!(key.len(), 96);
            barrier.wait().await;
            let plain = format!(r#"{{"Plaintext": {}}}"#, body["CiphertextBlob"]);
            reply(&mut stream, 200, &plain).await
        }
    })
    .await;

    let mut document = Document::new();
    let mut made = Vec::new();
    for number in 0..KEYS {
        let key = master_key("aws", &front.endpoint()).unwrap();
        made.push(keys.create_data_key("aws").master_key(key).await.unwrap());
        document.insert(format!("field{number}"), format!("value {number}"));
    }
    let properties: Document = made
        .iter()
        .enumerate()
        .map(|(number, id)| {
            let encrypt = doc! {
                "bsonType": "string", "keyId": [id.clone()],
                "algorithm": Algorithm::Random.as_str(),
            };
            (format!("field{number}"), Bson::from(doc! { "encrypt": encrypt }))
        })
        .collect();
    let client = EncryptedClient::builder(database.uri.as_str())
        .key_vault_namespace("keyvault.datakeys")
        .kms_providers(doc! { "aws": services.kms_providers().remove("aws").unwrap() })
        .tls_options("aws", services.tls_options())
        .schema("db.coll", doc! { "bsonType": "object", "properties": properties })
        .build()
        .await
        .unwrap();
    let coll = client.collection::<Document>("db", "coll");
    coll.insert_one(&document).await.unwrap();
    let mut found = coll.find_one(doc! {}).await.unwrap().unwrap();
    found.remove("_id");
    assert_eq!(found, document);
}
