//! The encrypted client and its builder.

use std::{fmt, sync::Arc, time::Duration};

use bson::{Document, RawDocumentBuf};
use fieldveil_core::{Crypt, CryptBuilder};
use mongodb::{
    Client,
    options::{ClientOptions, Tls},
};

use crate::{
    collection::EncryptedCollection,
    database::EncryptedDatabase,
    engine::{Engine, key_vault},
    error::{ConfigError, Result},
    kms::{Connect, CredentialsCallback, KmsSettings},
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
    pub fn builder(deployment: impl Into<ConnectTo>) -> EncryptedClientBuilder {
        EncryptedClientBuilder {
            deployment: deployment.into(),
            key_vault_namespace: None,
            key_vault_client: None,
            providers: None,
            schemas: Vec::new(),
            bypass_auto_encryption: false,
            bypass_query_analysis: false,
            key_expiration: None,
            kms: KmsSettings::default(),
        }
    }

    /// A database of the deployment.
    #[must_use]
    pub fn database(&self, name: &str) -> EncryptedDatabase {
        EncryptedDatabase::new(self.client.database(name), Arc::clone(&self.engine), self.bypass)
    }

    /// A collection of the deployment, by database and name.
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
    pub fn list_database_names(
        &self,
    ) -> mongodb::action::ListDatabases<'_, mongodb::action::ListNames> {
        self.client.list_database_names()
    }

    /// The driver's own client, which encrypts and decrypts **nothing**.
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
    key_vault_namespace: Option<String>,
    key_vault_client: Option<Client>,
    providers: Option<Document>,
    schemas: Vec<(String, Document)>,
    bypass_auto_encryption: bool,
    bypass_query_analysis: bool,
    key_expiration: Option<Duration>,
    kms: KmsSettings,
}

impl EncryptedClientBuilder {
    /// The collection of data keys, as `database.collection`. Required.
    pub fn key_vault_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.key_vault_namespace = Some(namespace.into());
        self
    }

    /// The deployment that holds the key vault, if it is another one than the data's.
    pub fn key_vault_client(mut self, client: Client) -> Self {
        self.key_vault_client = Some(client);
        self
    }

    /// The key services that wrap the data keys, by name: `aws`, `azure`, `gcp`, `kmip`, `local`,
    /// or one of these with a name of yours, as `aws:eu`. Required.
    ///
    /// An empty document for `aws`, `azure` or `gcp` asks for credentials on demand.
    pub fn kms_providers(mut self, providers: Document) -> Self {
        self.providers = Some(providers);
        self
    }

    /// The encryption schema of one collection (`database.collection`).
    ///
    /// Supplying schemas here is more secure than relying on those obtained from the server: it
    /// protects against a malicious server that advertises a false schema, which could trick the
    /// client into sending unencrypted data that should be encrypted. They only configure
    /// encryption; other validation rules in them are an error.
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

    /// Encrypts nothing automatically; replies are still decrypted.
    pub fn bypass_auto_encryption(mut self, bypass: bool) -> Self {
        self.bypass_auto_encryption = bypass;
        self
    }

    /// Analyses no commands, so that only explicitly encrypted values are encrypted.
    pub fn bypass_query_analysis(mut self, bypass: bool) -> Self {
        self.bypass_query_analysis = bypass;
        self
    }

    /// How long an unwrapped data key may be used without asking the key service again. The
    /// default is 60 seconds; zero means for ever.
    pub fn key_expiration(mut self, expiration: Duration) -> Self {
        self.key_expiration = Some(expiration);
        self
    }

    /// TLS options for connections to one KMS provider: CA file, client certificate.
    pub fn tls_options(mut self, provider: impl Into<String>, tls: impl Into<Tls>) -> Self {
        self.kms.tls.insert(provider.into(), tls.into());
        self
    }

    /// How connections to key services are made: directly, through a proxy, or by the caller.
    pub fn kms_connect(mut self, connect: Connect) -> Self {
        self.kms.connect = connect;
        self
    }

    /// Where credentials of a provider with an empty document come from.
    pub fn credentials(
        mut self,
        provider: impl Into<String>,
        callback: CredentialsCallback,
    ) -> Self {
        self.kms.credentials.insert(provider.into(), callback);
        self
    }

    /// How long one exchange with a key service may take; 10 seconds by default.
    pub fn kms_timeout(mut self, timeout: Duration) -> Self {
        self.kms.timeout = timeout;
        self
    }

    /// Connects (lazily, as the driver does) and checks the settings.
    ///
    /// # Errors
    /// If a setting is missing or wrong, or the connection string cannot be used.
    pub async fn build(self) -> Result<EncryptedClient> {
        let namespace = self.key_vault_namespace.ok_or(ConfigError::NoKeyVault)?;
        let providers = self.providers.ok_or(ConfigError::NoProviders)?;

        let mut builder = crypt_builder(&providers, self.key_expiration)?;
        builder.bypass_query_analysis(self.bypass_query_analysis);
        if !self.schemas.is_empty() {
            builder.schema_map(&schema_map(self.schemas)?)?;
        }
        let crypt = builder.build()?;

        let client = self.deployment.client().await?;
        let vault = key_vault(self.key_vault_client.as_ref().unwrap_or(&client), &namespace)?;
        let engine = Engine::new(crypt, vault, Some(client.clone()), self.kms.open()?);
        Ok(EncryptedClient { client, engine, bypass: self.bypass_auto_encryption })
    }
}

impl fmt::Debug for EncryptedClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedClientBuilder")
            .field("key_vault_namespace", &self.key_vault_namespace)
            .field("bypass_auto_encryption", &self.bypass_auto_encryption)
            .finish_non_exhaustive()
    }
}

/// What every crypt has: providers, and how long keys live.
pub(crate) fn crypt_builder(
    providers: &Document,
    key_expiration: Option<Duration>,
) -> Result<CryptBuilder> {
    let mut builder = Crypt::builder();
    builder.kms_providers(&RawDocumentBuf::try_from(providers)?)?;
    match key_expiration {
        None => {}
        Some(Duration::ZERO) => {
            builder.key_expiration(None);
        }
        expiration => {
            builder.key_expiration(expiration);
        }
    }
    Ok(builder)
}

fn schema_map(schemas: Vec<(String, Document)>) -> Result<RawDocumentBuf> {
    let mut map = Document::new();
    for (namespace, schema) in schemas {
        // Encoded one by one, so that a fault names its collection.
        RawDocumentBuf::try_from(&schema)
            .map_err(|source| ConfigError::Schema { namespace: namespace.clone(), source })?;
        map.insert(namespace, schema);
    }
    Ok(RawDocumentBuf::try_from(&map)?)
}
