//! The encrypted client and its builder.

use std::{fmt, sync::Arc};

use bson::{Document, RawDocumentBuf};
use mongodb::{Client, options::ClientOptions};

use crate::{
    action::Pending,
    collection::EncryptedCollection,
    database::EncryptedDatabase,
    engine::Engine,
    error::{ConfigError, Result},
    settings::{KeySettings, key_setters},
};

/// A client that encrypts what leaves and decrypts what arrives. Cheap to clone.
///
/// Used like the driver's [`Client`]; see the [crate's example](crate).
///
/// Enabling client-side encryption reduces the maximum write batch size and may have a negative
/// performance impact.
#[derive(Clone)]
pub struct EncryptedClient {
    client: Client,
    engine: Arc<Engine>,
    bypass: bool,
}

impl EncryptedClient {
    /// Begins to configure a client for this deployment: a connection string, the driver's
    /// [`ClientOptions`], or a [`Client`] that exists already.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(uri: &str, providers: Document) -> fieldveil::Result<()> {
    /// let client = fieldveil::EncryptedClient::builder(uri)
    ///     .key_vault_namespace("encryption.__keyVault")
    ///     .kms_providers(providers)
    ///     .build()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(deployment: impl Into<ConnectTo>) -> EncryptedClientBuilder {
        EncryptedClientBuilder {
            deployment: deployment.into(),
            keys: KeySettings::default(),
            key_vault_client: None,
            schemas: Vec::new(),
            encrypted_fields: Vec::new(),
            bypass_auto_encryption: false,
            bypass_query_analysis: false,
        }
    }

    /// A database of the deployment.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// let clinic = client.database("clinic");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn database(&self, name: &str) -> EncryptedDatabase {
        EncryptedDatabase::new(self.client.database(name), Arc::clone(&self.engine), self.bypass)
    }

    /// A collection of the deployment, by database and name.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// let patients = client.collection::<Document>("clinic", "patients");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn collection<T: Send + Sync>(&self, db: &str, name: &str) -> EncryptedCollection<T> {
        self.database(db).collection(name)
    }

    /// Starts a session, which is handed to operations with their `session` method; transactions
    /// work as in the driver.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// let patients = client.collection::<Document>("clinic", "patients");
    /// let mut session = client.start_session().await?;
    /// session.start_transaction().await?;
    /// patients.insert_one(doc! { "ssn": "123-12-1234" }).session(&mut session).await?;
    /// session.commit_transaction().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_session(&self) -> mongodb::action::StartSession<'_> {
        self.client.start_session()
    }

    /// Lists the names of the deployment's databases.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// let names = client.list_database_names().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn list_database_names(
        &self,
    ) -> mongodb::action::ListDatabases<'_, mongodb::action::ListNames> {
        self.client.list_database_names()
    }

    /// The driver's own client, which encrypts and decrypts **nothing**.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(client: fieldveil::EncryptedClient) -> fieldveil::Result<()> {
    /// let driver: &mongodb::Client = client.without_encryption();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn without_encryption(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for EncryptedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedClient").field("bypass", &self.bypass).finish_non_exhaustive()
    }
}

/// Where an [`EncryptedClient`] connects.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectTo {
    /// By a connection string.
    Uri(String),
    /// By the driver's options.
    Options(Box<ClientOptions>),
    /// Through a client that exists already.
    Client(Client),
}

impl From<&str> for ConnectTo {
    fn from(uri: &str) -> Self {
        Self::Uri(uri.to_owned())
    }
}

impl From<String> for ConnectTo {
    fn from(uri: String) -> Self {
        Self::Uri(uri)
    }
}

impl From<ClientOptions> for ConnectTo {
    fn from(options: ClientOptions) -> Self {
        Self::Options(Box::new(options))
    }
}

impl From<Client> for ConnectTo {
    fn from(client: Client) -> Self {
        Self::Client(client)
    }
}

impl ConnectTo {
    async fn client(self) -> Result<Client> {
        Ok(match self {
            Self::Uri(uri) => Client::with_uri_str(uri).await?,
            Self::Options(options) => Client::with_options(*options)?,
            Self::Client(client) => client,
        })
    }
}

/// The settings of an [`EncryptedClient`].
#[must_use]
pub struct EncryptedClientBuilder {
    deployment: ConnectTo,
    keys: KeySettings,
    key_vault_client: Option<Client>,
    schemas: Vec<(String, Document)>,
    encrypted_fields: Vec<(String, Document)>,
    bypass_auto_encryption: bool,
    bypass_query_analysis: bool,
}

impl EncryptedClientBuilder {
    key_setters!();

