//! `mongocrypt_ctx_t`: one operation, from its options to its result.

use std::ffi::{CString, c_int};
use std::sync::Arc;

use fieldveil_core::{CoreError, Env, Origin, Step};

use crate::border::guard;
use crate::clock;
use crate::crypt::{Crypt, Engine};
use crate::crypt_shared::Analyser;
use crate::kms::KmsHandles;
use crate::spares::{self, Spares};
use crate::status::{Failure, Status};

mod analyse;
mod drive;
mod operations;
mod options;
mod setters;

pub use drive::*;
pub use operations::*;
use options::Options;
pub use setters::*;

/// The context has failed for good.
pub const MONGOCRYPT_CTX_ERROR: c_int = 0;
/// Run `listCollections` on the database of the command.
pub const MONGOCRYPT_CTX_NEED_MONGO_COLLINFO: c_int = 1;
/// Run a command on `mongocryptd`.
pub const MONGOCRYPT_CTX_NEED_MONGO_MARKINGS: c_int = 2;
/// Run `find` on the key vault.
pub const MONGOCRYPT_CTX_NEED_MONGO_KEYS: c_int = 3;
/// Exchange messages with key services.
pub const MONGOCRYPT_CTX_NEED_KMS: c_int = 4;
/// The result is there.
pub const MONGOCRYPT_CTX_READY: c_int = 5;
/// The result was taken, or there was nothing to do.
pub const MONGOCRYPT_CTX_DONE: c_int = 6;
/// Supply credentials.
pub const MONGOCRYPT_CTX_NEED_KMS_CREDENTIALS: c_int = 7;
/// Run `listCollections` on the database that the context names.
pub const MONGOCRYPT_CTX_NEED_MONGO_COLLINFO_WITH_DB: c_int = 8;

/// One operation. Used by one thread at a time.
pub struct Ctx {
    engine: Arc<Engine>,
    status: Status,
    phase: Phase,
    /// What the pointer to the result points into.
    result: Vec<u8>,
    /// What the pointer to a filter or command points into.
    operation: Vec<u8>,
    /// Whether that is the filter or command of the step that the context waits in.
    is_operation_current: bool,
    /// What pointers to earlier filters and commands point into.
    past_operations: Vec<Vec<u8>>,
    database: Option<CString>,
    kms: KmsHandles,
}

enum Phase {
    /// Options are being set; most operations have none.
    Setup(Option<Box<Options>>),
    /// The operation waits for something.
    Waiting(Step),
    /// The result was taken, or there was nothing to do.
    Done,
    /// Something failed; the status says what.
    Failed,
}

