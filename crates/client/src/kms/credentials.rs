//! Credentials on demand: asked for only when a key must be wrapped or unwrapped, and kept until
//! shortly before they expire.

mod aws;
mod azure;
mod gcp;
mod url;

use std::{
    collections::HashMap,
    error::Error as StdError,
    fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};

use bson::{Document, RawDocumentBuf};
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::KmsIo;

type BoxError = Box<dyn StdError + Send + Sync>;
type Fetch = dyn Fn() -> BoxFuture<'static, Result<Document, BoxError>> + Send + Sync;

/// A caller's own source of credentials for one provider.
///
/// ```no_run
/// use bson::doc;
/// use fieldveil::kms::CredentialsCallback;
///
/// let callback = CredentialsCallback::new(|| async {
///     Ok(doc! { "accessKeyId": "AKIA..", "secretAccessKey": ".." })
/// });
/// ```
#[derive(Clone)]
pub struct CredentialsCallback(Arc<Fetch>);

impl CredentialsCallback {
    /// Calls this function whenever credentials are needed; it returns the provider's fields.
    pub fn new<F, R>(fetch: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Document, BoxError>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(fetch())))
    }
}

impl fmt::Debug for CredentialsCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialsCallback(..)")
    }
}

/// Credentials that could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The caller's function failed.
    #[error("credentials for KMS provider '{provider}': the callback failed: {source}")]
    Callback {
        /// The provider's name.
        provider: String,
        /// What it said.
        source: BoxError,
    },

    /// No source had anything.
    #[error(
        "no credentials for KMS provider '{provider}': give them in kms_providers, or {remedy}"
    )]
    None {
        /// The provider's name.
        provider: &'static str,
        /// What can be done.
        remedy: &'static str,
    },

    /// A metadata service could not be reached.
    #[error("{what} cannot be had from {from}: {source}")]
    Unreachable {
        /// What was asked for.
        what: &'static str,
        /// Who was asked.
        from: String,
        /// What the network said.
        source: io::Error,
    },

    /// A metadata service refused.
    #[error("{what} cannot be had from {from}: HTTP status={status}. Response body=\n{body}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// Who was asked.
        from: String,
        /// The HTTP status.
        status: u16,
        /// What came with it.
        body: String,
    },

    /// A metadata service answered with something else.
    #[error("{what} from {from}: the response must be in JSON format and contain '{field}'")]
    Answer {
        /// What was asked for.
        what: &'static str,
        /// Who was asked.
        from: String,
        /// What is missing.
        field: &'static str,
    },

    /// An environment variable gives an address that cannot be used.
    #[error(
        "the environment variable {variable} has an address that cannot be used for credentials: {given}"
    )]
    Address {
        /// The environment variable.
        variable: &'static str,
        /// What it holds.
        given: String,
    },

    /// A file that holds a token cannot be read.
    #[error("the file {path} that {variable} names cannot be read: {source}")]
    TokenFile {
        /// The environment variable.
        variable: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// The credentials of one provider, and until when they may be used.
struct Fetched {
    fields: Document,
    expires: Option<Instant>,
}

impl Fetched {
    fn is_fresh(&self) -> bool {
        self.expires.is_some_and(|expires| Instant::now() < expires)
    }
}

/// Where credentials come from, with those that are still good.
pub(super) struct Sources {
    callbacks: HashMap<String, CredentialsCallback>,
    kept: Mutex<HashMap<String, Fetched>>,
}

impl Sources {
    pub(super) fn new(callbacks: HashMap<String, CredentialsCallback>) -> Self {
        Self { callbacks, kept: Mutex::new(HashMap::new()) }
    }

    /// Drops what is kept for a provider, after its service refused it.
    pub(super) async fn forget(&self, provider: &str) {
        self.kept.lock().await.remove(provider);
    }
}

impl KmsIo {
    /// Credentials for every provider that was configured with an empty document.
    ///
    /// One that has none is left out, so that the others can be used; only if there are none at
    /// all the first failure is reported.
    pub(crate) async fn credentials(
        &self,
        providers: Vec<String>,
    ) -> Result<RawDocumentBuf, crate::Error> {
        let mut found = Document::new();
        let mut failure = None;
        for provider in providers {
            match self.credentials_of(&provider).await {
                Ok(fields) => {
                    found.insert(provider, fields);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            Some(error) if found.is_empty() => Err(error.into()),
            _ => Ok(RawDocumentBuf::try_from(&found)?),
        }
    }

    async fn credentials_of(&self, provider: &str) -> Result<Document, CredentialsError> {
        if let Some(callback) = self.credentials.callbacks.get(provider) {
            return (callback.0)().await.map_err(|source| CredentialsError::Callback {
                provider: provider.to_owned(),
                source,
            });
        }
        // The lock is held while fetching, so that many waiting operations ask once.
        let mut kept = self.credentials.kept.lock().await;
        if let Some(fresh) = kept.get(provider).filter(|fetched| fetched.is_fresh()) {
            return Ok(fresh.fields.clone());
        }
        let fetched = match provider {
            "aws" => {
                let way = aws::Way { tls: self.tls("aws"), connect: &self.connect };
                aws::fetch(&aws::Places::default(), &Environment, way).await?
            }
            "azure" => azure::fetch(&azure::Place::default()).await?,
            _ => gcp::fetch(&gcp::Place::from_environment(&Environment)).await?,
        };
        let fields = fetched.fields.clone();
        kept.insert(provider.to_owned(), fetched);
        Ok(fields)
    }
}

/// Environment variables, which tests replace.
pub(super) trait Variables: Sync {
    fn get(&self, name: &str) -> Option<String>;
}

/// The variables of the process.
struct Environment;

impl Variables for Environment {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
impl Variables for HashMap<&str, String> {
    fn get(&self, name: &str) -> Option<String> {
        HashMap::get(self, name).cloned()
    }
}

/// When something that lives this long should be fetched again.
fn expiry(lifetime: Duration, margin: Duration) -> Option<Instant> {
    Instant::now().checked_add(lifetime.checked_sub(margin)?)
}

#[cfg(test)]
mod tests;
