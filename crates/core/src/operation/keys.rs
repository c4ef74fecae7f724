//! The way of an operation to its keys: cache, credentials, key vault, key service.

use std::sync::Arc;

use bson::{RawDocument, RawDocumentBuf};
use fieldveil_crypto::DataKey;
use fieldveil_kms::{JobOutput, KmsError, KmsProviders, KmsRequest};

use super::Waiting;
use super::data_key::Wrapping;
use super::jobs::WrapJobs;
use super::rewrap::{Rewrapped, Verify};
use crate::broker::{KeyBroker, KeyRequests};
use crate::crypt::Crypt;
use crate::env::Env;
use crate::error::CoreError;
use crate::step::{NeedCredentials, NeedKeys, NeedKms, Step};
use crate::vault::VaultKey;

/// An operation together with the keys that it is after.
pub(crate) struct KeyHunt {
    crypt: Crypt,
    providers: KmsProviders,
    broker: KeyBroker,
    filter: RawDocumentBuf,
    then: Waiting,
}

impl KeyHunt {
    /// Gets `requests` for `then`, or goes on at once if all of them are cached or among `held`.
    pub(crate) fn start(
        crypt: &Crypt,
        requests: KeyRequests,
        held: &[Arc<VaultKey>],
        then: Waiting,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        let broker = KeyBroker::new(requests, held, crypt.key_cache(), env.now());
        if broker.is_satisfied() {
            return then.resume(crypt, broker.into_keys(&[])?, env);
        }
        let filter = broker.filter()?;
        Ok(Self::ask(crypt, broker, filter, then))
    }

    /// Gets whatever keys `filter` matches.
    pub(crate) fn start_any(crypt: &Crypt, filter: RawDocumentBuf, then: Waiting) -> Step {
        Self::ask(crypt, KeyBroker::any(), filter, then)
    }

    fn ask(crypt: &Crypt, broker: KeyBroker, filter: RawDocumentBuf, then: Waiting) -> Step {
        let providers = crypt.kms_providers().clone();
        let needs_credentials = providers.needs_credentials();
        let hunt = Box::new(Self { crypt: crypt.clone(), providers, broker, filter, then });
        if needs_credentials {
            Step::Credentials(NeedCredentials::for_keys(hunt))
        } else {
            Step::Keys(NeedKeys::new(hunt))
        }
    }

    /// Goes on with credentials that the caller supplied.
    pub(crate) fn with_credentials(mut self: Box<Self>, supplied: &KmsProviders) -> Step {
        self.providers = self.providers.with_supplied(supplied);
        Step::Keys(NeedKeys::new(self))
    }

    pub(crate) fn crypt(&self) -> &Crypt {
        &self.crypt
    }

    pub(crate) fn filter(&self) -> &RawDocument {
        &self.filter
    }

    pub(crate) fn feed(&mut self, document: &RawDocument) -> Result<(), CoreError> {
        let provider = self.broker.feed(document)?.master_key().id();
        self.providers.credentials(provider)?;
        Ok(())
    }

    /// Ends the key vault's answer: unwraps the keys, or asks the key service to.
    pub(crate) fn vault_answered(
        mut self: Box<Self>,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        self.broker.finish_feeding(self.crypt.key_cache(), env.now())?;
        let mut jobs = WrapJobs::new();
        for key in self.broker.wrapped() {
            jobs.unwrap(&self.crypt, key.master_key().clone(), key.material().to_vec());
        }
        let (crypt, providers) = (self.crypt.clone(), self.providers.clone());
        Exchange { crypt, providers, jobs, then: Exchanged::Keys(self) }.advance(env)
    }

    fn unwrapped(
        self: Box<Self>,
        outputs: Vec<JobOutput>,
        providers: KmsProviders,
        env: &mut Env<'_>,
    ) -> Result<Step, CoreError> {
        let mut unwrapped = Vec::with_capacity(outputs.len());
        for (document, output) in self.broker.wrapped().iter().zip(outputs) {
            let JobOutput::Unwrapped(material) = output else {
                return Err(KmsError::Unfinished.into());
            };
            let key = Arc::new(DataKey::new(material));
            let hooks = self.crypt.shared_hooks();
            let key = Arc::new(VaultKey::new(document.clone(), key, hooks));
            self.crypt.key_cache().insert(Arc::clone(&key), env.now());
            unwrapped.push(key);
        }
        let keys = self.broker.into_keys(&unwrapped)?;
        match self.then {
            Waiting::Rewrap(operation) => operation.wrap(&self.crypt, providers, keys, env),
            then => then.resume(&self.crypt, keys, env),
        }
    }
}

/// Wrapping or unwrapping by key services, in rounds.
pub(crate) struct Exchange {
    pub(crate) crypt: Crypt,
    pub(crate) providers: KmsProviders,
    pub(crate) jobs: WrapJobs,
    pub(crate) then: Exchanged,
}

/// What goes on when the key services have answered.
pub(crate) enum Exchanged {
    /// An operation's keys are unwrapped.
    Keys(Box<KeyHunt>),
    /// A new data key is wrapped.
    DataKey(Wrapping),
    /// Data keys are wrapped anew.
    Rewrapped(Rewrapped),
    /// New wrappings are unwrapped, to see that they can be.
    Verify(Verify),
}

impl Exchange {
    pub(crate) fn requests(&mut self) -> &mut [KmsRequest] {
        self.jobs.requests()
    }

    /// Takes the replies of a round, if there was one, and goes on.
    pub(crate) fn advance(mut self, env: &mut Env<'_>) -> Result<Step, CoreError> {
        if self.jobs.advance(&self.crypt, &self.providers, env)? {
            return Ok(Step::Kms(NeedKms::new(Box::new(self))));
        }
        let outputs = self.jobs.finish()?;
        match self.then {
            Exchanged::Keys(hunt) => hunt.unwrapped(outputs, self.providers, env),
            Exchanged::DataKey(operation) => operation.wrapped(outputs, env),
            Exchanged::Rewrapped(operation) => {
                operation.verify(self.crypt, self.providers, outputs, env)
            }
            Exchanged::Verify(operation) => operation.finish(outputs),
        }
    }
}
