//! Documents of the key vault, and the keys in them.

mod document;

pub use document::{KeyDocument, KeyDocumentError};

use std::sync::Arc;

use fieldveil_crypto::DataKey;

use crate::key_id::KeyId;

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
