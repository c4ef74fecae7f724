//! What a context collects before its operation starts.

use bson::RawDocumentBuf;
use fieldveil_core::{DataKeyOptions, ExplicitOptions};
use fieldveil_crypto::Secret;
use fieldveil_kms::{Endpoint, MasterKey};

use super::{Ctx, Phase, Refusal};
use crate::crypt::Engine;
use crate::status::Failure;

/// Options as they were set.
#[derive(Default)]
pub(super) struct Options {
    /// Keys, algorithm and what belongs to it.
    pub(super) explicit: ExplicitOptions,
    pub(super) key_material: Option<Secret<96>>,
    pub(super) master_key: Option<MasterKey>,
    /// An endpoint that the older function set before the key it is for.
    pub(super) aws_endpoint: Option<Endpoint>,
}

/// Which options an operation has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Automatic encryption, and decryption.
    Nothing,
    /// Rewrapping.
    MasterKey,
    /// A new data key.
    DataKey,
    /// Explicit encryption.
    Explicit,
}

impl Options {
    /// Checks what an operation must not have, and that its key service is configured.
    pub(super) fn check(&self, allowed: Allowed, engine: &Engine) -> Result<(), Failure> {
        let has_id = self.explicit.key_id.is_some();
        let has_name = !self.explicit.key_alt_names.is_empty();
        if allowed == Allowed::DataKey && self.master_key.is_none() {
            return Err("master key required".into());
        }
        match &self.master_key {
            Some(_) if matches!(allowed, Allowed::Nothing | Allowed::Explicit) => {
                return Err("master key prohibited".into());
            }
            Some(key) if !engine.core.kms_providers().contains(key.id()) => {
                let id = key.id();
                let is_plain = allowed == Allowed::DataKey && !engine.asks_for_credentials;
                return Err(Failure::client(if is_plain {
                    format!("requested kms provider not configured: `{id}`")
                } else {
                    format!("requested kms provider required by datakey is not configured: `{id}`")
                }));
            }
            _ => {}
        }
        if allowed != Allowed::Explicit && (has_id || (has_name && allowed != Allowed::DataKey)) {
            return Err("key id and alt name prohibited".into());
        }
        if allowed != Allowed::DataKey && self.key_material.is_some() {
            return Err("key material prohibited".into());
        }
        if allowed != Allowed::Explicit {
            use fieldveil_core::Algorithm::{Deterministic, Random};
            if matches!(self.explicit.algorithm, Some(Deterministic | Random)) {
                return Err("algorithm prohibited".into());
            }
            if self.explicit.range.is_some() {
                return Err("range opts are prohibited on this context".into());
            }
        }
        Ok(())
    }

    /// For a new data key.
    pub(super) fn into_data_key(self) -> DataKeyOptions {
        DataKeyOptions {
            master_key: self.master_key_document(),
            key_alt_names: self.explicit.key_alt_names,
            key_material: self.key_material,
        }
    }

    /// The master key as a document.
    pub(super) fn master_key_document(&self) -> Option<RawDocumentBuf> {
        self.master_key.as_ref().map(MasterKey::to_document)
    }
}

impl Ctx {
    /// The options, while they may be set.
    pub(super) fn options(&mut self) -> Result<&mut Options, Refusal> {
        match &mut self.phase {
            Phase::Setup(options) => Ok(options.get_or_insert_default()),
            Phase::Failed => Err(Refusal::AlreadyFailed),
            Phase::Waiting(_) | Phase::Done => Err("cannot set options after init".into()),
        }
    }

    /// The options, for the operation that starts now; `None` if none were set.
    pub(super) fn take_options(
        &mut self,
        allowed: Allowed,
    ) -> Result<Option<Box<Options>>, Refusal> {
        let options = match &mut self.phase {
            Phase::Setup(options) => options.take(),
            Phase::Failed => return Err(Refusal::AlreadyFailed),
            Phase::Waiting(_) | Phase::Done => return Err("cannot double initialize".into()),
        };
        self.phase = Phase::Failed;
        match &options {
            Some(options) => options.check(allowed, &self.engine)?,
            None if allowed == Allowed::DataKey => return Err("master key required".into()),
            None => {}
        }
        Ok(options)
    }
}
