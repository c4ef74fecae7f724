//! 6. Corpus Test.
//!
//! Every type with every algorithm, key, way of naming the key and way of encrypting; the corpus is
//! ours. What is encrypted deterministically under the key `local` is compared with what libmongocrypt
//! 1.21.0 makes of it.

use std::fmt;

use bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use fieldveil::{Algorithm, ClientEncryption, EncryptKey, EncryptedCollection};

use crate::{
    services::Services,
    setup::Deployment,
    values::{Value, every_type, never_encrypted},
};

/// The deterministic ciphertexts under the key `local`, made by libmongocrypt.
const EXPECTED: [(&str, &str); 10] = [
    (
        "string",
        "AQAAAAAAAAAAAAAAAAAAAAACIeVsGQd3CguGjPr9y5lwNmyABkQmiJzfNwEnYLeV7A20d6cWZqHtJdiBWcy8pmKKY7kKP0K2hKedShQoNEZYNQ==",
    ),
    (
        "binData",
        "AQAAAAAAAAAAAAAAAAAAAAAFsuoIo+w8YE2LZmuG8Q/g8HMAbGk4z9uxhBu6JPWdVoqUMYX+Hd51hl9ynmCjEWuJAnySHez9wG4Reuvx7qku+A==",
    ),
    (
        "objectId",
        "AQAAAAAAAAAAAAAAAAAAAAAHCb+ZlLs8Fp1weJsmArj1albwe1mxmJulL7tAyEVNlf1rk/dJravc0rLCS+m9ErgN+16PcfBjG6E4m5Aoy15umQ==",
    ),
    (
        "date",
        "AQAAAAAAAAAAAAAAAAAAAAAJnQ2HKlRPann8fI7MmPJBoyYl/fe/nxV6wmYVHGqFozZI1BaYne6aU/x0Y2gQ8EY87YvXiM0flBhA8hGBSHIARQ==",
    ),
    (
        "regex",
        "AQAAAAAAAAAAAAAAAAAAAAALAH2Chu7il9zPyPKKJT8HanSfOFvJleERU//uiWQ1V0WAlepB2Dinwj/CHQ4VmJrmgNG0fA2jvsC1YniNzzFOig==",
    ),
    (
        "javascript",
        "AQAAAAAAAAAAAAAAAAAAAAANx5wBEKhkChT6hafAR8zPxI9GoGVXn0ANbG1+AiIZFGyX22Y25nE6eVcNCYjKrdW+E7kgS8jxaUUpwgzxSxodhg==",
    ),
    (
        "symbol",
        "AQAAAAAAAAAAAAAAAAAAAAAOKG1wiKArZE+nTCwtWKhtpP8q0NknH76Dy/SLiOyE4IV5Ao8uD6ADhBfP+Bg6DeG9rW10Y2VhPTKqlSzuFx8fIg==",
    ),
    (
        "int",
        "AQAAAAAAAAAAAAAAAAAAAAAQaD9Fk/fzTwVjdSkt8h4zvzXKg7uiXHwUgOjIP3K3My/bOrvi4fyp9ia90oeW0HbnMAEcjuGBQocIPcWzpRneyQ==",
    ),
    (
        "timestamp",
        "AQAAAAAAAAAAAAAAAAAAAAARnkgDsZCYDMrbPEi6hjinYQ5HukVXS8pwASvVxucI4U2v+mS4tEgfb0gvJy8uibYVLNar2Vj2hMBOTY8X5tsWUQ==",
    ),
    (
        "long",
        "AQAAAAAAAAAAAAAAAAAAAAASWx4Dz8WrHxkOmEKosQA+7P81rdQRBDDL5djboCMEx2kVRkYBguRY6VEsum8+xbgzrQhsALek4R5A98uCgezWxA==",
    ),
];

/// The data keys, each named as its provider, with the last byte of its id.
const KEYS: [(&str, u8); 5] = [("local", 0), ("aws", 1), ("azure", 2), ("gcp", 3), ("kmip", 4)];

fn id(last: u8) -> Binary {
    let mut bytes = vec![0; 16];
    bytes[15] = last;
    Binary { subtype: BinarySubtype::Uuid, bytes }
}

/// One field of the corpus.
struct Field {
    value: Value,
    key: (&'static str, u8),
    algorithm: Algorithm,
    explicit: bool,
    by_name: bool,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = if self.explicit { "explicit" } else { "auto" };
        let identifier = if self.by_name { "altname" } else { "id" };
        let algorithm = if self.algorithm == Algorithm::Random { "rand" } else { "det" };
        write!(f, "{}_{}_{algorithm}_{method}_{identifier}", self.key.0, self.value.name)
    }
}

impl Field {
    fn is_allowed(&self) -> bool {
        self.algorithm == Algorithm::Random || self.value.deterministic
    }

    /// What can stand in a schema: nothing that is not allowed, and no key by name for the
    /// deterministic algorithm, since equal values would be encrypted unequally.
    fn is_in_schema(&self) -> bool {
        let names_fit = self.algorithm == Algorithm::Random || !self.by_name;
        !self.explicit && self.is_allowed() && names_fit
    }

    fn encrypt_key(&self) -> EncryptKey {
        let (name, last) = self.key;
        if self.by_name { EncryptKey::from(name) } else { EncryptKey::from(id(last)) }
    }
}

