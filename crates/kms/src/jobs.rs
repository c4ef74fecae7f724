//! Wraps and unwraps data keys, several at once, in rounds of requests.

use std::sync::Arc;
use std::time::Duration;

use fieldveil_crypto::{Random, Secret};

use crate::aws::{NativeHashes, RequestHashes};
use crate::gcp::NativeSigner;
use crate::reply::Reply;
use crate::token::TokenCache;
use crate::{KmsError, KmsId, KmsProviders, KmsRequest, MasterKey, Rs256Signer, SecretText};

mod job;

use job::{Job, JobStep};

/// What the jobs may use; handed in for each round.
pub struct KmsEnv<'a> {
    /// The configured providers, with credentials.
    pub providers: &'a KmsProviders,
    /// Tokens of earlier rounds and operations.
    pub tokens: &'a TokenCache,
    /// Monotonic time from any origin.
    pub now: Duration,
    /// Unix time in milliseconds.
    pub wall_clock_ms: i64,
    /// Initialisation vectors, new secrets, and the jitter of retries.
    pub random: &'a mut dyn Random,
    /// Whether a busy service is asked again.
    pub retry: bool,
    /// Signs for GCP service accounts; `None` for the built-in signer.
    pub signer: Option<&'a dyn Rs256Signer>,
    /// Hashes for AWS; `None` for the built-in ones.
    pub hashes: Option<&'a dyn RequestHashes>,
}

impl KmsEnv<'_> {
    fn signer(&self) -> &dyn Rs256Signer {
        self.signer.unwrap_or(&NativeSigner)
    }

    fn hashes(&self) -> &dyn RequestHashes {
        self.hashes.unwrap_or(&NativeHashes)
    }
}

/// Data keys on their way to or from key services.
///
/// Add the keys, then call [`advance`](Self::advance); as long as it answers `true`, complete
/// every one of [`requests`](Self::requests) and call it again. Local keys need no round.
#[derive(Default)]
pub struct KmsJobs {
    jobs: Vec<Job>,
    round: Vec<KmsRequest>,
    /// For whom each request of the round is.
    purposes: Vec<Purpose>,
}

enum Purpose {
    Job(usize),
    Token(KmsId),
}

/// What became of a data key.
#[derive(Debug)]
pub enum JobOutput {
    /// It is wrapped.
    Wrapped {
        /// To be stored as `keyMaterial`.
        key_material: Vec<u8>,
        /// To be stored as `masterKey`; a KMIP server may have added an identifier.
        master_key: Box<MasterKey>,
    },
    /// It is unwrapped.
    Unwrapped(Secret<96>),
}

impl KmsJobs {
    /// No jobs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a data key to be wrapped under `master_key`.
    pub fn wrap(&mut self, master_key: MasterKey, plaintext: Secret<96>) {
        self.jobs.push(Job::wrap(master_key, plaintext));
    }

    /// Adds a data key to be unwrapped, with the `masterKey` and `keyMaterial` of its document.
    pub fn unwrap(&mut self, master_key: MasterKey, key_material: Vec<u8>) {
        self.jobs.push(Job::unwrap(master_key, key_material));
    }

    /// Takes the replies of a round and prepares the next; `false` when all jobs are done.
    ///
    /// # Errors
    /// The first error of any request, missing configuration, or key material that does not
    /// unwrap. The jobs are of no use afterwards.
    pub fn advance(&mut self, env: &mut KmsEnv<'_>) -> Result<bool, KmsError> {
        let round = std::mem::take(&mut self.round);
        let purposes = std::mem::take(&mut self.purposes);
        let mut tokens = Vec::new();
        for (request, purpose) in round.into_iter().zip(purposes) {
            match (purpose, request.into_reply()?) {
                (Purpose::Token(id), Reply::Token { token, expires_in_secs }) => {
                    let secs = expires_in_secs.ok_or(KmsError::NoExpiry)?;
                    let token = Arc::new(token);
                    let expires_in = Duration::from_secs(u64::try_from(secs).unwrap_or(0));
                    env.tokens.insert(id.clone(), token.clone(), env.now, expires_in);
                    tokens.push((id, token));
                }
                (Purpose::Job(index), Reply::TokenRefused) => {
                    if let Some(job) = self.jobs.get_mut(index) {
                        env.tokens.remove(job.id());
                        job.restart();
                    }
                }
                (Purpose::Job(index), reply) => {
                    if let Some(job) = self.jobs.get_mut(index) {
                        job.take_reply(reply);
                    }
                }
                (Purpose::Token(_), _) => {}
            }
        }
        for index in 0..self.jobs.len() {
            self.step(index, &tokens, env)?;
        }
        Ok(!self.round.is_empty())
    }

    /// The requests of this round; all of them may be under way at once.
    pub fn requests(&mut self) -> &mut [KmsRequest] {
        &mut self.round
    }

    /// What became of the keys, in the order in which they were added.
    ///
    /// # Errors
    /// `Unfinished` before [`advance`](Self::advance) answered `false`.
    pub fn finish(self) -> Result<Vec<JobOutput>, KmsError> {
        self.jobs.into_iter().map(|job| job.into_output().ok_or(KmsError::Unfinished)).collect()
    }

    fn step(
        &mut self,
        index: usize,
        fresh_tokens: &[(KmsId, Arc<SecretText>)],
        env: &mut KmsEnv<'_>,
    ) -> Result<(), KmsError> {
        let Some(job) = self.jobs.get_mut(index) else { return Ok(()) };
        // A token just received is used even if its life is too short for the cache.
        let fresh = fresh_tokens.iter().find(|(id, _)| id == job.id());
        let token = match fresh {
            Some((_, token)) => Some(token.clone()),
            None => env.tokens.get(job.id(), env.now),
        };
        let is_cached = fresh.is_none() && token.is_some();
        let (purpose, draft, is_cached) = match job.step(token, env)? {
            JobStep::Idle => return Ok(()),
            JobStep::Send(draft) => (Purpose::Job(index), draft, is_cached),
            JobStep::NeedsToken => {
                let id = job.id().clone();
                let is_asked = self
                    .purposes
                    .iter()
                    .any(|purpose| matches!(purpose, Purpose::Token(asked) if *asked == id));
                if is_asked {
                    return Ok(());
                }
                let draft = job.token_request(env)?;
                (Purpose::Token(id), draft, false)
            }
        };
        let id = job.id().clone();
        let request = KmsRequest::new(id, draft, env.retry, env.random)?;
        self.round.push(request.with_cached_token(is_cached));
        self.purposes.push(purpose);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
