//! One data key.

use std::sync::Arc;

use fieldveil_crypto::Secret;

use super::{JobOutput, KmsEnv};
use crate::kmip::{KmipFlow, KmipStep};
use crate::master_key::ServiceKey;
use crate::providers::{AzureCredentials, Credentials, GcpCredentials};
use crate::reply::Reply;
use crate::request::Draft;
use crate::{KmsError, KmsId, MasterKey, SecretText, aws, azure, gcp, local};

/// A data key to wrap or to unwrap.
pub(super) struct Job {
    master_key: MasterKey,
    task: Task,
    state: State,
}

enum Task {
    Wrap(Secret<96>),
    Unwrap(Vec<u8>),
}

/// Draws the life of a job: `Start -> Sent -> Replied -> (Sent ->)* Done`.
enum State {
    Start,
    Sent(Option<KmipFlow>),
    Replied(Reply, Option<KmipFlow>),
    Done(JobOutput),
}

/// What a job wants.
pub(super) enum JobStep {
    /// Nothing, it is done.
    Idle,
    /// A token for its provider.
    NeedsToken,
    /// A request of its own.
    Send(Draft),
}

impl Job {
    pub(super) fn wrap(master_key: MasterKey, plaintext: Secret<96>) -> Self {
        Self { master_key, task: Task::Wrap(plaintext), state: State::Start }
    }

    pub(super) fn unwrap(master_key: MasterKey, key_material: Vec<u8>) -> Self {
        Self { master_key, task: Task::Unwrap(key_material), state: State::Start }
    }

    pub(super) fn id(&self) -> &KmsId {
        self.master_key.id()
    }

    pub(super) fn into_output(self) -> Option<JobOutput> {
        match self.state {
            State::Done(output) => Some(output),
            _ => None,
        }
    }

    pub(super) fn take_reply(&mut self, reply: Reply) {
        let flow = match std::mem::replace(&mut self.state, State::Start) {
            State::Sent(flow) => flow,
            _ => None,
        };
        self.state = State::Replied(reply, flow);
    }

    /// Begins anew, after a token was refused that had been good before.
    pub(super) fn restart(&mut self) {
        self.state = State::Start;
    }

    /// Does what can be done without the service.
    pub(super) fn step(
        &mut self,
        token: Option<Arc<SecretText>>,
        env: &mut KmsEnv<'_>,
    ) -> Result<JobStep, KmsError> {
        match std::mem::replace(&mut self.state, State::Start) {
            State::Start => self.start(token, env),
            State::Replied(reply, Some(flow)) => self.step_kmip(flow, Some(reply), env),
            State::Replied(reply, None) => {
                self.state = State::Done(self.output(reply)?);
                Ok(JobStep::Idle)
            }
            state => {
                self.state = state;
                Ok(JobStep::Idle)
            }
        }
    }

    /// The request for a token, for a provider that has to ask for one.
    pub(super) fn token_request(&self, env: &KmsEnv<'_>) -> Result<Draft, KmsError> {
        match (env.providers.credentials(self.id())?, self.master_key.key()) {
            (Credentials::Azure(AzureCredentials::Client(secret)), ServiceKey::Azure(key)) => {
                azure::token(secret, key)
            }
            (Credentials::Gcp(GcpCredentials::ServiceAccount(account)), ServiceKey::Gcp(key)) => {
                gcp::token(account, key, env.wall_clock_ms, env.signer())
            }
            _ => Err(KmsError::NotConfigured(self.id().to_string())),
        }
    }

