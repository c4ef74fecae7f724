//! Documents of the key vault, and the keys in them.

mod document;

pub use document::{KeyDocument, KeyDocumentError};

use std::sync::Arc;

use fieldveil_crypto::DataKey;

use crate::error::CoreError;
use crate::key_id::KeyId;
use crate::qe::IndexKey;

/// A data key from the vault, unwrapped.
#[derive(Debug)]
pub(crate) struct VaultKey {
    document: KeyDocument,
    key: Arc<DataKey>,
}

impl VaultKey {
    /// A key document and what came out of its wrapping.
    pub(crate) fn new(document: KeyDocument, key: Arc<DataKey>) -> Self {
        Self { document, key }
    }

    /// `_id` in the key vault.
    pub(crate) fn id(&self) -> &KeyId {
        self.document.id()
    }

    /// The document that the key came from.
    pub(crate) fn document(&self) -> &KeyDocument {
        &self.document
    }

    /// The key itself.
    pub(crate) fn key(&self) -> &Arc<DataKey> {
        &self.key
    }
}

impl VaultKey {
    /// The key in its role as index key of Queryable Encryption.
    pub(crate) fn index(&self) -> IndexKey<'_> {
        IndexKey::new(&self.key)
    }

    /// Encrypts a value under this user key of Queryable Encryption; appends to `out`.
    pub(crate) fn encrypt_qe(
        &self,
        iv: &[u8; 16],
        associated_data: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CoreError> {
        self.key.encrypt_qe(iv, associated_data, plaintext, out)?;
        Ok(())
    }
}
