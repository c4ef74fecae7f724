//! Waiting for credentials.

use bson::RawDocument;

use super::{Step, read_supplied};
use crate::crypt::Crypt;
use crate::env::Env;
use crate::error::CoreError;
use crate::operation::{CreateDataKey, KeyHunt};

/// Waiting for the credentials of key services that were configured with an empty document. They
/// serve this operation only.
pub struct NeedCredentials {
    pending: Pending,
}

enum Pending {
    Keys(Box<KeyHunt>),
    DataKey(Box<CreateDataKey>, Crypt),
}

impl NeedCredentials {
    pub(crate) fn for_keys(hunt: Box<KeyHunt>) -> Self {
        Self { pending: Pending::Keys(hunt) }
    }

    pub(crate) fn for_data_key(operation: Box<CreateDataKey>, crypt: Crypt) -> Self {
        Self { pending: Pending::DataKey(operation, crypt) }
    }

    /// The configured providers that wait for credentials, by their KMS id.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        let crypt = match &self.pending {
            Pending::Keys(hunt) => hunt.crypt(),
            Pending::DataKey(_, crypt) => crypt,
        };
        let providers = crypt.kms_providers();
        providers.ids().filter(|id| providers.is_on_demand(id)).map(|id| id.as_str())
    }

    /// Takes a `kmsProviders` document with the credentials.
    ///
    /// # Errors
    /// If the document is no use; those of what comes next.
    pub fn provide(self, document: &RawDocument, env: &mut Env<'_>) -> Result<Step, CoreError> {
        let supplied = read_supplied(document)?;
        match self.pending {
            Pending::Keys(hunt) => Ok(hunt.with_credentials(&supplied)),
            Pending::DataKey(operation, crypt) => {
                let providers = crypt.kms_providers().with_supplied(&supplied);
                operation.start(&crypt, providers, env)
            }
        }
    }
}
