//! Creation of data keys.

use fieldveil_crypto::{RandomError, Secret};
use fieldveil_kms::{JobOutput, KmsError, KmsProviders, MasterKey};

use super::keys::{Exchange, Exchanged};
use crate::broker::KeyVaultError;
use crate::crypt::Crypt;
use crate::env::Env;
use crate::error::CoreError;
use crate::key_id::KeyId;
use crate::options::{DataKeyOptions, OptionsError};
use crate::step::{NeedCredentials, Ready, Step};
use crate::vault::KeyDocument;

/// A data key that is being made.
pub(crate) struct CreateDataKey {
    master_key: MasterKey,
    alt_names: Vec<String>,
    material: Secret<96>,
}

/// A data key whose wrapping is under way.
pub(crate) struct Wrapping {
    alt_names: Vec<String>,
}

/// Makes a data key and wraps it by the master key of `options`.
pub(crate) fn create_data_key(
    crypt: &Crypt,
    options: DataKeyOptions,
    env: &mut Env<'_>,
) -> Result<Step, CoreError> {
    let master_key = options.master_key.as_deref().ok_or(OptionsError::NoMasterKey)?;
    let master_key = MasterKey::parse(master_key)?;
    let alt_names = options.key_alt_names;
    for (index, name) in alt_names.iter().enumerate() {
        if alt_names.iter().skip(index + 1).any(|other| other == name) {
            return Err(OptionsError::DuplicateAltName.into());
        }
    }
    let providers = crypt.kms_providers();
    if !providers.contains(master_key.id()) {
        return Err(OptionsError::ProviderNotConfigured(master_key.id().to_string()).into());
    }
    let material = match options.key_material {
        Some(material) => material,
        None => Secret::fill(|material| env.random.fill(material))?,
    };
    let needs_credentials = providers.is_on_demand(master_key.id());
    let operation = Box::new(CreateDataKey { master_key, alt_names, material });
    if needs_credentials {
        let step = NeedCredentials::for_data_key(operation, crypt.clone());
        return Ok(Step::Credentials(step));
    }
    operation.start(crypt, providers.clone(), env)
}

impl CreateDataKey {
    /// Wraps the key, or asks the key service to.
    pub(crate) fn start(
        self: Box<Self>,
        crypt: &Crypt,
        providers: KmsProviders,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        let Self { master_key, alt_names, material } = *self;
        let mut jobs = super::jobs::WrapJobs::new();
        jobs.wrap(crypt, master_key, material);
        let then = Exchanged::DataKey(Wrapping { alt_names });
        Exchange { crypt: crypt.clone(), providers, jobs, then }.advance(env)
    }
}

impl Wrapping {
    /// Writes the document for the key vault.
    pub(crate) fn wrapped(
        self,
        outputs: Vec<JobOutput>,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        let Some(JobOutput::Wrapped { key_material, master_key }) = outputs.into_iter().next()
        else {
            return Err(KmsError::Unfinished.into());
        };
        let id = new_id(env)?;
        // Other clients write the names in the reverse of the order in which they were given.
        let mut alt_names = self.alt_names;
        alt_names.reverse();
        let created = (env.wall_clock_ms)();
        let document = KeyDocument::new(id, alt_names, key_material, *master_key, created);
        let document = document.to_raw().map_err(KeyVaultError::from)?;
        Ok(Step::Ready(Ready::new(document)))
    }
}

/// A random UUID, version 4.
fn new_id(env: &mut Env<'_>) -> Result<KeyId, RandomError> {
    let mut bytes = [0; KeyId::LEN];
    env.random.fill(&mut bytes)?;
    bytes[6] = (bytes[6] & 0x0F) | 0x40;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    Ok(KeyId::from_bytes(bytes))
}
