//! Explicit encryption of one value or of one range expression.

use std::sync::Arc;

use bson::{RawDocument, RawDocumentBuf};

use super::{KeyHunt, Waiting};
use crate::broker::{KeyRequests, KeyVaultError};
use crate::ciphertext::check_value_type;
use crate::crypt::Crypt;
use crate::env::Env;
use crate::error::CoreError;
use crate::marking::{CsfleAlgorithm, KeySelector};
use crate::options::{ExplicitOptions, ExplicitPlan, OptionsError, QueryType};
use crate::qe;
use crate::raw::{self, Element, kind};
use crate::seal::{Marked, seal_single};
use crate::step::{Ready, Step};
use crate::vault::VaultKey;

/// Why a `{v: ..}` document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// No `v`.
    #[error("invalid msg, must contain 'v'")]
    NoValue,
    /// `v` is no binary, where a ciphertext should be.
    #[error("invalid msg, 'v' must contain a binary")]
    NotBinary,
    /// `v` is a binary of another subtype.
    #[error("decryption expected BSON binary subtype 6, got {actual}")]
    BinarySubtype {
        /// The subtype.
        actual: u8,
    },
    /// A ciphertext without content.
    #[error("unsupported FLE blob subtype: expected non-empty payload")]
    EmptyPayload,
    /// A first byte that no stored value begins with.
    #[error("unsupported FLE blob subtype: {first_byte}")]
    UnknownPayload {
        /// The first byte.
        first_byte: u8,
    },
    /// `v` is no document, where an expression should be.
    #[error("invalid input BSON, expected 'v' to be document")]
    NotDocument,
}

/// Explicit encryption in progress.
pub(crate) struct EncryptValue {
    message: RawDocumentBuf,
    plan: ExplicitPlan,
    is_expression: bool,
    /// Places of the keys: the one that values are encrypted under, and that of the index.
    user_key: usize,
    index_key: usize,
}

/// Encrypts the value of `{v: value}`.
pub(crate) fn encrypt_value(
    crypt: &Crypt,
    message: &RawDocument,
    options: &ExplicitOptions,
    env: &mut Env<'_>,
) -> Result<Step, CoreError> {
    begin(crypt, message, options, false, env)
}

/// Encrypts the bounds of `{v: range expression}`.
pub(crate) fn encrypt_expression(
    crypt: &Crypt,
    message: &RawDocument,
    options: &ExplicitOptions,
    env: &mut Env<'_>,
) -> Result<Step, CoreError> {
    begin(crypt, message, options, true, env)
}

fn begin(
    crypt: &Crypt,
    message: &RawDocument,
    options: &ExplicitOptions,
    is_expression: bool,
    env: &mut Env<'_>,
) -> Result<Step, CoreError> {
    let plan = options.plan()?;
    let value = value_of(message.as_bytes())?;
    let algorithm = match &plan {
        ExplicitPlan::Csfle(algorithm) => *algorithm,
        ExplicitPlan::Qe(_) => CsfleAlgorithm::Random,
    };
    check_value_type(algorithm, value.kind, value.value)?;
    if matches!(value.kind, kind::DOCUMENT | kind::ARRAY) {
        raw::check(value.value)?;
    }
    match (options.query_type, is_expression) {
        (Some(QueryType::Range), false) => return Err(OptionsError::RangeNeedsExpression.into()),
        (Some(QueryType::Range), true) | (_, false) => {}
        (_, true) => return Err(OptionsError::ExpressionNeedsRange.into()),
    }
    if let ExplicitPlan::Csfle(algorithm) = plan
        && let Some(key) = crypt.key_cache().get(options.key()?, env.now())
    {
        return encrypt_csfle(algorithm, &value, &key, env);
    }
    let mut requests = KeyRequests::default();
    let user_key = requests.add(options.key()?);
    let index_key = match &plan {
        ExplicitPlan::Csfle(_) => user_key,
        ExplicitPlan::Qe(plan) => requests.add(KeySelector::Id(plan.index_key)),
    };
    if let Some(keys) = crypt.key_cache().get_all(requests.selectors(), env.now()) {
        let keys = Keys::new(&keys, user_key, index_key)?;
        return finish(message.as_bytes(), &plan, is_expression, &keys, env);
    }
    let message = message.to_owned();
    let operation = EncryptValue { message, plan, is_expression, user_key, index_key };
    KeyHunt::start(crypt, requests, &[], Waiting::Value(operation), env)
}

struct Keys<'a> {
    user: &'a Arc<VaultKey>,
    index: &'a Arc<VaultKey>,
}

impl<'a> Keys<'a> {
    fn new(keys: &'a [Arc<VaultKey>], user: usize, index: usize) -> Result<Self, CoreError> {
        let key = |place: usize| keys.get(place).ok_or(KeyVaultError::Missing);
        Ok(Self { user: key(user)?, index: key(index)? })
    }
}

impl EncryptValue {
    pub(crate) fn finish(
        self,
        keys: &[Arc<VaultKey>],
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        let keys = Keys::new(keys, self.user_key, self.index_key)?;
        finish(self.message.as_bytes(), &self.plan, self.is_expression, &keys, env)
    }
}

fn finish(
    message: &[u8],
    plan: &ExplicitPlan,
    is_expression: bool,
    keys: &Keys<'_>,
    env: &mut Env<'_>,
) -> Result<Step, CoreError> {
    let value = value_of(message)?;
    let plan = match plan {
        ExplicitPlan::Csfle(algorithm) => return encrypt_csfle(*algorithm, &value, keys.user, env),
        ExplicitPlan::Qe(plan) => plan,
    };
    let mut out = Vec::with_capacity(value.value.len() + 1024);
    let start = raw::open_frame(&mut out);
    if is_expression {
        let expression = value.as_document().ok_or(MessageError::NotDocument)?;
        let marked = qe::mark_range_expression(expression, plan)?;
        let mut requests = KeyRequests::default();
        let mut marked = Marked::new(&marked);
        marked.find(&mut requests)?;
        let held = [keys.user, keys.index];
        let keys: Vec<_> = requests
            .selectors()
            .filter_map(|selector| held.into_iter().find(|key| selector == *key.id()).cloned())
            .collect();
        out.extend_from_slice(&[kind::DOCUMENT, b'v', 0]);
        marked.seal(&keys, env.random, &mut out)?;
    } else {
        let payload = qe::encrypt_explicit(&value, plan, keys.user, keys.index, env.random)?;
        out.extend_from_slice(&[kind::BINARY, b'v', 0]);
        raw::push_binary(&mut out, raw::subtype::ENCRYPTED, &payload);
    }
    raw::seal_frame(&mut out, start)?;
    Ready::from_bytes(out).map(Step::Ready)
}

/// `{v: ciphertext}`
fn encrypt_csfle(
    algorithm: CsfleAlgorithm,
    value: &Element<'_>,
    key: &VaultKey,
    env: &mut Env<'_>,
) -> Result<Step, CoreError> {
    let mut out = Vec::with_capacity(value.value.len() + 128);
    let start = raw::open_frame(&mut out);
    out.extend_from_slice(&[kind::BINARY, b'v', 0]);
    seal_single(algorithm, key, value, env.random, &mut out)?;
    raw::seal_frame(&mut out, start)?;
    Ready::from_bytes(out).map(Step::Ready)
}

fn value_of(message: &[u8]) -> Result<Element<'_>, CoreError> {
    Ok(raw::find(message, "v")?.ok_or(MessageError::NoValue)?)
}
