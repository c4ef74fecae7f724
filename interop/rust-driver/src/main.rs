//! The quick start's story by the official Rust driver, linked to our `libmongocrypt`.
//!
//! The driver finds the analysis that is inside the library: it is forbidden to spawn a daemon,
//! and told to fail without analysis. Arguments: the server's URI, and the directory that the
//! library must have come from.
#![forbid(unsafe_code)]

mod explicit;
mod story;

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use mongocrypt::ctx::KmsProvider;
use mongodb::Client;
use mongodb::Namespace;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, doc};
use mongodb::client_encryption::{ClientEncryption, LocalMasterKey};

/// Where the data keys are.
const VAULT: (&str, &str) = ("encryption", "__keyVault");

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let uri = arguments.next().context("the first argument is the server's URI")?;
    let library = arguments.next().context("the second argument is the library's directory")?;
    check("the driver is linked to our library", is_loaded_from(Path::new(&library))?)?;

    let place = Place { plain: Client::with_uri_str(&uri).await?, uri, master_key: master_key()? };
    let keys = place.client_encryption()?;
    let key_id = keys
        .create_data_key(LocalMasterKey::builder().build())
        .key_alt_names(["example".to_owned()])
        .await?;
    let found = keys.get_key_by_alt_name("example").await?.context("the data key is lost")?;
    check(
        "the data key is found by its alternate name",
        found.get_binary("_id")?.bytes == key_id.bytes,
    )?;
    for algorithm in ["Random", "Deterministic"] {
        for on_server in [false, true] {
            story::tell(&place, &key_id, algorithm, on_server).await?;
        }
    }
    explicit::tell(&place, &keys, &key_id).await?;
    println!("The official Rust driver, libmongocrypt {}: all as told", mongocrypt::version());
    Ok(())
}

/// A server, and the master key to use it with.
struct Place {
    plain: Client,
    uri: String,
    master_key: Binary,
}

impl Place {
    fn kms_providers(&self) -> [(KmsProvider, Document, Option<mongodb::options::TlsOptions>); 1] {
        [(KmsProvider::local(), doc! { "key": self.master_key.clone() }, None)]
    }

    fn vault() -> Namespace {
        Namespace::new(VAULT.0, VAULT.1)
    }

    fn client_encryption(&self) -> Result<ClientEncryption> {
        Ok(ClientEncryption::new(self.plain.clone(), Self::vault(), self.kms_providers())?)
    }

    /// An encrypting client, without a daemon and without `crypt_shared`.
    async fn encrypted(&self, schema_map: Option<(String, Document)>) -> Result<Client> {
        let options = mongodb::options::ClientOptions::parse(&self.uri).await?;
        let builder = Client::encrypted_builder(options, Self::vault(), self.kms_providers())?
            .extra_options(doc! { "cryptSharedRequired": true, "mongocryptdBypassSpawn": true });
        Ok(match schema_map {
            Some(entry) => builder.schema_map([entry]).build().await?,
            None => builder.build().await?,
        })
    }
}

fn master_key() -> Result<Binary> {
    use std::io::Read;
    let mut bytes = vec![0; 96];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(Binary { subtype: BinarySubtype::Generic, bytes })
}

/// Whether this process runs the `libmongocrypt` of `directory`, and no other.
fn is_loaded_from(directory: &Path) -> Result<bool> {
    let directory = directory.canonicalize()?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut files = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .map(Path::new)
        .filter(|path| path.to_string_lossy().contains("mongocrypt.so"))
        .peekable();
    Ok(files.peek().is_some() && files.all(|path| path.starts_with(&directory)))
}

/// Prints the claim; an error if it does not hold.
fn check(claim: &str, holds: bool) -> Result<()> {
    println!("  {}: {claim}", if holds { "ok" } else { "NOT SO" });
    ensure!(holds, "not so: {claim}");
    Ok(())
}
