//! Tokens of an index key, as payloads carry them.

use fieldveil_crypto::DataKey;
use fieldveil_crypto::qe::state::IndexKind;
use fieldveil_crypto::qe::tokens::{
    EdcDerivedFromDataToken, EscDerivedFromDataToken, EscDerivedFromDataTokenAndContentionFactor,
    FindTokens, InsertTokens, ServerDerivedFromDataToken, TOKEN_LEN, TextIndex,
};

use crate::error::CoreError;
use crate::hooked::{self, Hooks};

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
    hooks: Option<&'a Hooks>,
}

impl<'a> IndexKey<'a> {
    pub(crate) fn new(key: &'a DataKey, hooks: Option<&'a Hooks>) -> Self {
        Self { key, hooks }
    }

    /// Tokens to look for `data`; `text` names the text index that it is a piece of.
    pub(crate) fn find(&self, text: Option<TextIndex>, data: &[u8]) -> Result<TokenSet, CoreError> {
        if let Some(hooks) = self.hooks {
            return self.tree(hooks)?.find(text, data);
        }
        let (edc, esc, server) = self.derived(text, data);
        Ok(TokenSet { edc: *edc.as_bytes(), esc: *esc.as_bytes(), server: *server.as_bytes() })
    }

    /// Tokens to store `data` with a contention factor.
    pub(crate) fn insert(
        &self,
        text: Option<TextIndex>,
        data: &[u8],
        factor: u64,
    ) -> Result<TokenSet, CoreError> {
        if let Some(hooks) = self.hooks {
            let TokenSet { edc, esc, server } = self.tree(hooks)?.find(text, data)?;
            let number = factor.to_le_bytes();
            let edc = hooked::prf(hooks, &edc, &number)?;
            let esc = hooked::prf(hooks, &esc, &number)?;
            return Ok(TokenSet { edc, esc, server });
        }
        let (edc, esc, server) = self.derived(text, data);
        let edc = edc.and_contention_factor(factor);
        let esc = esc.and_contention_factor(factor);
        Ok(TokenSet { edc: *edc.as_bytes(), esc: *esc.as_bytes(), server: *server.as_bytes() })
    }

    /// The tokens of `data` before a contention factor, without hooks.
    fn derived(
        &self,
        text: Option<TextIndex>,
        data: &[u8],
    ) -> (EdcDerivedFromDataToken, EscDerivedFromDataToken, ServerDerivedFromDataToken) {
        let top = self.key.index_tokens();
        match text {
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
        }
    }

    /// [`find`](Self::find) for many values, side by side.
    pub(crate) fn find_each(
        &self,
        text: Option<TextIndex>,
        values: &[&[u8]],
    ) -> Result<Vec<TokenSet>, CoreError> {
        if self.hooks.is_some() {
            return values.iter().map(|value| self.find(text, value)).collect();
        }
        let tokens = self.key.index_tokens().find_tokens(text, values);
        let set = |of: &FindTokens| TokenSet {
            edc: *of.edc.as_bytes(),
            esc: *of.esc.as_bytes(),
            server: *of.server.as_bytes(),
        };
        Ok(tokens.iter().map(set).collect())
    }

    /// [`insert`](Self::insert) for many values, side by side.
    pub(crate) fn insert_each(
        &self,
        text: Option<TextIndex>,
        values: &[&[u8]],
        factor: u64,
    ) -> Result<Vec<TokenSet>, CoreError> {
        if self.hooks.is_some() {
            return values.iter().map(|value| self.insert(text, value, factor)).collect();
        }
        let tokens = self.key.index_tokens().insert_tokens(text, values, factor);
        let set = |of: &InsertTokens| TokenSet {
            edc: *of.edc.as_bytes(),
            esc: *of.esc.as_bytes(),
            server: *of.server.as_bytes(),
        };
        Ok(tokens.iter().map(set).collect())
    }

