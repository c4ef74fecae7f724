//! No secret and no plaintext leaves by a log line, an error or a `Debug`.
//!
//! A run of everything that touches keys, at trace level and with what goes wrong, is searched for
//! every secret that it used, in each way in which bytes are commonly written.

use std::{
    fmt::{Debug, Display},
    io,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bson::{Bson, Document, doc};
use fieldveil::{
    Algorithm, ClientEncryption, EncryptedClient, LocalKey,
    kms::{Connect, CredentialsCallback, HttpProxy},
    vault::{KvSecret, Vault, VaultAuth},
};
use tracing_subscriber::{fmt::MakeWriter, util::SubscriberInitExt};

use crate::{
    Database,
    search::assert_absent,
    services::{
        Fault, PROVIDERS, Services, TOKEN,
        front::{Front, Request, reply},
    },
};

const PLAINTEXT: &str = "457-55-5462, which nobody may see";
const ELSEWHERE: &str = "123-12-1234, encrypted explicitly";
const VAULT_TOKEN: &str = "hvs.token-of-the-vault-that-nobody-may-see";
const PROXY_PASSWORD: &str = "password-of-the-proxy";

/// Everything that was logged or told.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn note(&self, what: impl Debug) {
        io::Write::write_all(&mut self.clone(), format!("{what:?} {what:#?}\n").as_bytes())
            .unwrap();
    }

    fn fault(&self, error: impl Display + Debug) {
        self.note(format_args!("{error}"));
        self.note(error);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Heard {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Data keys are given, so that they are known.
fn data_key(number: u8) -> Vec<u8> {
    (0..96).map(|byte| byte ^ number.wrapping_mul(37) ^ 0xC3).collect()
}

async fn use_every_provider(
    heard: &Heard,
    database: &Database,
    services: &Services,
    keys: &ClientEncryption,
) {
    for (number, provider) in PROVIDERS.into_iter().enumerate() {
        let mut create = keys
            .create_data_key(provider)
            .key_alt_names([provider])
            .key_material(data_key(u8::try_from(number).unwrap()));
        if let Some(key) = services.master_key(provider) {
            create = create.master_key(key);
        }
        heard.note(&create);
        let id = create.await.unwrap();
        let value = keys.encrypt(ELSEWHERE, provider, Algorithm::Deterministic).await.unwrap();
        heard.note(&value);
        assert_eq!(keys.decrypt(&value).await.unwrap(), ELSEWHERE.into());
        let encrypt = doc! {
            "bsonType": "string", "keyId": [id], "algorithm": Algorithm::Random.as_str(),
        };
        let schema = doc! {
            "bsonType": "object", "properties": { "secret": { "encrypt": encrypt } },
        };
        let mut builder = EncryptedClient::builder(database.uri.as_str())
            .key_vault_namespace("keyvault.datakeys")
            .kms_providers(services.kms_providers())
            .schema("db.coll", schema);
        for name in ["aws", "azure", "gcp", "kmip"] {
            builder = builder.tls_options(name, services.tls_options());
        }
        heard.note(&builder);
        let client = builder.build().await.unwrap();
        let coll = client.collection::<Document>("db", "coll");
        heard.note((&client, &coll));
        coll.insert_one(doc! { "_id": provider, "secret": PLAINTEXT }).await.unwrap();
        let found = coll.find_one(doc! { "_id": provider }).await.unwrap().unwrap();
        assert_eq!(found.get_str("secret").unwrap(), PLAINTEXT);
        heard.fault(coll.find_one(doc! { "secret": PLAINTEXT }).await.unwrap_err());
        let update = doc! { "$push": { "secret": PLAINTEXT } };
        heard.fault(coll.update_one(doc! {}, update).await.unwrap_err());
        heard.fault(coll.insert_one(doc! { "secret": [PLAINTEXT] }).await.unwrap_err());
    }
}

/// Replies that break where a secret stands in them.
async fn fail_in_every_way(heard: &Heard, database: &Database, services: &Services) {
    let broken: Vec<&'static str> = services
        .secrets()
        .into_iter()
        .take(2)
        .flat_map(|secret| {
            let text = STANDARD.encode(secret);
            [
                format!(
                    r#"{{"Plaintext": "{text}!", "value": "{text}!", "plaintext": "{text}!"}}"#
                ),
                format!(r#"{{"Plaintext": "{text}"#),
                format!(r#"["{text}"]"#),
                format!(r#""{text}""#),
                format!(r#"{{"access_token": ["{TOKEN}"], "token": "{text}"}}"#),
            ]
        })
        .map(|body| &*body.leak())
        .collect();
    for provider in ["aws", "azure", "gcp"] {
        for (number, body) in broken.iter().enumerate() {
            let keys = services.client_encryption(database.client.clone()).build().unwrap();
            // The token first, or, where there is none to be asked for, the key.
            let before = if number % 2 == 0 || provider == "aws" { 0 } else { 1 };
            let through = std::iter::repeat_n(Fault::Dribble, before);
            services.fail(through.chain([Fault::Reply(200, body)]));
            let value = keys.encrypt(ELSEWHERE, provider, Algorithm::Random).await;
            heard.fault(value.unwrap_err());
        }
    }
    for fault in [Fault::Drop, Fault::Truncate, Fault::Reply(503, "busy")] {
        let keys = services.client_encryption(database.client.clone()).build().unwrap();
        services.fail(vec![fault; 4]);
        let value = keys.encrypt(ELSEWHERE, "aws", Algorithm::Random).await;
        heard.fault(value.unwrap_err());
    }
    let mut providers = services.kms_providers();
    providers.insert("local", LocalKey::generate().unwrap().to_provider());
    let keys = services.client_encryption_with(database.client.clone(), providers).build().unwrap();
    heard.fault(keys.encrypt(ELSEWHERE, "local", Algorithm::Random).await.unwrap_err());
    let mut wrong = services.kms_providers();
    wrong.insert("aws", doc! { "accessKeyId": "a", "secretAccessKey": 1, "sessionToken": TOKEN });
    let builder = services.client_encryption_with(database.client.clone(), wrong);
    heard.note(&builder);
    heard.fault(builder.build().unwrap_err());
}

async fn take_a_key_from_vault(heard: &Heard) -> LocalKey {
    let key: Vec<u8> = (0..96).map(|byte: u8| byte.wrapping_mul(7) ^ 0x99).collect();
    let body = format!(
        r#"{{"data": {{"data": {{"key": "{}", "short": "{}"}}}}}}"#,
        STANDARD.encode(&key),
        STANDARD.encode(&key[..95])
    );
    let front = Front::tcp(move |mut stream| {
        let body = body.clone();
        async move {
            Request::read(&mut stream).await?;
            reply(&mut stream, 200, &body).await
        }
    })
    .await;
    let vault = Vault::builder(format!("http://{}", front.endpoint()));
    let vault = vault.auth(VaultAuth::token(VAULT_TOKEN)).build().unwrap();
    heard.note(&vault);
    for field in ["short", "none"] {
        let place = KvSecret::new("secret", "app", field);
        heard.fault(vault.read_local_key(&place).await.unwrap_err());
    }
    let found = vault.read_local_key(&KvSecret::new("secret", "app", "key")).await.unwrap();
    heard.note(&found);
    found
}

#[tokio::test]
async fn a_whole_run_at_trace_level_tells_no_secret() {
    let heard = Heard::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(heard.clone())
        .finish()
        .init();
    let (database, services) = (Database::new().await, Services::new().await);
    let builder = services.client_encryption(database.client.clone());
    heard.note((&builder, Algorithm::Random));
    let keys = builder.build().unwrap();
    heard.note(&keys);

    use_every_provider(&heard, &database, &services, &keys).await;
    let rewrap = keys.rewrap_many_data_key(doc! { "keyAltNames": "local" }).provider("kmip");
    rewrap.master_key(doc! { "keyId": "1" }).await.unwrap();
    let back = keys.rewrap_many_data_key(doc! { "keyAltNames": "local" }).provider("local");
    assert_eq!(back.await.unwrap().modified, 1);
    fail_in_every_way(&heard, &database, &services).await;

    let callback = CredentialsCallback::new(|| async { Ok(doc! { "accessToken": TOKEN }) });
    heard.note(&callback);
    let on_demand = services.client_encryption_with(database.client.clone(), doc! { "gcp": {} });
    let on_demand = on_demand.credentials("gcp", callback).build().unwrap();
    on_demand.encrypt(ELSEWHERE, "gcp", Algorithm::Random).await.unwrap();
    let proxy = HttpProxy::new("127.0.0.1", services.http.port).credentials("me", PROXY_PASSWORD);
    heard.note(Connect::HttpProxy(proxy.clone()));
    let proxied = services.client_encryption(database.client.clone());
    let proxied = proxied.kms_connect(Connect::HttpProxy(proxy)).build().unwrap();
    heard.fault(proxied.encrypt(ELSEWHERE, "aws", Algorithm::Random).await.unwrap_err());
    let master_key = take_a_key_from_vault(&heard).await;

    let mut secrets = services.secrets();
    secrets.extend((0..5).map(data_key));
    secrets.extend([PLAINTEXT, ELSEWHERE, VAULT_TOKEN, PROXY_PASSWORD].map(|text| text.into()));
    match master_key.to_provider().get("key") {
        Some(Bson::Binary(key)) => secrets.push(key.bytes.clone()),
        other => panic!("no key: {other:?}"),
    }
    let text = heard.text();
    assert!(text.contains("the key service is busy"), "our own lines are heard");
    assert!(text.contains("rustls"), "those of others are heard");
    assert!(text.contains("bytes withheld"), "replies were broken where secrets stand");
    assert!(secrets.len() > 15);
    for secret in &secrets {
        assert_absent(&text, secret);
    }
}
