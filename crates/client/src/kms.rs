//! The way to the key services: sockets, TLS, proxies, retries and credentials.
//!
//! What is said over these sockets is `fieldveil-kms`'s business; here is only how the bytes get
//! there and back.

mod connect;
mod credentials;
mod exchange;
pub(crate) mod http;
pub(crate) mod tls;

use std::{collections::HashMap, fmt, io, sync::Arc, time::Duration};

use bson::Document;
use mongodb::options::Tls;
use rustls::ClientConfig;

pub use connect::{Connect, HttpProxy, Socket};
pub use credentials::{CredentialsCallback, CredentialsError};
pub use tls::TlsError;

use crate::error::{ConfigError, Result};

/// How long one exchange with a key service may take, if the caller does not say.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a caller may set.
pub(crate) struct KmsSettings {
    pub(crate) tls: HashMap<String, Tls>,
    pub(crate) connect: Connect,
    pub(crate) credentials: HashMap<String, CredentialsCallback>,
    pub(crate) timeout: Duration,
}

impl Default for KmsSettings {
    fn default() -> Self {
        Self {
            tls: HashMap::new(),
            connect: Connect::Direct,
            credentials: HashMap::new(),
            timeout: TIMEOUT,
        }
    }
}

impl KmsSettings {
    /// Reads certificates and keys, and refuses what is insecure or would not be used.
    pub(crate) fn open(self, providers: &Document) -> Result<KmsIo> {
        for provider in self.credentials.keys() {
            let is_on_demand = providers.get_document(provider).is_ok_and(Document::is_empty);
            if !is_on_demand {
                return Err(ConfigError::UnusedCredentials { provider: provider.clone() }.into());
            }
        }
        let configure = |provider: &str, tls: &Tls| {
            tls::client_config(tls)
                .map_err(|reason| ConfigError::Tls { provider: provider.to_owned(), reason })
        };
        let mut tls = HashMap::new();
        for (provider, options) in &self.tls {
            tls.insert(provider.clone(), Arc::new(configure(provider, options)?));
        }
        let default_tls = Arc::new(configure("", &Tls::Enabled(Default::default()))?);
        Ok(KmsIo {
            tls,
            default_tls,
            connect: self.connect,
            credentials: credentials::Sources::new(self.credentials),
            timeout: self.timeout,
        })
    }
}

/// Carries messages to key services.
pub(crate) struct KmsIo {
    tls: HashMap<String, Arc<ClientConfig>>,
    default_tls: Arc<ClientConfig>,
    connect: Connect,
    credentials: credentials::Sources,
    timeout: Duration,
}

impl KmsIo {
    fn tls(&self, provider: &str) -> Arc<ClientConfig> {
        Arc::clone(self.tls.get(provider).unwrap_or(&self.default_tls))
    }
}

impl fmt::Debug for KmsIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsIo")
            .field("connect", &self.connect)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// An exchange with a key service that came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KmsIoError {
    /// The service could not be reached, or the connection broke.
    #[error("KMS provider '{provider}' at {endpoint}: {source}")]
    Network {
        /// The provider's name.
        provider: String,
        /// Host and port.
        endpoint: String,
        /// What the network said.
        source: io::Error,
    },

    /// The service did not answer in time.
    #[error(
        "KMS provider '{provider}' at {endpoint} did not answer within {} s; check that it can be reached, or allow more with kms_timeout",
        .after.as_secs_f32()
    )]
    Timeout {
        /// The provider's name.
        provider: String,
        /// Host and port.
        endpoint: String,
        /// How long was waited.
        after: Duration,
    },

    /// The endpoint is no host and port.
    #[error("KMS provider '{provider}' has an endpoint that is no host and port: {endpoint}")]
    Endpoint {
        /// The provider's name.
        provider: String,
        /// What was given.
        endpoint: String,
    },

    /// The service's answer was refused.
    #[error("KMS provider '{provider}' at {endpoint}: {source}")]
    Answer {
        /// The provider's name.
        provider: String,
        /// Host and port.
        endpoint: String,
        /// Why.
        source: fieldveil_kms::KmsError,
    },
}