    /// The deployment that holds the key vault, if it is another one than the data's.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(uri: &str, providers: Document) -> fieldveil::Result<()> {
    /// let vault = mongodb::Client::with_uri_str("mongodb://keys.example.internal").await?;
    /// let builder = fieldveil::EncryptedClient::builder(uri).key_vault_client(vault);
    /// # Ok(())
    /// # }
    /// ```
    pub fn key_vault_client(mut self, client: Client) -> Self {
        self.key_vault_client = Some(client);
        self
    }

    /// The encryption schema of one collection (`database.collection`).
    ///
    /// Supplying schemas here is more secure than relying on those obtained from the server: it
    /// protects against a malicious server that advertises a false schema, which could trick the
    /// client into sending unencrypted data that should be encrypted. They only configure
    /// encryption; other validation rules in them are an error.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(uri: &str, providers: Document) -> fieldveil::Result<()> {
    /// let schema = doc! {
    ///     "bsonType": "object",
    ///     "properties": { "ssn": { "encrypt": {
    ///         "bsonType": "string",
    ///         "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random",
    ///         "keyId": "/person",
    ///     } } },
    /// };
    /// let builder = fieldveil::EncryptedClient::builder(uri).schema("clinic.patients", schema);
    /// # Ok(())
    /// # }
    /// ```
    pub fn schema(mut self, namespace: impl Into<String>, schema: Document) -> Self {
        self.schemas.push((namespace.into(), schema));
        self
    }

    /// The encryption schemas of several collections; see [`schema`](Self::schema).
    pub fn schema_map<N: Into<String>>(
        mut self,
        schemas: impl IntoIterator<Item = (N, Document)>,
    ) -> Self {
        self.schemas
            .extend(schemas.into_iter().map(|(namespace, schema)| (namespace.into(), schema)));
        self
    }

    /// The `encryptedFields` of one collection (`database.collection`) under Queryable Encryption.
    ///
    /// Commands to it are refused unless they [bypass analysis](Self::bypass_query_analysis), and
    /// then go with [`run_command`](EncryptedDatabase::run_command).
    pub fn encrypted_fields(mut self, namespace: impl Into<String>, fields: Document) -> Self {
        self.encrypted_fields.push((namespace.into(), fields));
        self
    }

    /// Encrypts nothing automatically; replies are still decrypted.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(uri: &str, providers: Document) -> fieldveil::Result<()> {
    /// let builder = fieldveil::EncryptedClient::builder(uri).bypass_auto_encryption(true);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bypass_auto_encryption(mut self, bypass: bool) -> Self {
        self.bypass_auto_encryption = bypass;
        self
    }

    /// Analyses no commands, so that only explicitly encrypted values are encrypted.
    ///
    /// ```no_run
    /// # use bson::{Document, doc};
    /// # async fn run(uri: &str, providers: Document) -> fieldveil::Result<()> {
    /// let builder = fieldveil::EncryptedClient::builder(uri).bypass_query_analysis(true);
    /// # Ok(())
    /// # }
    /// ```
    pub fn bypass_query_analysis(mut self, bypass: bool) -> Self {
        self.bypass_query_analysis = bypass;
        self
    }

    /// Connects (lazily, as the driver does) and checks the settings.
    ///
    /// # Errors
    /// If a setting is missing or wrong, or the connection string cannot be used.
    pub fn build(self) -> Pending<'static, EncryptedClient> {
        Pending::new(async move {
            let mut builder = self.keys.crypt()?;
            builder.bypass_query_analysis(self.bypass_query_analysis);
            if !self.schemas.is_empty() {
                builder.schema_map(&by_namespace(self.schemas)?)?;
            }
            if !self.encrypted_fields.is_empty() {
                builder.encrypted_fields_map(&by_namespace(self.encrypted_fields)?)?;
            }
            let crypt = builder.build()?;

            let client = self.deployment.client().await?;
            let vault = self.key_vault_client.as_ref().unwrap_or(&client);
            let engine = self.keys.engine(crypt, vault, Some(client.clone()))?;
            Ok(EncryptedClient { client, engine, bypass: self.bypass_auto_encryption })
        })
    }
}

impl fmt::Debug for EncryptedClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedClientBuilder")
            .field("key_vault_namespace", &self.keys.namespace)
            .field("bypass_auto_encryption", &self.bypass_auto_encryption)
            .finish_non_exhaustive()
    }
}

fn by_namespace(schemas: Vec<(String, Document)>) -> Result<RawDocumentBuf> {
    let mut map = Document::new();
    for (namespace, schema) in schemas {
        // Encoded one by one, so that a fault names its collection.
        RawDocumentBuf::try_from(&schema)
            .map_err(|source| ConfigError::Schema { namespace: namespace.clone(), source })?;
        map.insert(namespace, schema);
    }
    Ok(RawDocumentBuf::try_from(&map)?)
}
