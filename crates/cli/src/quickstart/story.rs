//! The story itself. Each step shows what happens, and fails if something else happens.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use fieldveil::{Algorithm, ClientEncryption, EncryptedClient, EncryptedCollection, LocalKey};
use mongodb::{Client, Collection, error::ErrorKind, error::WriteFailure};

use super::place::Place;
use crate::{json, shell};

const KEY_VAULT: &str = "encryption.__keyVault";
const DATABASE: &str = "quickstart";
const RANDOM: &str = "people_random";
const DETERMINISTIC: &str = "people_deterministic";
const CHECKED: &str = "people_checked";
const SSN: &str = "123-12-1234";
const REFUSAL: &str = "Cannot query on fields encrypted with the randomized encryption algorithm";
/// A longer document is broken into lines.
const MAX_LINE: usize = 98;
/// MongoDB's code for a document that the collection's validator refuses.
const DOCUMENT_VALIDATION_FAILURE: i32 = 121;

pub(crate) async fn tell(place: &Place, server: SocketAddr) -> anyhow::Result<()> {
    say("Fieldveil quick start");
    say(&format!(
        "A database server runs at {server}, its files are in {}",
        place.path().display()
    ));

    let master_key = master_key(place)?;
    let story = Story {
        uri: format!("mongodb://{server}/?directConnection=true"),
        providers: master_key.to_kms_providers(),
        eyes: Client::with_uri_str(format!("mongodb://{server}/?directConnection=true")).await?,
    };
    let key = story.data_key().await?;
    story.schema(&key)?;
    story.insert(&key).await?;
    story.query(&key).await?;
    story.pitfall().await?;
    story.cure(&key).await?;

    heading("Done");
    say("Every step behaved as it should. Where to go from here:");
    if place.is_kept() {
        let (dir, key) = (place.data_dir(), place.master_key());
        say(&format!("  look around:  fieldveil serve --data-dir {}", dir.display()));
        say(&format!("                fieldveil keys list --master-key {}", key.display()));
    } else {
        say("  keep it:      fieldveil quickstart --dir my-quickstart");
    }
    say("  your own:     fieldveil keys generate-master-key --out master-key.bin");
    say("  in Rust:      the crate `fieldveil`; other languages: the drop-in libraries");
    Ok(())
}

fn master_key(place: &Place) -> anyhow::Result<LocalKey> {
    heading("1. A master key");
    say("96 random bytes that wrap all other keys. Whoever has them can read everything, and");
    say("without them everything is lost.");
    let path = place.master_key();
    LocalKey::generate()?.write_new(&path)?;
    // Read back as an application would; this also checks who else could.
    let key = LocalKey::from_file(&path)?;
    say(&format!("Saved to {}, readable by you alone (mode 600).", path.display()));
    say("In production keep no master key in a file: use a key service instead (AWS KMS, Azure");
    say("Key Vault, Google Cloud KMS, KMIP).");
    Ok(key)
}

struct Story {
    uri: String,
    providers: Document,
    /// A client without keys: it sees what the database sees.
    eyes: Client,
}

impl Story {
    async fn data_key(&self) -> anyhow::Result<Binary> {
        heading("2. A data key");
        say(
            "It encrypts the fields. The database keeps it, but wrapped by the master key, which the",
        );
        say(&format!("database never sees. Its document in the key vault, {KEY_VAULT}:"));
        let keys = ClientEncryption::builder(self.eyes.clone())
            .key_vault_namespace(KEY_VAULT)
            .kms_providers(self.providers.clone())
            .build()?;
        keys.create_alt_name_index().await?;
        let id = keys.create_data_key("local").key_alt_names(["example"]).await?;
        let found = keys.get_key_by_alt_name("example").await?;
        let found = found.context("the key vault does not find the new key by its name")?;
        ensure!(found.get("_id") == Some(&Bson::Binary(id.clone())), "the key has another id");
        show_document(&found);
        Ok(id)
    }

    fn schema(&self, key: &Binary) -> anyhow::Result<()> {
        heading("3. A schema");
        say("It says which fields are encrypted, how, and with which key. As extended JSON:");
        let named = doc! { format!("{DATABASE}.{RANDOM}"): schema(key, Algorithm::Random) };
        show(&json::pretty(named, 2));
        Ok(())
    }

    async fn insert(&self, key: &Binary) -> anyhow::Result<()> {
        heading("4. An encrypted document");
        let person = sophia();
        say("The application inserts a person as if nothing were encrypted:");
        show_document(&person);
        let people = self.people(RANDOM, Some(schema(key, Algorithm::Random))).await?;
        people.insert_one(&person).await?;

        say("Read back with the keys, it is what it was:");
        let found = people.find_one(doc! { "name": "Sophia Duleep Singh" }).await?;
        let found = found.context("the person was not found")?;
        ensure!(found.get_str("ssn").ok() == Some(SSN), "the field was not decrypted");
        show_document(&found);

        say("The same document without the keys, as the database, its administrators and its");
        say("backups see it:");
        show_document(&self.seen(RANDOM, "Sophia Duleep Singh").await?);
        Ok(())
    }