    /// The encrypted state of a token set (`p`).
    pub(crate) fn state(
        &self,
        iv: &[u8; 16],
        esc: &TokenBytes,
        kind: IndexKind,
    ) -> Result<Vec<u8>, CoreError> {
        let mut out = Vec::with_capacity(51);
        if let Some(hooks) = self.hooks {
            let mut state = esc.to_vec();
            match kind {
                IndexKind::Equality => {}
                IndexKind::Range { is_leaf } => state.push(u8::from(is_leaf)),
                IndexKind::Text { tag_count } => {
                    let [low, middle, high, _] = tag_count.to_le_bytes();
                    state.extend_from_slice(&[low, middle, high]);
                }
            }
            hooked::encrypt_counter(hooks, &self.tree(hooks)?.ecoc()?, iv, &state, &mut out)?;
            return Ok(out);
        }
        let esc = EscDerivedFromDataTokenAndContentionFactor::from_bytes(esc);
        self.key.index_tokens().ecoc.encrypt_state(iv, &esc, kind, &mut out)?;
        Ok(out)
    }

    /// The token under which the server encrypts the client's value once more (`e`).
    pub(crate) fn server_data_encryption(&self) -> Result<TokenBytes, CoreError> {
        match self.hooks {
            Some(hooks) => self.tree(hooks)?.numbered(3),
            None => Ok(*self.key.index_tokens().server_data_encryption.as_bytes()),
        }
    }

    /// The token of the compaction collection.
    pub(crate) fn ecoc(&self) -> Result<TokenBytes, CoreError> {
        match self.hooks {
            Some(hooks) => self.tree(hooks)?.ecoc(),
            None => Ok(*self.key.index_tokens().ecoc.as_bytes()),
        }
    }

    /// The root of the tokens for padding.
    pub(crate) fn anchor_padding_root(&self) -> Result<TokenBytes, CoreError> {
        match self.hooks {
            Some(hooks) => hooked::prf(hooks, &self.tree(hooks)?.collection(2)?, &[0; 17]),
            None => Ok(*self.key.index_tokens().esc.anchor_padding_root().as_bytes()),
        }
    }

    /// Removes the server's layer from a stored value and appends the client's value to `out`.
    pub(crate) fn open_layer(&self, stored: &[u8], out: &mut Vec<u8>) -> Result<(), CoreError> {
        match self.hooks {
            Some(hooks) => {
                let token = self.tree(hooks)?.numbered(3)?;
                hooked::decrypt_counter(hooks, &token, stored, out)
            }
            None => {
                Ok(self.key.index_tokens().server_data_encryption.decrypt_value(stored, out)?)
            }
        }
    }

    fn tree(&self, hooks: &'a Hooks) -> Result<Tree<'a>, CoreError> {
        Ok(Tree { hooks, root: hooked::token_root(self.key.material())? })
    }
}

/// The tree of tokens, derived step by step with the application's HMAC.
struct Tree<'a> {
    hooks: &'a Hooks,
    root: &'a TokenBytes,
}

impl Tree<'_> {
    fn numbered(&self, number: u64) -> Result<TokenBytes, CoreError> {
        hooked::prf(self.hooks, self.root, &number.to_le_bytes())
    }

    /// Token of a collection: 1 data, 2 state, 4 compaction.
    fn collection(&self, number: u64) -> Result<TokenBytes, CoreError> {
        hooked::prf(self.hooks, &self.numbered(1)?, &number.to_le_bytes())
    }

    fn ecoc(&self) -> Result<TokenBytes, CoreError> {
        self.collection(4)
    }

    fn find(&self, text: Option<TextIndex>, data: &[u8]) -> Result<TokenSet, CoreError> {
        let derive = |top: TokenBytes| {
            let top = match text {
                Some(text) => hooked::prf(self.hooks, &top, &(text as u64).to_le_bytes())?,
                None => top,
            };
            hooked::prf(self.hooks, &top, data)
        };
        Ok(TokenSet {
            edc: derive(self.collection(1)?)?,
            esc: derive(self.collection(2)?)?,
            server: derive(self.numbered(2)?)?,
        })
    }
}
