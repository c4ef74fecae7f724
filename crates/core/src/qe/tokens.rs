//! Tokens of an index key, as payloads carry them.

use fieldveil_crypto::DataKey;
use fieldveil_crypto::qe::state::IndexKind;
use fieldveil_crypto::qe::tokens::{
    EscDerivedFromDataTokenAndContentionFactor, TOKEN_LEN, TextIndex,
};

use crate::error::CoreError;

/// Bytes of a token.
pub(crate) type TokenBytes = [u8; TOKEN_LEN];

/// The tokens by which the server finds a value: of the data collection (`d`), of the state collection
/// (`s`), and of the server's own layer (`l`).
pub(crate) struct TokenSet {
    pub(crate) edc: TokenBytes,
    pub(crate) esc: TokenBytes,
    pub(crate) server: TokenBytes,
}

/// An index key.
#[derive(Clone, Copy)]
pub(crate) struct IndexKey<'a> {
    key: &'a DataKey,
}

impl<'a> IndexKey<'a> {
    pub(crate) fn new(key: &'a DataKey) -> Self {
        Self { key }
    }

    /// Tokens to look for `data`; `text` names the text index that it is a piece of.
    pub(crate) fn find(&self, text: Option<TextIndex>, data: &[u8]) -> Result<TokenSet, CoreError> {
        let top = self.key.index_tokens();
        let (edc, esc, server) = match text {
            None => (
                top.edc.derived_from_data(data),
                top.esc.derived_from_data(data),
                top.server_derivation.derived_from_data(data),
            ),
            Some(text) => (
                top.edc.text(text).derived_from_data(data),
                top.esc.text(text).derived_from_data(data),
                top.server_derivation.text(text).derived_from_data(data),
            ),
        };
        Ok(TokenSet { edc: *edc.as_bytes(), esc: *esc.as_bytes(), server: *server.as_bytes() })
    }

    /// Tokens to store `data` with a contention factor.
    pub(crate) fn insert(
        &self,
        text: Option<TextIndex>,
        data: &[u8],
        contention_factor: u64,
    ) -> Result<TokenSet, CoreError> {
        let top = self.key.index_tokens();
        let (edc, esc, server) = match text {
            None => (
                top.edc.derived_from_data(data),
                top.esc.derived_from_data(data),
                top.server_derivation.derived_from_data(data),
            ),
            Some(text) => (
                top.edc.text(text).derived_from_data(data),
                top.esc.text(text).derived_from_data(data),
                top.server_derivation.text(text).derived_from_data(data),
            ),
        };
        let edc = edc.and_contention_factor(contention_factor);
        let esc = esc.and_contention_factor(contention_factor);
        Ok(TokenSet { edc: *edc.as_bytes(), esc: *esc.as_bytes(), server: *server.as_bytes() })
    }

    /// The encrypted state of a token set (`p`).
    pub(crate) fn state(
        &self,
        iv: &[u8; 16],
        esc: &TokenBytes,
        kind: IndexKind,
    ) -> Result<Vec<u8>, CoreError> {
        let mut out = Vec::with_capacity(51);
        let esc = EscDerivedFromDataTokenAndContentionFactor::from_bytes(esc);
        self.key.index_tokens().ecoc.encrypt_state(iv, &esc, kind, &mut out)?;
        Ok(out)
    }

    /// The token under which the server encrypts the client's value once more (`e`).
    pub(crate) fn server_data_encryption(&self) -> Result<TokenBytes, CoreError> {
        Ok(*self.key.index_tokens().server_data_encryption.as_bytes())
    }

    /// The token of the compaction collection.
    pub(crate) fn ecoc(&self) -> Result<TokenBytes, CoreError> {
        Ok(*self.key.index_tokens().ecoc.as_bytes())
    }

    /// The root of the tokens for padding.
    pub(crate) fn anchor_padding_root(&self) -> Result<TokenBytes, CoreError> {
        Ok(*self.key.index_tokens().esc.anchor_padding_root().as_bytes())
    }

    /// Removes the server's layer from a stored value and appends the client's value to `out`.
    pub(crate) fn open_layer(&self, stored: &[u8], out: &mut Vec<u8>) -> Result<(), CoreError> {
        self.key.index_tokens().server_data_encryption.decrypt_value(stored, out)?;
        Ok(())
    }
}
