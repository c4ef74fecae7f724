//! Decryption of documents and of single values.

use std::ops::Range;
use std::sync::Arc;

use bson::{RawDocument, RawDocumentBuf};
use fieldveil_crypto::batch::{self, DecryptJob};
use smallvec::SmallVec;

use super::{KeyHunt, MessageError, Waiting};
use crate::broker::{KeyRequests, KeyVaultError};
use crate::ciphertext::{CiphertextError, check_plaintext};
use crate::crypt::Crypt;
use crate::env::Env;
use crate::error::CoreError;
use crate::marking::KeySelector;
use crate::payload::{Cipher, Payload, Sealed, is_readable};
use crate::raw::{self, Sites, subtype};
use crate::step::{Ready, Step};
use crate::vault::VaultKey;

/// Decrypts every value of a document or reply, at any depth.
pub(crate) fn decrypt(
    crypt: &Crypt,
    document: &RawDocument,
    env: &mut Env<'_>,
) -> Result<Step, CoreError> {
    let bytes = document.as_bytes();
    let sites = raw::scan(bytes, is_readable)?;
    if sites.is_empty() {
        return Ok(Step::Ready(Ready::new(document.to_owned())));
    }
    let mut requests = KeyRequests::default();
    let values = plan(bytes, &sites, &mut requests)?;
    let is_one_round = !values.iter().any(|value| matches!(value, Value::Indexed { .. }));
    if is_one_round && let Some(keys) = crypt.key_cache().get_all(requests.selectors(), env.now) {
        return open(bytes, &sites, &values, &[], &keys).map(Step::Ready);
    }
    let operation = Outer { document: document.to_owned(), sites, values };
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
    env: &Env<'_>,
) -> Result<Option<Ready>, CoreError> {
    // Length, type, `v` and its end, length and subtype of the binary; the end of the document.
    const AROUND: usize = 4 + 1 + 2 + 4 + 1 + 1;
    if message.len() != AROUND + content.len() {
        return Ok(None);
    }
    let Payload::Sealed(sealed) = Payload::parse(content)? else { return Ok(None) };
    let Some(key) = crypt.key_cache().get(KeySelector::Id(sealed.key), env.now) else {
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

/// Decryption that lacks keys.
pub(crate) struct Outer {
    document: RawDocumentBuf,
    sites: Sites,
    values: Values,
}

/// Most documents have few.
type Values = SmallVec<[Value; 2]>;

/// Decryption whose indexed values are open as far as the index key goes.
pub(crate) struct Inner {
    outer: Outer,
    /// The keys of the first round.
    keys: Vec<Arc<VaultKey>>,
    /// Clients' values, one behind the other.
    layers: Vec<u8>,
}

/// One value; ranges and places instead of references, so that it can wait.
#[derive(Clone, Debug)]
enum Value {
    /// Sealed under the key at a place, of the first or of the second round.
    Sealed { cipher: Cipher, kind: u8, key: Place, source: Source, aad: Range<usize>, end: usize },
    /// Indexed, with the index key at a place of the first round.
    Indexed { key: usize },
}

#[derive(Clone, Copy, Debug)]
enum Place {
    First(usize),
    Second(usize),
}

/// Where the ranges of a value point to.
#[derive(Clone, Copy, Debug)]
enum Source {
    Document,
    Layers,
}

impl Value {
    /// `sealed` must borrow from `bytes`; its associated data stand right before the ciphertext.
    fn sealed(sealed: &Sealed<'_>, bytes: &[u8], source: Source, key: Place) -> Self {
        let start = offset(bytes, sealed.associated_data);
        let aad = start..start + sealed.associated_data.len();
        let end = aad.end + sealed.sealed.len();
        Self::Sealed { cipher: sealed.cipher, kind: sealed.kind, key, source, aad, end }
    }
}

/// Where `part` begins within `whole`, which it borrows from.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr())
}

fn plan(document: &[u8], sites: &Sites, requests: &mut KeyRequests) -> Result<Values, CoreError> {
    let mut values = Values::with_capacity(sites.len());
    for site in sites.iter() {
        values.push(match Payload::parse(site.content(document))? {
            Payload::Sealed(sealed) => {
                let key = Place::First(requests.add_id(sealed.key));
                Value::sealed(&sealed, document, Source::Document, key)
            }
            Payload::Indexed(indexed) => Value::Indexed { key: requests.add_id(indexed.index_key) },
        });
    }
    Ok(values)
}

impl Outer {
    /// Goes on with the keys of the first round.
    pub(crate) fn resume(
        mut self,
        crypt: &Crypt,
        keys: Vec<Arc<VaultKey>>,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        let document = self.document.as_bytes();
        let mut requests = KeyRequests::default();
        let mut layers = Vec::new();
        for (value, site) in self.values.iter_mut().zip(self.sites.iter()) {
            let (Value::Indexed { key }, Payload::Indexed(indexed)) =
                (&*value, Payload::parse(site.content(document))?)
            else {
                continue;
            };
            let key = keys.get(*key).ok_or(KeyVaultError::Missing)?;
            let start = layers.len();
            indexed.open_layer(&key.index(), &mut layers)?;
            let client_value = layers.get(start..).unwrap_or_default();
            let sealed = indexed.client_value(client_value).map_err(CiphertextError::from)?;
            let key = Place::Second(requests.add_id(sealed.key));
            *value = Value::sealed(&sealed, &layers, Source::Layers, key);
        }
        if requests.is_empty() {
            return open(document, &self.sites, &self.values, &[], &keys).map(Step::Ready);
        }
        let held = keys.clone();
        let then = Waiting::DecryptInner(Inner { outer: self, keys, layers });
        KeyHunt::start(crypt, requests, &held, then, env)
    }
}

impl Inner {
    /// Goes on with the keys of the second round.
    pub(crate) fn resume(self, inner_keys: &[Arc<VaultKey>]) -> Result<Step, CoreError> {
        let Self { outer, mut keys, layers } = self;
        let first_round = keys.len();
        keys.extend_from_slice(inner_keys);
        let mut values = outer.values;
        for value in &mut values {
            if let Value::Sealed { key, .. } = value
                && let Place::Second(place) = *key
            {
                *key = Place::First(first_round + place);
            }
        }
        let document = outer.document.as_bytes();
        open(document, &outer.sites, &values, &layers, &keys).map(Step::Ready)
    }
}

/// Opens every value and writes the document with the plaintexts in their places.
fn open(
    document: &[u8],
    sites: &Sites,
    values: &[Value],
    layers: &[u8],
    keys: &[Arc<VaultKey>],
) -> Result<Ready, CoreError> {
    let mut plaintexts = Vec::new();
    let mut jobs = SmallVec::<[_; 2]>::with_capacity(values.len());
    // What does not go into the batch, with the place of its value.
    let mut others = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let place = SealedPlace::of(value, document, layers, keys)?;
        if place.is_large() {
            continue;
        }
        let SealedPlace { cipher, key, associated_data, sealed } = place;
        if cipher == Cipher::Csfle && key.hooks().is_none() {
            jobs.push(DecryptJob::new(key.key(), associated_data, sealed));
            continue;
        }
        let start = plaintexts.len();
        key.decrypt(cipher, associated_data, sealed, &mut plaintexts)?;
        others.push((index, start..plaintexts.len()));
    }
    if !jobs.is_empty() {
        plaintexts.reserve(document.len());
    }
    batch::decrypt(&mut jobs, &mut plaintexts)?;
    let mut jobs = jobs.iter();
    let mut others = others.into_iter().peekable();
    let mut out = Vec::with_capacity(document.len());
    sites.rewrite(document, &mut out, |index, _, out| {
        let Some(value @ Value::Sealed { kind, .. }) = values.get(index) else {
            return Err(KeyVaultError::Missing.into());
        };
        let place = SealedPlace::of(value, document, layers, keys)?;
        if place.is_large() {
            let SealedPlace { cipher, key, associated_data, sealed } = place;
            let start = out.len();
            key.decrypt(cipher, associated_data, sealed, out)?;
            check_plaintext(*kind, out.get(start..).ok_or(raw::MalformedBson)?)?;
            return Ok(*kind);
        }
        let range = match others.next_if(|(other, _)| *other == index) {
            Some((_, range)) => range,
            None => jobs.next().ok_or(KeyVaultError::Missing)?.plaintext(),
        };
        let plaintext = plaintexts.get(range).ok_or(raw::MalformedBson)?;
        check_plaintext(*kind, plaintext)?;
        out.extend_from_slice(plaintext);
        Ok::<_, CoreError>(*kind)
    })?;
    Ready::from_bytes(out)
}

/// A value to decrypt, with its key.
struct SealedPlace<'a> {
    cipher: Cipher,
    key: &'a VaultKey,
    associated_data: &'a [u8],
    sealed: &'a [u8],
}

impl<'a> SealedPlace<'a> {
    fn of(
        value: &Value,
        document: &'a [u8],
        layers: &'a [u8],
        keys: &'a [Arc<VaultKey>],
    ) -> Result<Self, CoreError> {
        let Value::Sealed { cipher, key: Place::First(key), source, aad, end, .. } = value else {
            return Err(KeyVaultError::Missing.into());
        };
        let bytes = match source {
            Source::Document => document,
            Source::Layers => layers,
        };
        Ok(Self {
            cipher: *cipher,
            key: keys.get(*key).ok_or(KeyVaultError::Missing)?,
            associated_data: bytes.get(aad.clone()).ok_or(raw::MalformedBson)?,
            sealed: bytes.get(aad.end..*end).ok_or(raw::MalformedBson)?,
        })
    }

    /// Whether it is worth decrypting right into its place, instead of together with others.
    fn is_large(&self) -> bool {
        self.sealed.len() >= 16 * 1024
    }
}
