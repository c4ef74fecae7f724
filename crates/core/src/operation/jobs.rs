//! Wrapping and unwrapping of data keys, by key services or by a local key.

use fieldveil_crypto::Secret;
use fieldveil_kms::{
    Credentials, JobOutput, KmsError, KmsJobs, KmsProviders, KmsRequest, MasterKey, ServiceKey,
};
use zeroize::Zeroizing;

use crate::crypt::Crypt;
use crate::env::Env;
use crate::error::CoreError;
use crate::hooked::{self, Hooks};

/// Jobs on data keys; the outputs come in the order in which the jobs were added.
///
/// Local keys are the affair of `fieldveil-kms` as well, unless the application brings its own
/// primitives along: then they must be used for them too.
pub(crate) struct WrapJobs {
    kms: KmsJobs,
    order: Vec<Place>,
    hooked: Vec<Hooked>,
}

enum Place {
    Kms,
    Hooked(usize),
}

struct Hooked {
    master_key: MasterKey,
    task: Task,
    output: Option<JobOutput>,
}

enum Task {
    Wrap(Secret<96>),
    Unwrap(Vec<u8>),
}

impl WrapJobs {
    pub(crate) fn new() -> Self {
        Self { kms: KmsJobs::new(), order: Vec::new(), hooked: Vec::new() }
    }

    /// Adds a data key to be wrapped under `master_key`.
    pub(crate) fn wrap(&mut self, crypt: &Crypt, master_key: MasterKey, material: Secret<96>) {
        if is_hooked(crypt, &master_key) {
            self.add_hooked(master_key, Task::Wrap(material));
        } else {
            self.kms.wrap(master_key, material);
            self.order.push(Place::Kms);
        }
    }

    /// Adds a data key to be unwrapped.
    pub(crate) fn unwrap(&mut self, crypt: &Crypt, master_key: MasterKey, wrapped: Vec<u8>) {
        if is_hooked(crypt, &master_key) {
            self.add_hooked(master_key, Task::Unwrap(wrapped));
        } else {
            self.kms.unwrap(master_key, wrapped);
            self.order.push(Place::Kms);
        }
    }

    fn add_hooked(&mut self, master_key: MasterKey, task: Task) {
        self.order.push(Place::Hooked(self.hooked.len()));
        self.hooked.push(Hooked { master_key, task, output: None });
    }

    /// Takes the replies of a round and prepares the next; `false` when all jobs are done.
    pub(crate) fn advance(
        &mut self,
        crypt: &Crypt,
        providers: &KmsProviders,
        env: &mut Env<'_>,
    ) -> Result<bool, CoreError> {
        if let Some(hooks) = crypt.hooks() {
            for job in &mut self.hooked {
                if job.output.is_none() {
                    job.output = Some(job.run(hooks, providers, env)?);
                }
            }
        }
        Ok(self.kms.advance(&mut crypt.kms_env(providers, env))?)
    }

    /// The requests of this round.
    pub(crate) fn requests(&mut self) -> &mut [KmsRequest] {
        self.kms.requests()
    }

    /// What became of the keys.
    pub(crate) fn finish(self) -> Result<Vec<JobOutput>, CoreError> {
        let mut kms = self.kms.finish()?.into_iter();
        let mut hooked: Vec<_> = self.hooked.into_iter().map(|job| job.output).collect();
        let outputs = self.order.into_iter().map(|place| match place {
            Place::Kms => kms.next(),
            Place::Hooked(index) => hooked.get_mut(index).and_then(Option::take),
        });
        outputs.map(|output| output.ok_or_else(|| KmsError::Unfinished.into())).collect()
    }
}

/// Whether the application's primitives wrap under this key.
fn is_hooked(crypt: &Crypt, master_key: &MasterKey) -> bool {
    crypt.hooks().is_some() && matches!(master_key.key(), ServiceKey::Local)
}

impl Hooked {
    fn run(
        &self,
        hooks: &Hooks,
        providers: &KmsProviders,
        env: &mut Env<'_>,
    ) -> Result<JobOutput, CoreError> {
        let not_configured = || KmsError::NotConfigured(self.master_key.id().to_string());
        let Credentials::Local(key) = providers.credentials(self.master_key.id())? else {
            return Err(not_configured().into());
        };
        match &self.task {
            Task::Wrap(material) => {
                let mut iv = [0; 16];
                env.random.fill_nonces(&mut iv)?;
                let algorithm = fieldveil_crypto::batch::Algorithm::Random { iv };
                let mut key_material = Vec::new();
                let plaintext = material.expose();
                hooked::seal_csfle(
                    hooks,
                    key.material(),
                    algorithm,
                    &[],
                    plaintext,
                    &mut key_material,
                )?;
                let master_key = Box::new(self.master_key.clone());
                Ok(JobOutput::Wrapped { key_material, master_key })
            }
            Task::Unwrap(wrapped) => {
                let mut bytes = Zeroizing::new(Vec::with_capacity(wrapped.len()));
                hooked::open_csfle(hooks, key.material(), &[], wrapped, &mut bytes)?;
                let secret = Secret::try_from(bytes.as_slice())
                    .map_err(|_| KmsError::UnwrappedLength(bytes.len()))?;
                Ok(JobOutput::Unwrapped(secret))
            }
        }
    }
}
