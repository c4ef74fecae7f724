//! The Rust side of the interop tests: what PyMongo writes it reads, and the other way round.
//!
//! `describe` writes the document that both sides exchange and its schema; `write` and `read`
//! store it and compare it, through the `fieldveil` crate and with the schema as schema map.
#![forbid(unsafe_code)]

mod every_type;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bson::{Document, RawDocumentBuf, doc};
use clap::{Args, Parser, Subcommand};
use fieldveil::{EncryptedClient, LocalKey};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Writes `document.bson` and `schema.json` for a data key.
    Describe {
        /// The data key's id, as 32 hexadecimal digits.
        #[arg(long)]
        key_id: String,
        folder: PathBuf,
    },
    /// Inserts the described document, encrypted.
    Write(Exchange),
    /// Finds the described document and compares it, byte for byte.
    Read(Exchange),
}

#[derive(Args)]
struct Exchange {
    #[arg(long)]
    uri: String,
    /// Where the data key is.
    #[arg(long)]
    key_vault: String,
    /// Database and collection, with a dot between.
    #[arg(long)]
    namespace: String,
    #[arg(long)]
    master_key: PathBuf,
    folder: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Arguments::parse().mode {
        Mode::Describe { key_id, folder } => describe(&key_id, &folder),
        Mode::Write(exchange) => exchange.write().await,
        Mode::Read(exchange) => exchange.read().await,
    }
}

fn describe(key_id: &str, folder: &Path) -> Result<()> {
    let key_id = bson::Uuid::parse_str(key_id).context("--key-id is not a UUID")?;
    let document = RawDocumentBuf::try_from(&every_type::document()?)?;
    let schema = bson::Bson::Document(every_type::schema(&key_id.into())).into_canonical_extjson();
    fs::write(folder.join("document.bson"), document.as_bytes())?;
    fs::write(folder.join("schema.json"), serde_json::to_string_pretty(&schema)?)?;
    Ok(())
}

impl Exchange {
    async fn write(&self) -> Result<()> {
        self.collection().await?.insert_one(self.document()?).await?;
        Ok(())
    }

    async fn read(&self) -> Result<()> {
        let mut found = self
            .collection()
            .await?
            .find_one(doc! {})
            .await?
            .with_context(|| format!("{} is empty", self.namespace))?;
        found.remove("_id");
        let expected = self.document()?;
        let wrong: Vec<_> =
            expected.iter().filter(|(name, value)| found.get(name) != Some(value)).collect();
        if !wrong.is_empty() || found.len() != expected.len() {
            bail!("read back differently: {wrong:?}");
        }
        Ok(())
    }

    fn document(&self) -> Result<Document> {
        let bytes = fs::read(self.folder.join("document.bson"))?;
        Ok(RawDocumentBuf::from_bytes(bytes)?.try_into()?)
    }

    async fn collection(&self) -> Result<fieldveil::EncryptedCollection<Document>> {
        let text = fs::read_to_string(self.folder.join("schema.json"))?;
        let json: serde_json::Value = serde_json::from_str(&text)?;
        let bson::Bson::Document(schema) = bson::Bson::try_from(json)? else {
            bail!("schema.json is no object");
        };
        let (database, collection) =
            self.namespace.split_once('.').context("--namespace needs a dot")?;
        let client = EncryptedClient::builder(self.uri.as_str())
            .key_vault_namespace(self.key_vault.as_str())
            .kms_providers(LocalKey::from_file(&self.master_key)?.to_kms_providers())
            .schema(self.namespace.as_str(), schema)
            .build()
            .await?;
        Ok(client.collection(database, collection))
    }
}
