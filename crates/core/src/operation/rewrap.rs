//! Wrapping data keys anew, under another master key or under their own.

use std::sync::Arc;

use bson::{RawDocument, RawDocumentBuf};
use fieldveil_crypto::Secret;
use fieldveil_kms::{JobOutput, KmsError, KmsProviders, MasterKey};
use subtle::ConstantTimeEq;

use super::Waiting;
use super::jobs::WrapJobs;
use super::keys::{Exchange, Exchanged, KeyHunt};
use crate::crypt::Crypt;
use crate::env::Env;
use crate::error::CoreError;
use crate::options::OptionsError;
use crate::raw::{DocumentWriter, MalformedBson, subtype};
use crate::step::{Ready, Step};
use crate::vault::VaultKey;

/// Rewrapping that waits for the keys.
pub(crate) struct Rewrap {
    /// `None`: each key's own.
    master_key: Option<MasterKey>,
}

/// Keys whose new wrappings are being made.
pub(crate) struct Rewrapped {
    keys: Vec<Arc<VaultKey>>,
}

/// New wrappings that are being unwrapped, to see that no key is lost.
pub(crate) struct Verify {
    keys: Vec<Arc<VaultKey>>,
    wrapped: Vec<Wrapped>,
}

struct Wrapped {
    key_material: Vec<u8>,
    master_key: Box<MasterKey>,
}

/// Wraps every key that `filter` matches anew, under `master_key` or, without one, under its own.
pub(crate) fn rewrap_many(
    crypt: &Crypt,
    filter: &RawDocument,
    master_key: Option<&RawDocument>,
) -> Result<Step, CoreError> {
    let master_key = master_key.map(MasterKey::parse).transpose()?;
    if let Some(master_key) = &master_key
        && !crypt.kms_providers().contains(master_key.id())
    {
        return Err(OptionsError::ProviderNotConfigured(master_key.id().to_string()).into());
    }
    let then = Waiting::Rewrap(Rewrap { master_key });
    Ok(KeyHunt::start_any(crypt, filter.to_owned(), then))
}

impl Rewrap {
    /// Goes on with the unwrapped keys.
    pub(crate) fn wrap(
        self,
        crypt: &Crypt,
        providers: KmsProviders,
        keys: Vec<Arc<VaultKey>>,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        if keys.is_empty() {
            return Ok(Step::Ready(Ready::nothing(write_result(&[], &[])?)));
        }
        let mut jobs = WrapJobs::new();
        for key in &keys {
            let own = key.document().master_key();
            let material = Secret::copy_from(key.key().material().expose());
            jobs.wrap(crypt, self.master_key.as_ref().unwrap_or(own).clone(), material);
        }
        let then = Exchanged::Rewrapped(Rewrapped { keys });
        Exchange { crypt: crypt.clone(), providers, jobs, then }.advance(env)
    }
}

impl Rewrapped {
    /// Unwraps what was wrapped.
    pub(crate) fn verify(
        self,
        crypt: Crypt,
        providers: KmsProviders,
        outputs: Vec<JobOutput>,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        let mut wrapped = Vec::with_capacity(outputs.len());
        let mut jobs = WrapJobs::new();
        for output in outputs {
            let JobOutput::Wrapped { key_material, master_key } = output else {
                return Err(KmsError::Unfinished.into());
            };
            jobs.unwrap(&crypt, (*master_key).clone(), key_material.clone());
            wrapped.push(Wrapped { key_material, master_key });
        }
        let then = Exchanged::Verify(Verify { keys: self.keys, wrapped });
        Exchange { crypt, providers, jobs, then }.advance(env)
    }
}

impl Verify {
    /// Hands the new wrappings out, if each holds the key that it should.
    pub(crate) fn finish(self, outputs: Vec<JobOutput>) -> Result<Step, CoreError> {
        if outputs.len() != self.keys.len() || self.wrapped.len() != self.keys.len() {
            return Err(KmsError::Unfinished.into());
        }
        for (key, output) in self.keys.iter().zip(&outputs) {
            let is_same = match output {
                JobOutput::Unwrapped(material) => material.ct_eq(key.key().material()).into(),
                JobOutput::Wrapped { .. } => false,
            };
            if !is_same {
                return Err(RewrapError::Lost { key: *key.id() }.into());
            }
        }
        Ok(Step::Ready(Ready::new(write_result(&self.keys, &self.wrapped)?)))
    }
}

/// `{v: [{keyMaterial, masterKey, _id}, ..]}`
fn write_result(keys: &[Arc<VaultKey>], wrapped: &[Wrapped]) -> Result<RawDocumentBuf, CoreError> {
    let mut out = Vec::new();
    let mut writer = DocumentWriter::new(&mut out);
    writer.array("v", |items| {
        for (key, wrapped) in keys.iter().zip(wrapped) {
            let master_key = wrapped.master_key.to_raw()?;
            items.item(|item, index| {
                item.document(index, |item| {
                    item.generic("keyMaterial", &wrapped.key_material)
                        .embedded("masterKey", master_key.as_bytes())
                        .binary("_id", subtype::UUID, key.id().as_bytes());
                    Ok::<_, MalformedBson>(())
                })
                .map(|_| ())
            })?;
        }
        Ok::<_, CoreError>(())
    })?;
    writer.finish()?;
    Ok(RawDocumentBuf::from_bytes(out).map_err(|_| MalformedBson)?)
}

/// Why new wrappings are not handed out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// A new wrapping does not hold the key that was wrapped.
    #[error("rewrapped key {key} does not unwrap to the same key material")]
    Lost {
        /// The key.
        key: crate::key_id::KeyId,
    },
}
