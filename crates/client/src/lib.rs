//! Client-side field level encryption for MongoDB-compatible databases, over the official driver.
//!
//! [`EncryptedClient`] is used like the driver's `Client`: analysis and encryption change the
//! filters, updates and documents on their way out and decrypt replies, and the driver's own
//! operation sends them. Retries, pooling, monitoring, sessions and server selection remain the
//! driver's.
//!
//! [`ClientEncryption`] makes and manages data keys, and encrypts single values explicitly.
//!
//! ```no_run
//! use bson::{Document, doc};
//! use fieldveil::{ClientEncryption, EncryptedClient};
//!
//! # async fn run(master_key: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//! let uri = "mongodb://localhost:27017";
//! let providers = doc! { "local": { "key": bson::Binary {
//!     subtype: bson::spec::BinarySubtype::Generic, bytes: master_key,
//! } } };
//!
//! let keys = ClientEncryption::builder(mongodb::Client::with_uri_str(uri).await?)
//!     .key_vault_namespace("encryption.__keyVault")
//!     .kms_providers(providers.clone())
//!     .build()?;
//! let key = keys.create_data_key("local").key_alt_names(["example"]).await?;
//!
//! let client = EncryptedClient::builder(uri)
//!     .key_vault_namespace("encryption.__keyVault")
//!     .kms_providers(providers)
//!     .schema("clinic.patients", doc! {
//!         "bsonType": "object",
//!         "properties": { "ssn": { "encrypt": {
//!             "bsonType": "string",
//!             "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
//!             "keyId": [key],
//!         } } },
//!     })
//!     .build()
//!     .await?;
//! let patients = client.database("clinic").collection::<Document>("patients");
//! patients.insert_one(doc! { "name": "Sophia Duleep Singh", "ssn": "123-12-1234" }).await?;
//! let found = patients.find_one(doc! { "ssn": "123-12-1234" }).await?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod action;
mod client;
mod client_encryption;
mod collection;
mod command;
mod cursor;
mod database;
mod engine;
mod error;
pub mod kms;
mod local_key;
mod settings;
#[cfg(feature = "sync")]
pub mod sync;
mod url;
pub mod vault;

pub use client::{ConnectTo, EncryptedClient, EncryptedClientBuilder};
pub use client_encryption::{
    AffixOptions, Algorithm, ClientEncryption, ClientEncryptionBuilder, CreateDataKey, Encrypt,
    EncryptExpression, EncryptKey, ProviderCheck, QueryType, RangeOptions, RewrapManyDataKey,
    RewrapResult, SubstringOptions, TextOptions,
};
pub use collection::EncryptedCollection;
pub use cursor::{Cursor, SessionCursor, SessionCursorStream};
pub use database::EncryptedDatabase;
pub use error::{BulkWriteError, ConfigError, DocumentError, Error, Part, Result};
pub use local_key::{LocalKey, LocalKeyError};