/// Why a call is refused.
pub(crate) enum Refusal {
    /// The context had failed before; its status stays as it is.
    AlreadyFailed,
    /// This has failed now.
    Failed(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<&'static str> for Refusal {
    fn from(message: &'static str) -> Self {
        Self::Failed(message.into())
    }
}

impl From<CoreError> for Refusal {
    fn from(error: CoreError) -> Self {
        Self::Failed(Failure::client(error))
    }
}

const NOT_INITIALISED: &str = "ctx NULL or uninitialized";
const WRONG_STATE: &str = "wrong state";

impl Ctx {
    fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            status: Status::default(),
            phase: Phase::Setup(None),
            result: Vec::new(),
            operation: Vec::new(),
            is_operation_current: false,
            past_operations: Vec::new(),
            database: None,
            kms: KmsHandles::default(),
        }
    }

    fn state(&self) -> c_int {
        let step = match &self.phase {
            Phase::Setup(_) | Phase::Failed => return MONGOCRYPT_CTX_ERROR,
            Phase::Done => return MONGOCRYPT_CTX_DONE,
            Phase::Waiting(step) => step,
        };
        match step {
            Step::CollectionInfo(need) if need.is_other_database() => {
                MONGOCRYPT_CTX_NEED_MONGO_COLLINFO_WITH_DB
            }
            Step::CollectionInfo(_) => MONGOCRYPT_CTX_NEED_MONGO_COLLINFO,
            Step::Markings(_) => MONGOCRYPT_CTX_NEED_MONGO_MARKINGS,
            Step::Keys(_) => MONGOCRYPT_CTX_NEED_MONGO_KEYS,
            Step::Credentials(_) => MONGOCRYPT_CTX_NEED_KMS_CREDENTIALS,
            Step::Kms(_) => MONGOCRYPT_CTX_NEED_KMS,
            Step::Ready(_) => MONGOCRYPT_CTX_READY,
        }
    }

    /// The step, for a call that looks at it or feeds it.
    fn step(&mut self) -> Result<&mut Step, Refusal> {
        match &mut self.phase {
            Phase::Waiting(step) => Ok(step),
            Phase::Setup(_) => Err(NOT_INITIALISED.into()),
            Phase::Done => Err(WRONG_STATE.into()),
            Phase::Failed => Err(Refusal::AlreadyFailed),
        }
    }

    /// The step, for a call that ends it. Unless another one follows, the context has failed.
    #[inline]
    fn take_step(&mut self) -> Result<Step, Refusal> {
        self.leave();
        match std::mem::replace(&mut self.phase, Phase::Failed) {
            Phase::Waiting(step) => Ok(step),
            Phase::Setup(_) => Err(NOT_INITIALISED.into()),
            Phase::Done => Err(WRONG_STATE.into()),
            Phase::Failed => Err(Refusal::AlreadyFailed),
        }
    }

    /// Goes on to the step that `next` gives, and past those that need no caller.
    fn go_on(
        &mut self,
        next: impl FnOnce(&fieldveil_core::Crypt, &mut Env<'_>) -> Result<Step, CoreError>,
    ) -> Result<(), Refusal> {
        let mut random = self.engine.random;
        let step = next(&self.engine.core, &mut clock::env(&mut random));
        self.arrive(step)
    }

    /// The part of [`go_on`](Self::go_on) that is the same for all steps.
    #[inline(never)]
    fn arrive(&mut self, step: Result<Step, CoreError>) -> Result<(), Refusal> {
        if let Ok(Step::Ready(ready)) = &step
            && ready.is_nothing()
        {
            self.phase = Phase::Done;
            return Ok(());
        }
        // Not looked at before it is where it stays, so that it is moved there at once.
        match step {
            Ok(step) => self.phase = Phase::Waiting(step),
            Err(error) => return Err(self.failure(&error).into()),
        }
        if let Analyser::Library(used) = &self.engine.analyser
            && let Phase::Waiting(step) = std::mem::replace(&mut self.phase, Phase::Failed)
        {
            let mut random = self.engine.random;
            let step = analyse::by_library(used, step, &mut clock::env(&mut random))?;
            self.phase = Phase::Waiting(step);
        }
        if let Phase::Waiting(Step::Kms(need)) = &mut self.phase {
            self.kms.start(need.requests());
        }
        Ok(())
    }

    /// Before the phase changes: exchanges with key services point into the step that they belong to,
    /// and end with it.
    #[inline]
    fn leave(&mut self) {
        self.kms.retire();
        self.is_operation_current = false;
    }

    /// An error of built-in analysis is one of the library whose place it takes.
    fn failure(&self, error: &CoreError) -> Failure {
        match (&self.engine.analyser, error.origin()) {
            (Analyser::BuiltIn, Origin::Analysis) => Failure::crypt_shared(error),
            _ => Failure::client(error),
        }
    }

    /// The filter or command to run. It is kept for as long as the context lives.
    fn operation(&mut self) -> Result<&[u8], Refusal> {
        if !self.is_operation_current {
            let bytes = match self.step()? {
                Step::CollectionInfo(need) => need.filter().as_bytes().to_vec(),
                Step::Markings(need) => need.take_command().ok_or(WRONG_STATE)?,
                Step::Keys(need) => need.filter().as_bytes().to_vec(),
                Step::Credentials(_) | Step::Kms(_) | Step::Ready(_) => {
                    return Err(WRONG_STATE.into());
                }
            };
            let past = std::mem::replace(&mut self.operation, bytes);
            if !past.is_empty() {
                self.past_operations.push(past);
            }
            self.is_operation_current = true;
        }
        Ok(&self.operation)
    }

    #[cold]
    fn refuse(&mut self, refusal: &Refusal) {
        if let Refusal::Failed(failure) = refusal {
            self.status.set(failure);
        }
        self.leave();
        self.phase = Phase::Failed;
    }
}

/// Runs a call on a context: NULL and a panic give `refused`, an error does too and is recorded.
fn call<R: Copy>(
    ctx: Option<&mut Ctx>,
    refused: R,
    body: impl FnOnce(&mut Ctx) -> Result<R, Refusal>,
) -> R {
    let Some(ctx) = ctx else { return refused };
    let refusal = match guard(None, || Some(body(ctx))) {
        Some(Ok(result)) => return result,
        Some(Err(refusal)) => refusal,
        None => "unexpected internal error".into(),
    };
    ctx.refuse(&refusal);
    refused
}

thread_local! {
    static SPARES: Spares<Ctx> = const { Spares::new() };
}

/// Makes a context on an initialised handle; NULL if the handle is not.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_new(crypt: Option<&Crypt>) -> Option<Box<Ctx>> {
    guard(None, || {
        let engine = crypt?.engine()?;
        Some(spares::make(&SPARES, || Ctx::new(engine)))
    })
}

/// Copies the status of the context to `status`; false if it is an error.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_status(
    ctx: Option<&mut Ctx>,
    status: Option<&mut Status>,
) -> bool {
    let Some(status) = status else {
        return call(ctx, false, |_| Err("invalid NULL output".into()));
    };
    guard(false, || {
        let Some(ctx) = ctx else { return false };
        ctx.status.copy_to(status);
        status.is_ok()
    })
}

/// What the context waits for: one of the `MONGOCRYPT_CTX_` values.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_state(ctx: Option<&mut Ctx>) -> c_int {
    call(ctx, MONGOCRYPT_CTX_ERROR, |ctx| match &ctx.phase {
        Phase::Setup(_) => Err(NOT_INITIALISED.into()),
        _ => Ok(ctx.state()),
    })
}

/// Destroys a context and what it handed out. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_ctx_destroy(ctx: Option<Box<Ctx>>) {
    if let Some(ctx) = ctx {
        guard((), || spares::destroy(&SPARES, ctx));
    }
}
