//! Decryption of documents and of single values.

use std::sync::Arc;

use bson::{RawDocument, RawDocumentBuf};

use super::{KeyHunt, MessageError, Waiting};
use crate::broker::{KeyRequests, KeyVaultError};
use crate::ciphertext::{Ciphertext, CiphertextError, check_plaintext, is_ciphertext};
use crate::crypt::Crypt;
use crate::env::Env;
use crate::error::CoreError;
use crate::marking::KeySelector;
use crate::payload::{Payload, is_readable};
use crate::raw::{self, Sites, subtype};
use crate::step::{Ready, Step};
use crate::vault::VaultKey;

mod open;

use open::{KeyRing, Layers, open};

/// Decrypts every value of a document or reply, at any depth.
pub(crate) fn decrypt(
    crypt: &Crypt,
    document: &RawDocument,
    env: &mut Env<'_>,
) -> Result<Step, CoreError> {
    let bytes = document.as_bytes();
    let mut wanted = Wanted { requests: KeyRequests::default(), is_one_round: true, refused: None };
    let sites = raw::scan(bytes, |content| wanted.add(content))?;
    if sites.as_slice().is_empty() {
        return Ok(Step::Ready(Ready::new(document.to_owned())));
    }
    let Wanted { requests, is_one_round, refused } = wanted;
    if let Some(error) = refused {
        return Err(error.into());
    }
    if is_one_round && let Some(keys) = crypt.key_cache().get_all(requests.selectors(), env.now()) {
        return open(bytes, &sites, &Layers::default(), &keys).map(Step::Ready);
    }
    let operation = Outer { document: document.to_owned(), sites };
    KeyHunt::start(crypt, requests, &[], Waiting::Decrypt(operation), env)
}

/// Decrypts `{v: binary of subtype 6}`.
pub(crate) fn decrypt_value(
    crypt: &Crypt,
    message: &RawDocument,
    env: &mut Env<'_>,
) -> Result<Step, CoreError> {
    let value = raw::find(message.as_bytes(), "v")?.ok_or(MessageError::NoValue)?;
    match value.as_binary() {
        Some((subtype::ENCRYPTED, content)) => match content.first() {
            None => Err(MessageError::EmptyPayload.into()),
            Some(first_byte) if !is_readable(*first_byte) => {
                Err(MessageError::UnknownPayload { first_byte: *first_byte }.into())
            }
            Some(_) => match open_alone(crypt, message.as_bytes(), content, env)? {
                Some(ready) => Ok(Step::Ready(ready)),
                None => decrypt(crypt, message, env),
            },
        },
        Some((actual, _)) => Err(MessageError::BinarySubtype { actual }.into()),
        None => Err(MessageError::NotBinary.into()),
    }
}

/// Decrypts a message that is nothing but `{v: content}`, without lists of one; `None` if it is more,
/// or its key is not at hand.
fn open_alone(
    crypt: &Crypt,
    message: &[u8],
    content: &[u8],
    env: &mut Env<'_>,
) -> Result<Option<Ready>, CoreError> {
    // Length, type, `v` and its end, length and subtype of the binary; the end of the document.
    const AROUND: usize = 4 + 1 + 2 + 4 + 1 + 1;
    if message.len() != AROUND + content.len() {
        return Ok(None);
    }
    let Payload::Sealed(sealed) = Payload::parse(content)? else { return Ok(None) };
    let Some(key) = crypt.key_cache().get(KeySelector::Id(sealed.key), env.now()) else {
        return Ok(None);
    };
    let mut out = Vec::with_capacity(message.len());
    let start = raw::open_frame(&mut out);
    out.extend_from_slice(&[sealed.kind, b'v', 0]);
    let value_at = out.len();
    key.decrypt(sealed.cipher, sealed.associated_data, sealed.sealed, &mut out)?;
    check_plaintext(sealed.kind, out.get(value_at..).unwrap_or_default())?;
    raw::seal_frame(&mut out, start)?;
    Ready::from_bytes(out).map(Some)
}

/// The keys that the values of a document name.
struct Wanted {
    requests: KeyRequests,
    /// Whether these keys are all that is needed, because no value is indexed.
    is_one_round: bool,
    /// The first value that is none.
    refused: Option<CiphertextError>,
}

impl Wanted {
    /// Takes the content of a binary of subtype 6; returns whether it is a value.
    #[inline]
    fn add(&mut self, content: &[u8]) -> bool {
        match content.first() {
            Some(byte) if is_ciphertext(*byte) => match Ciphertext::parse(content) {
                Ok(Ciphertext { key, .. }) => {
                    self.requests.add_id(key);
                }
                Err(error) => {
                    self.refused.get_or_insert(error);
                }
            },
            Some(byte) if is_readable(*byte) => self.add_payload(content),
            _ => return false,
        }
        true
    }

    fn add_payload(&mut self, content: &[u8]) {
        match Payload::parse(content) {
            Ok(Payload::Sealed(sealed)) => {
                self.requests.add_id(sealed.key);
            }
            Ok(Payload::Indexed(indexed)) => {
                self.is_one_round = false;
                self.requests.add_id(indexed.index_key);
            }
            Err(error) => {
                self.refused.get_or_insert(error);
            }
        }
    }
}

/// Decryption that lacks keys.
pub(crate) struct Outer {
    document: RawDocumentBuf,
    sites: Sites,
}

/// Decryption whose indexed values are open as far as the index key goes.
pub(crate) struct Inner {
    outer: Outer,
    /// The keys of the first round.
    keys: Vec<Arc<VaultKey>>,
    layers: Layers,
}

impl Outer {
    /// Goes on with the keys of the first round.
    pub(crate) fn resume(
        self,
        crypt: &Crypt,
        keys: Vec<Arc<VaultKey>>,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        let document = self.document.as_bytes();
        let mut requests = KeyRequests::default();
        let mut layers = Layers::default();
        let mut ring = KeyRing::new(&keys);
        for site in self.sites.as_slice() {
            let Payload::Indexed(indexed) = Payload::parse(site.content(document))? else {
                continue;
            };
            let key = ring.get(&indexed.index_key).ok_or(KeyVaultError::Missing)?;
            let client_value = layers.add(&indexed, key)?;
            let sealed = indexed.client_value(client_value).map_err(CiphertextError::from)?;
            requests.add_id(sealed.key);
        }
        if requests.is_empty() {
            return open(document, &self.sites, &layers, &keys).map(Step::Ready);
        }
        let held = keys.clone();
        let then = Waiting::DecryptInner(Inner { outer: self, keys, layers });
        KeyHunt::start(crypt, requests, &held, then, env)
    }
}

impl Inner {
    /// Goes on with the keys of the second round.
    pub(crate) fn resume(self, inner_keys: &[Arc<VaultKey>]) -> Result<Step, CoreError> {
        let Self { outer: Outer { document, sites }, mut keys, layers } = self;
        keys.extend_from_slice(inner_keys);
        open(document.as_bytes(), &sites, &layers, &keys).map(Step::Ready)
    }
}
