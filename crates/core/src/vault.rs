//! Documents of the key vault, and the keys in them.

mod document;

pub use document::{KeyDocument, KeyDocumentError};

use std::sync::Arc;

use fieldveil_crypto::DataKey;

use crate::error::CoreError;
use crate::hooked::{self, Hooks};
use crate::key_id::KeyId;
use crate::payload::Cipher;
use crate::qe::IndexKey;

/// A data key from the vault, unwrapped.
pub(crate) struct VaultKey {
    document: KeyDocument,
    key: Arc<DataKey>,
    hooks: Option<Arc<Hooks>>,
}

impl VaultKey {
    /// A key document and what came out of its wrapping; `hooks` are used in place of the key's own
    /// ciphers.
    pub(crate) fn new(document: KeyDocument, key: Arc<DataKey>, hooks: Option<Arc<Hooks>>) -> Self {
        Self { document, key, hooks }
    }

    /// The same key with another document.
    pub(crate) fn with_document(&self, document: KeyDocument) -> Self {
        Self { document, key: Arc::clone(&self.key), hooks: self.hooks.clone() }
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
    pub(crate) fn key(&self) -> &DataKey {
        &self.key
    }

    /// The application's own primitives, if it brought them along.
    pub(crate) fn hooks(&self) -> Option<&Hooks> {
        self.hooks.as_deref()
    }

    /// The key in its role as index key of Queryable Encryption.
    pub(crate) fn index(&self) -> IndexKey<'_> {
        IndexKey::new(&self.key, self.hooks())
    }

    /// Encrypts a value under this user key of Queryable Encryption; appends to `out`.
    pub(crate) fn encrypt_qe(
        &self,
        iv: &[u8; 16],
        associated_data: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CoreError> {
        match self.hooks() {
            Some(hooks) => {
                let material = self.key.material();
                hooked::seal_qe(hooks, material, iv, associated_data, plaintext, out)
            }
            None => Ok(self.key.encrypt_qe(iv, associated_data, plaintext, out)?),
        }
    }

    /// Decrypts one value; appends to `out`.
    pub(crate) fn decrypt(
        &self,
        cipher: Cipher,
        associated_data: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CoreError> {
        if let Some(hooks) = self.hooks() {
            let open = match cipher {
                Cipher::Csfle => hooked::open_csfle,
                Cipher::Qe => hooked::open_qe,
                Cipher::QeV1 => hooked::open_qe_v1,
            };
            return open(hooks, self.key.material(), associated_data, sealed, out);
        }
        match cipher {
            Cipher::Csfle => self.key.decrypt(associated_data, sealed, out)?,
            Cipher::Qe => self.key.decrypt_qe(associated_data, sealed, out)?,
            Cipher::QeV1 => self.key.decrypt_qe_v1(associated_data, sealed, out)?,
        }
        Ok(())
    }
}

impl std::fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultKey").field("id", self.id()).finish_non_exhaustive()
    }
}
