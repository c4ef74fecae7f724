//! What a handle collects before it is initialised.

use std::sync::Arc;

use fieldveil_core::CryptBuilder;
use fieldveil_kms::Rs256Signer;

use crate::border::CallerContext;
use crate::crypt_shared::SearchPaths;
use crate::hooks::{CallerCiphers, CounterHooks, RandomSource};
use crate::log::LogFn;
use crate::status::Failure;

use super::Crypt;

/// Options as they were set.
pub(super) struct Options {
    /// Providers, maps and the life of keys.
    pub(super) builder: CryptBuilder,
    pub(super) log_handler: Option<(LogFn, CallerContext)>,
    pub(super) search_paths: SearchPaths,
    pub(super) random: RandomSource,
    pub(super) ciphers: Option<CallerCiphers>,
    /// Set apart from the other ciphers, before or after them.
    pub(super) counter: CounterHooks,
    pub(super) signer: Option<Arc<dyn Rs256Signer + Send + Sync>>,
    pub(super) retries_kms: bool,
    pub(super) allows_several_collections: bool,
    pub(super) asks_other_databases: bool,
    pub(super) asks_for_credentials: bool,
    pub(super) bypasses_query_analysis: bool,
}

impl Default for Options {
    /// A caller of C has to ask for what older callers could not do.
    fn default() -> Self {
        Self {
            builder: CryptBuilder::default(),
            log_handler: None,
            search_paths: SearchPaths::default(),
            random: RandomSource::default(),
            ciphers: None,
            counter: CounterHooks::default(),
            signer: None,
            retries_kms: false,
            allows_several_collections: false,
            asks_other_databases: false,
            asks_for_credentials: false,
            bypasses_query_analysis: false,
        }
    }
}

impl Crypt {
    /// Changes an option, unless it is too late.
    pub(super) fn set(
        &self,
        change: impl FnOnce(&mut Options) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut setup = self.setup();
        if setup.is_initialised {
            return Err("options cannot be set after initialization".into());
        }
        change(&mut setup.options)
    }
}