    async fn query(&self, key: &Binary) -> anyhow::Result<()> {
        heading("5. A query on the encrypted field");
        let query = doc! { "ssn": SSN };
        say("The Random algorithm encrypts equal values differently, so they cannot be found:");
        show(&format!("find {}", shell::line(&query)));
        let people = self.people(RANDOM, Some(schema(key, Algorithm::Random))).await?;
        match people.find_one(query.clone()).await {
            Ok(_) => bail!("a query on a randomly encrypted field was not refused"),
            Err(error) => {
                let message = error.to_string();
                ensure!(message.contains(REFUSAL), "the query was refused otherwise: {message}");
                show(&format!("refused: {message}"));
            }
        }

        say(
            "The Deterministic algorithm encrypts equal values equally. The same person, and the same",
        );
        say("query, with \"algorithm\": \"AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic\":");
        let people =
            self.people(DETERMINISTIC, Some(schema(key, Algorithm::Deterministic))).await?;
        people.insert_one(sophia()).await?;
        let found = people.find_one(query).await?.context("the person was not found")?;
        show(&format!("find {}", shell::line(&doc! { "ssn": SSN })));
        show_document(&found);
        self.seen(DETERMINISTIC, "Sophia Duleep Singh").await?;
        say("Its price: whoever sees the database sees which documents share a value.");
        Ok(())
    }

    async fn pitfall(&self) -> anyhow::Result<()> {
        heading("6. A pitfall");
        say("A client that was not given the schema has nothing to go by, and encrypts nothing:");
        let people = self.people(DETERMINISTIC, None).await?;
        people.insert_one(doc! { "name": "Dora Thewlis", "ssn": "457-55-5462" }).await?;
        let seen = self.find(DETERMINISTIC, "Dora Thewlis").await?;
        ensure!(seen.get_str("ssn").ok() == Some("457-55-5462"), "the field is not in plaintext");
        show_document(&seen);
        say("The database sees Dora's number in plaintext.");
        Ok(())
    }

    async fn cure(&self, key: &Binary) -> anyhow::Result<()> {
        heading("7. The cure");
        say("Make the schema the collection's validator, and the server refuses plaintext:");
        let schema = schema(key, Algorithm::Deterministic);
        let database = self.eyes.database(DATABASE);
        database.create_collection(CHECKED).validator(doc! { "$jsonSchema": schema }).await?;

        let dora = doc! { "name": "Dora Thewlis", "ssn": "457-55-5462" };
        let plain: Collection<Document> = database.collection(CHECKED);
        match plain.insert_one(&dora).await {
            Ok(_) => bail!("the server accepted plaintext in an encrypted field"),
            Err(error) => match *error.kind {
                ErrorKind::Write(WriteFailure::WriteError(refused))
                    if refused.code == DOCUMENT_VALIDATION_FAILURE =>
                {
                    show(&format!("refused: {} (code {})", refused.message, refused.code));
                }
                _ => return Err(error.into()),
            },
        }

        say(
            "And a client with the keys needs no schema of its own, since it asks the server for it:",
        );
        let people = self.people(CHECKED, None).await?;
        people.insert_one(&dora).await?;
        let found = people.find_one(doc! { "ssn": "457-55-5462" }).await?;
        let found = found.context("the person was not found")?;
        ensure!(found.get_str("ssn").ok() == Some("457-55-5462"), "the field was not decrypted");
        show_document(&self.seen(CHECKED, "Dora Thewlis").await?);
        Ok(())
    }

    /// A collection through a new client, with or without a schema of its own.
    async fn people(
        &self,
        name: &str,
        schema: Option<Document>,
    ) -> anyhow::Result<EncryptedCollection<Document>> {
        let mut client = EncryptedClient::builder(self.uri.as_str())
            .key_vault_namespace(KEY_VAULT)
            .kms_providers(self.providers.clone());
        if let Some(schema) = schema {
            client = client.schema(format!("{DATABASE}.{name}"), schema);
        }
        Ok(client.build().await?.database(DATABASE).collection(name))
    }

    /// A person as the database sees it, whose number must be ciphertext.
    async fn seen(&self, collection: &str, name: &str) -> anyhow::Result<Document> {
        let person = self.find(collection, name).await?;
        match person.get("ssn") {
            Some(Bson::Binary(binary)) if binary.subtype == BinarySubtype::Encrypted => Ok(person),
            _ => bail!("the database holds the number of {name} without encryption"),
        }
    }

    async fn find(&self, collection: &str, name: &str) -> anyhow::Result<Document> {
        let collection: Collection<Document> = self.eyes.database(DATABASE).collection(collection);
        let found = collection.find_one(doc! { "name": name }).await?;
        found.with_context(|| format!("{name} is not in the database"))
    }
}

fn sophia() -> Document {
    doc! { "name": "Sophia Duleep Singh", "ssn": SSN }
}

fn schema(key: &Binary, algorithm: Algorithm) -> Document {
    doc! {
        "bsonType": "object",
        "properties": {
            "ssn": {
                "encrypt": {
                    "bsonType": "string",
                    "algorithm": algorithm.as_str(),
                    "keyId": [key.clone()],
                },
            },
        },
    }
}

fn heading(text: &str) {
    println!("\n{text}");
}

fn say(text: &str) {
    println!("{text}");
}

fn show(text: &str) {
    println!("  {text}");
}

/// On one line if it fits.
fn show_document(document: &Document) {
    let line = shell::line(document);
    if line.chars().count() <= MAX_LINE { show(&line) } else { show(&shell::pretty(document, 2)) }
}
