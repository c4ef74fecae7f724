//! `kmsProviders`: which key services may be used, and with which credentials.

use std::fmt;
use std::sync::Arc;

use bson::RawDocument;
use fieldveil_crypto::Secret;

mod credentials;

pub use credentials::{
    AwsCredentials, AzureCredentials, AzureSecret, Credentials, GcpCredentials, GcpServiceAccount,
};

use crate::{ConfigError, KmsError, KmsId, ProviderKind};

/// The configured key services, in the order in which they were given.
///
/// Cloning is cheap and copies no credential.
#[derive(Debug, Clone, Default)]
pub struct KmsProviders {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    id: KmsId,
    /// `None`: the caller is asked when they are needed.
    credentials: Option<Arc<Credentials>>,
}

impl KmsProviders {
    /// Reads a `kmsProviders` document: KMS ids with a document of credentials each.
    ///
    /// An empty document for an unnamed provider means that its credentials are asked for when
    /// they are needed.
    ///
    /// # Errors
    /// As `ConfigError` says, each naming the provider at fault.
    pub fn parse(document: &RawDocument) -> Result<Self, ConfigError> {
        let mut providers = Self::default();
        for element in document {
            let (name, value) = element.map_err(|_| ConfigError::InvalidBson)?;
            let name = name.as_str();
            let Some(options) = value.as_document() else {
                return Err(ConfigError::NotADocument(name.to_owned()));
            };
            let id = KmsId::parse(name)?;
            let credentials = if options.is_empty() {
                if id.is_named() {
                    return Err(ConfigError::EmptyNamed(name.to_owned()));
                }
                None
            } else {
                let credentials = Credentials::parse(id.kind(), options).map_err(|source| {
                    ConfigError::InProvider { kmsid: name.to_owned(), source: Box::new(source) }
                })?;
                Some(Arc::new(credentials))
            };
            providers.add(Entry { id, credentials })?;
        }
        Ok(providers)
    }

    /// A single local provider with the given master key.
    pub fn local(key: Secret<96>) -> Self {
        let mut providers = Self::default();
        providers.insert(KmsId::unnamed(ProviderKind::Local), Credentials::local(key));
        providers
    }

    /// Adds a provider, in place of what was there under the same id.
    pub fn insert(&mut self, id: KmsId, credentials: Credentials) {
        self.replace(Entry { id, credentials: Some(Arc::new(credentials)) });
    }

    /// Adds what another document says.
    ///
    /// # Errors
    /// `AlreadySet` or `Duplicate` if both have credentials for a provider.
    pub fn merge(&mut self, other: Self) -> Result<(), ConfigError> {
        other.entries.into_iter().try_for_each(|entry| self.add(entry))
    }

    /// These providers with credentials that the caller supplied for one operation.
    pub fn with_supplied(&self, supplied: &Self) -> Self {
        let mut providers = self.clone();
        for entry in supplied.entries.iter().filter(|entry| entry.credentials.is_some()) {
            providers.replace(entry.clone());
        }
        providers
    }

    /// Checks that there is a provider, and that none has to be asked for if the caller cannot be.
    ///
    /// # Errors
    /// `NoProvider`, `OnDemandNotEnabled`.
    pub fn validate(&self, on_demand_enabled: bool) -> Result<(), ConfigError> {
        if self.entries.is_empty() {
            return Err(ConfigError::NoProvider);
        }
        if !on_demand_enabled && self.needs_credentials() {
            return Err(ConfigError::OnDemandNotEnabled);
        }
        Ok(())
    }

    /// Whether any provider's credentials have to be asked for.
    pub fn needs_credentials(&self) -> bool {
        self.entries.iter().any(|entry| entry.credentials.is_none())
    }

    /// Whether this provider's credentials have to be asked for.
    pub fn is_on_demand(&self, id: &KmsId) -> bool {
        self.find(id).is_some_and(|entry| entry.credentials.is_none())
    }

    /// Whether the provider was given, with credentials or without.
    pub fn contains(&self, id: &KmsId) -> bool {
        self.find(id).is_some()
    }

    /// The ids of all providers.
    pub fn ids(&self) -> impl Iterator<Item = &KmsId> {
        self.entries.iter().map(|entry| &entry.id)
    }

    /// The credentials of a provider.
    ///
    /// # Errors
    /// `NotConfigured` if it was not given, or is still to be asked for.
    pub fn credentials(&self, id: &KmsId) -> Result<&Credentials, KmsError> {
        self.find(id)
            .and_then(|entry| entry.credentials.as_deref())
            .ok_or_else(|| KmsError::NotConfigured(id.to_string()))
    }

    fn find(&self, id: &KmsId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == *id)
    }

    /// Adds an entry; credentials may follow a wish to be asked, but not other credentials.
    fn add(&mut self, entry: Entry) -> Result<(), ConfigError> {
        let known = self.find(&entry.id).map(|known| known.credentials.is_some());
        match (known, entry.credentials.is_some()) {
            (Some(true), true) if entry.id.is_named() => {
                return Err(ConfigError::Duplicate(entry.id.to_string()));
            }
            (Some(true), true) => return Err(ConfigError::AlreadySet(entry.id.to_string())),
            (Some(true), false) => {}
            _ => self.replace(entry),
        }
        Ok(())
    }

    fn replace(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|known| known.id == entry.id) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = if self.credentials.is_some() { "[redacted]" } else { "on demand" };
        write!(f, "{}: {credentials}", self.id)
    }
}

#[cfg(test)]
mod tests;