    fn start(
        &mut self,
        token: Option<Arc<SecretText>>,
        env: &mut KmsEnv<'_>,
    ) -> Result<JobStep, KmsError> {
        let credentials = env.providers.credentials(self.master_key.id())?;
        let draft = match (credentials, self.master_key.key()) {
            (Credentials::Local(key), ServiceKey::Local) => {
                self.state = State::Done(match &self.task {
                    Task::Wrap(plaintext) => JobOutput::Wrapped {
                        key_material: local::wrap(key, plaintext, env.random)?,
                        master_key: Box::new(self.master_key.clone()),
                    },
                    Task::Unwrap(material) => JobOutput::Unwrapped(local::unwrap(key, material)?),
                });
                return Ok(JobStep::Idle);
            }
            (Credentials::Aws(credentials), ServiceKey::Aws(key)) => match &self.task {
                Task::Wrap(plaintext) => {
                    let plaintext = plaintext.expose();
                    aws::encrypt(key, credentials, plaintext, env.wall_clock_ms, env.hashes())?
                }
                Task::Unwrap(material) => {
                    aws::decrypt(key, credentials, material, env.wall_clock_ms, env.hashes())?
                }
            },
            (Credentials::Azure(credentials), ServiceKey::Azure(key)) => {
                let token = match (credentials, &token) {
                    (AzureCredentials::Token(token), _) => token,
                    (_, Some(token)) => token,
                    (_, None) => return Ok(JobStep::NeedsToken),
                };
                match &self.task {
                    Task::Wrap(plaintext) => azure::wrap(key, token, plaintext.expose())?,
                    Task::Unwrap(material) => azure::unwrap(key, token, material)?,
                }
            }
            (Credentials::Gcp(credentials), ServiceKey::Gcp(key)) => {
                let token = match (credentials, &token) {
                    (GcpCredentials::Token(token), _) => token,
                    (_, Some(token)) => token,
                    (_, None) => return Ok(JobStep::NeedsToken),
                };
                match &self.task {
                    Task::Wrap(plaintext) => gcp::encrypt(key, token, plaintext.expose())?,
                    Task::Unwrap(material) => gcp::decrypt(key, token, material)?,
                }
            }
            (Credentials::Kmip { endpoint }, ServiceKey::Kmip(key)) => {
                return self.step_kmip(KmipFlow::new(key, endpoint), None, env);
            }
            _ => return Err(KmsError::NotConfigured(self.master_key.id().to_string())),
        };
        self.state = State::Sent(None);
        Ok(JobStep::Send(draft))
    }

    fn step_kmip(
        &mut self,
        mut flow: KmipFlow,
        reply: Option<Reply>,
        env: &mut KmsEnv<'_>,
    ) -> Result<JobStep, KmsError> {
        let step = match &self.task {
            Task::Wrap(plaintext) => flow.wrap(plaintext, reply, env.random)?,
            Task::Unwrap(material) => flow.unwrap(material, reply)?,
        };
        match step {
            KmipStep::Send(draft) => {
                self.state = State::Sent(Some(flow));
                return Ok(JobStep::Send(draft));
            }
            KmipStep::Wrapped { key_material, key_id } => {
                let mut master_key = self.master_key.clone();
                if let Some(id) = key_id {
                    master_key.set_kmip_key_id(id);
                }
                self.state = State::Done(wrapped(key_material, master_key)?);
            }
            KmipStep::Unwrapped(key) => self.state = State::Done(JobOutput::Unwrapped(key)),
        }
        Ok(JobStep::Idle)
    }

    /// What a service other than KMIP answered.
    fn output(&self, reply: Reply) -> Result<JobOutput, KmsError> {
        let Reply::Bytes(bytes) = reply else { return Err(KmsError::Unfinished) };
        match &self.task {
            Task::Wrap(_) => wrapped(bytes.expose().to_vec(), self.master_key.clone()),
            Task::Unwrap(_) => {
                let key = Secret::try_from(bytes.expose()).map_err(|_| KmsError::KeyLength)?;
                Ok(JobOutput::Unwrapped(key))
            }
        }
    }
}

/// No cipher makes the key shorter: a service that does has not wrapped it.
fn wrapped(key_material: Vec<u8>, master_key: MasterKey) -> Result<JobOutput, KmsError> {
    if key_material.len() < 96 {
        return Err(KmsError::WrappedKeyTooShort);
    }
    Ok(JobOutput::Wrapped { key_material, master_key: Box::new(master_key) })
}