fn corpus() -> Vec<Field> {
    let mut fields = Vec::new();
    for key in KEYS {
        for algorithm in [Algorithm::Random, Algorithm::Deterministic] {
            for (explicit, by_name) in [(false, false), (false, true), (true, false), (true, true)]
            {
                fields.extend(every_type().into_iter().map(|value| Field {
                    value,
                    key,
                    algorithm,
                    explicit,
                    by_name,
                }));
            }
        }
    }
    fields.retain(|field| field.explicit || field.is_in_schema());
    fields
}

fn schema() -> Document {
    let mut properties = Document::new();
    for field in corpus().iter().filter(|field| field.is_in_schema()) {
        let (name, last) = field.key;
        let key_id: Bson = if field.by_name {
            format!("/altname_{name}").into()
        } else {
            vec![Bson::from(id(last))].into()
        };
        let encrypt = doc! {
            "keyId": key_id,
            "bsonType": field.value.name,
            "algorithm": field.algorithm.as_str(),
        };
        properties.insert(field.to_string(), doc! { "encrypt": encrypt });
    }
    doc! { "bsonType": "object", "properties": properties }
}

struct Setup {
    deployment: Deployment,
    _services: Services,
    keys: ClientEncryption,
    encrypted: EncryptedCollection<Document>,
}

async fn setup(local_schema: bool) -> Setup {
    let deployment = Deployment::new().await;
    let services = Services::new().await;
    let keys = services.client_encryption(deployment.client.clone()).build().unwrap();
    for (name, last) in KEYS {
        let material: Vec<u8> = (last..last + 96).collect();
        let mut create = keys.create_data_key(name).key_material(material).key_alt_names([name]);
        if let Some(master_key) = services.master_key(name) {
            create = create.master_key(master_key);
        }
        let made = create.await.unwrap();
        let vault = deployment.key_vault();
        let mut key = vault.find_one_and_delete(doc! { "_id": made }).await.unwrap().unwrap();
        key.insert("_id", id(last));
        vault.insert_one(key).await.unwrap();
    }

    let mut builder = deployment.encrypted().kms_providers(services.kms_providers());
    for (name, _) in KEYS.into_iter().filter(|(name, _)| *name != "local") {
        builder = builder.tls_options(name, services.tls_options());
    }
    if local_schema {
        builder = builder.schema("db.coll", schema());
    } else {
        let validator = doc! { "$jsonSchema": schema() };
        let db = deployment.client.database("db");
        db.create_collection("coll").validator(validator).await.unwrap();
    }
    let encrypted = builder.build().await.unwrap().collection("db", "coll");
    Setup { deployment, _services: services, keys, encrypted }
}

/// The corpus with what is to be encrypted explicitly encrypted already.
async fn copy(setup: &Setup) -> (Document, Document) {
    let mut corpus_document = doc! { "_id": "corpus" };
    for (name, _) in KEYS {
        corpus_document.insert(format!("altname_{name}"), name);
    }
    let mut copied = corpus_document.clone();
    for field in corpus() {
        let value = field.value.value.clone();
        corpus_document.insert(field.to_string(), value.clone());
        if !field.explicit {
            copied.insert(field.to_string(), value);
            continue;
        }
        let encrypt = setup.keys.encrypt(value.clone(), field.encrypt_key(), field.algorithm);
        match encrypt.await {
            Ok(ciphertext) => {
                assert!(field.is_allowed(), "{field}");
                copied.insert(field.to_string(), ciphertext);
            }
            Err(error) => {
                assert!(!field.is_allowed(), "{field}: {error}");
                copied.insert(field.to_string(), value);
            }
        }
    }
    (corpus_document, copied)
}

async fn run(local_schema: bool) {
    let setup = setup(local_schema).await;
    let (corpus_document, copied) = copy(&setup).await;
    setup.encrypted.insert_one(&copied).await.unwrap();
    let decrypted = setup.encrypted.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(decrypted, corpus_document);

    let stored = setup.deployment.coll().find_one(doc! {}).await.unwrap().unwrap();
    for field in corpus() {
        let actual = stored.get(field.to_string()).unwrap();
        if !field.is_allowed() {
            assert_eq!(actual, &field.value.value, "{field}");
            continue;
        }
        let Bson::Binary(ciphertext) = actual else { panic!("{field} is not encrypted") };
        assert_eq!(ciphertext.subtype, BinarySubtype::Encrypted, "{field}");
        assert_eq!(setup.keys.decrypt(ciphertext).await.unwrap(), field.value.value, "{field}");
        if field.key.0 != "local" {
            continue;
        }
        if let Some((_, expected)) = EXPECTED.iter().find(|(name, _)| *name == field.value.name) {
            let expected = Binary::from_base64(expected, BinarySubtype::Encrypted).unwrap();
            let is_deterministic = field.algorithm == Algorithm::Deterministic;
            assert_eq!(*ciphertext == expected, is_deterministic, "{field}");
        }
    }
}

#[tokio::test]
async fn the_corpus_is_encrypted_by_the_schema_on_the_server() {
    run(false).await;
}

#[tokio::test]
async fn the_corpus_is_encrypted_by_the_schema_of_the_client() {
    run(true).await;
}

#[tokio::test]
async fn types_without_values_are_never_encrypted() {
    let setup = setup(true).await;
    for value in never_encrypted() {
        for algorithm in [Algorithm::Random, Algorithm::Deterministic] {
            setup.keys.encrypt(value.clone(), "local", algorithm).await.unwrap_err();
        }
    }
}
