//! What both entries of this crate are told about keys: where they are, and what unwraps them.

use std::{sync::Arc, time::Duration};

use bson::{Document, RawDocumentBuf};
use fieldveil_core::{Crypt, CryptBuilder};
use mongodb::Client;

use crate::{
    engine::{Engine, key_vault},
    error::{ConfigError, Result},
    kms::KmsSettings,
};

/// The settings that [`key_setters`] fills in.
#[derive(Default)]
pub(crate) struct KeySettings {
    pub(crate) namespace: Option<String>,
    pub(crate) providers: Option<Document>,
    pub(crate) expiration: Option<Duration>,
    pub(crate) kms: KmsSettings,
}

impl KeySettings {
    /// Core with these providers, to be completed.
    ///
    /// # Errors
    /// If there are no providers, or they cannot work.
    pub(crate) fn crypt(&self) -> Result<CryptBuilder> {
        self.namespace()?;
        let providers = self.providers.as_ref().ok_or(ConfigError::NoProviders)?;
        let mut builder = Crypt::builder();
        builder.kms_providers(&RawDocumentBuf::try_from(providers)?)?;
        match self.expiration {
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

    /// The engine: `vault` reaches the key vault, `metadata` the schemas of collections.
    pub(crate) fn engine(
        self,
        crypt: Crypt,
        vault: &Client,
        metadata: Option<Client>,
    ) -> Result<Arc<Engine>> {
        let vault = key_vault(vault, self.namespace()?)?;
        let providers = self.providers.as_ref().ok_or(ConfigError::NoProviders)?;
        let kms = self.kms.open(providers)?;
        Ok(Engine::new(crypt, vault, metadata, kms))
    }

    fn namespace(&self) -> Result<&str> {
        Ok(self.namespace.as_deref().ok_or(ConfigError::NoKeyVault)?)
    }
}

/// The setters of a builder whose field `keys` are [`KeySettings`].
macro_rules! key_setters {
    () => {
        /// The collection of data keys, as `database.collection`. Required.
        ///
        /// ```no_run
        /// # fn run(providers: bson::Document) {
        /// let builder = fieldveil::EncryptedClient::builder("mongodb://localhost")
        ///     .key_vault_namespace("encryption.__keyVault");
        /// # }
        /// ```
        pub fn key_vault_namespace(mut self, namespace: impl Into<String>) -> Self {
            self.keys.namespace = Some(namespace.into());
            self
        }

        /// The key services that wrap the data keys, by name: `aws`, `azure`, `gcp`, `kmip`,
        /// `local`, or one of these with a name of yours, as `aws:eu`. Required.
        ///
        /// An empty document for `aws`, `azure` or `gcp` asks for credentials on demand.
        ///
        /// ```no_run
        /// # fn run(providers: bson::Document) {
        /// let builder = fieldveil::EncryptedClient::builder("mongodb://localhost").kms_providers(bson::doc! { "aws": {} });
        /// # }
        /// ```
        pub fn kms_providers(mut self, providers: ::bson::Document) -> Self {
            self.keys.providers = Some(providers);
            self
        }

        /// How long an unwrapped data key may be used without asking the key service again. The
        /// default is 60 seconds; zero means for ever.
        ///
        /// ```no_run
        /// # fn run(providers: bson::Document) {
        /// use std::time::Duration;
        /// let builder = fieldveil::EncryptedClient::builder("mongodb://localhost")
        ///     .key_expiration(Duration::from_secs(10));
        /// # }
        /// ```
        pub fn key_expiration(mut self, expiration: ::std::time::Duration) -> Self {
            self.keys.expiration = Some(expiration);
            self
        }

        /// TLS options for connections to one KMS provider: CA file, client certificate.
        ///
        /// ```no_run
        /// # fn run(providers: bson::Document) {
        /// let mut tls = mongodb::options::TlsOptions::default();
        /// tls.ca_file_path = Some("kmip-ca.pem".into());
        /// let builder = fieldveil::EncryptedClient::builder("mongodb://localhost").tls_options("kmip", tls);
        /// # }
        /// ```
        pub fn tls_options(
            mut self,
            provider: impl Into<String>,
            tls: impl Into<::mongodb::options::Tls>,
        ) -> Self {
            self.keys.kms.tls.insert(provider.into(), tls.into());
            self
        }

        /// How connections to key services are made: directly, through a proxy, or by the caller.
        ///
        /// ```no_run
        /// # fn run(providers: bson::Document) {
        /// use fieldveil::kms::{Connect, HttpProxy};
        /// let proxy = HttpProxy::new("proxy.example.internal", 3128);
        /// let builder = fieldveil::EncryptedClient::builder("mongodb://localhost")
        ///     .kms_connect(Connect::HttpProxy(proxy));
        /// # }
        /// ```
        pub fn kms_connect(mut self, connect: $crate::kms::Connect) -> Self {
            self.keys.kms.connect = connect;
            self
        }

        /// Where credentials of a provider with an empty document come from.
        ///
        /// ```no_run
        /// # fn run(providers: bson::Document) {
        /// use fieldveil::kms::CredentialsCallback;
        /// let callback = CredentialsCallback::new(|| async {
        ///     Ok(bson::doc! { "accessKeyId": "AKIA..", "secretAccessKey": ".." })
        /// });
        /// let builder = fieldveil::EncryptedClient::builder("mongodb://localhost").credentials("aws", callback);
        /// # }
        /// ```
        pub fn credentials(
            mut self,
            provider: impl Into<String>,
            callback: $crate::kms::CredentialsCallback,
        ) -> Self {
            self.keys.kms.credentials.insert(provider.into(), callback);
            self
        }

        /// How long one exchange with a key service may take; 10 seconds by default.
        ///
        /// ```no_run
        /// # fn run(providers: bson::Document) {
        /// use std::time::Duration;
        /// let builder = fieldveil::EncryptedClient::builder("mongodb://localhost")
        ///     .kms_timeout(Duration::from_secs(3));
        /// # }
        /// ```
        pub fn kms_timeout(mut self, timeout: ::std::time::Duration) -> Self {
            self.keys.kms.timeout = timeout;
            self
        }
    };
}

pub(crate) use key_setters;
