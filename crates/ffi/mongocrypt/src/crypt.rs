//! `mongocrypt_t`: options, then an instance that many threads share.

use std::ffi::c_char;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use fieldveil_core::QueryAnalysis;

use crate::border::{guard, write_out};
use crate::crypt_shared::Analyser;
use crate::hooks::{CallerCiphers, RandomSource};
use crate::log::Log;
use crate::status::{Failure, Status};

mod options;
mod setters;

use options::Options;
pub use setters::*;

/// A handle. Before `mongocrypt_init` it collects options; after it, it makes contexts.
#[derive(Default)]
pub struct Crypt {
    setup: Mutex<Setup>,
    engine: OnceLock<Arc<Engine>>,
    log: Arc<Log>,
}

#[derive(Default)]
struct Setup {
    options: Options,
    is_initialised: bool,
    status: Status,
}

/// What contexts need of their handle; they keep it alive on their own.
pub(crate) struct Engine {
    pub(crate) core: fieldveil_core::Crypt,
    pub(crate) random: RandomSource,
    pub(crate) analyser: Analyser,
    /// Whether the caller can be asked for credentials.
    pub(crate) asks_for_credentials: bool,
}

impl Crypt {
    fn setup(&self) -> MutexGuard<'_, Setup> {
        self.setup.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What contexts need; an error is recorded if there was no successful init.
    pub(crate) fn engine(&self) -> Option<Arc<Engine>> {
        let engine = self.engine.get().cloned();
        if engine.is_none() {
            let failure = Failure::from("cannot create context from uninitialized crypt");
            self.setup().status.set(&failure);
        }
        engine
    }

    fn init(&self) -> Result<(), Failure> {
        let mut setup = self.setup();
        if setup.is_initialised {
            return Err("already initialized".into());
        }
        setup.is_initialised = true;
        if !setup.status.is_ok() {
            // An option was refused; the status says which.
            return Err(Failure::client(String::from_utf8_lossy(setup.status.text())));
        }
        let options = std::mem::take(&mut setup.options);
        drop(setup);
        self.log.set(options.log_handler);
        let mut builder = options.builder;
        builder.other_databases(options.asks_other_databases);
        builder.several_collections(options.allows_several_collections);
        builder.credentials_on_demand(options.asks_for_credentials);
        builder.bypass_query_analysis(options.bypasses_query_analysis);
        builder.retry_kms(options.retries_kms);
        if let Some(ciphers) = options.ciphers {
            builder.crypto_hooks(Arc::new(CallerCiphers { counter: options.counter, ..ciphers }));
        }
        if let Some(signer) = options.signer {
            builder.rs256_signer(signer);
        }
        let analyser = if options.bypasses_query_analysis {
            Analyser::Caller
        } else {
            // Options are checked first: a wrong one is reported before a missing library.
            Analyser::find(&options.search_paths, &self.log)?
        };
        builder.query_analysis(match analyser {
            Analyser::BuiltIn => QueryAnalysis::BuiltIn,
            Analyser::Caller | Analyser::Library(_) => QueryAnalysis::External,
        });
        let core = builder.build().map_err(Failure::client)?;
        let engine = Engine {
            core,
            random: options.random,
            analyser,
            asks_for_credentials: options.asks_for_credentials,
        };
        // Nobody else gets here: `is_initialised` was false only once.
        let _ = self.engine.set(Arc::new(engine));
        Ok(())
    }
}

/// Runs a call on a handle: NULL and a panic are `false`, an error is `false` and recorded.
pub(crate) fn call(
    crypt: Option<&Crypt>,
    body: impl FnOnce(&Crypt) -> Result<(), Failure>,
) -> bool {
    let Some(crypt) = crypt else { return false };
    let failure = match guard(None, || Some(body(crypt))) {
        Some(Ok(())) => return true,
        Some(Err(failure)) => failure,
        None => "unexpected internal error".into(),
    };
    crypt.setup().status.set(&failure);
    false
}

/// Makes a handle with no options set.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_new() -> Option<Box<Crypt>> {
    guard(None, || Some(Box::default()))
}

/// Ends the setting of options. After it, contexts can be made, by many threads at once.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_init(crypt: Option<&Crypt>) -> bool {
    call(crypt, Crypt::init)
}

/// Copies the status of the handle to `status`; false if it is an error.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_status(crypt: Option<&Crypt>, status: Option<&mut Status>) -> bool {
    let Some(status) = status else {
        return call(crypt, |_| Err("argument 'out' is required".into()));
    };
    guard(false, || {
        let Some(crypt) = crypt else { return false };
        crypt.setup().status.copy_to(status);
        status.is_ok()
    })
}

/// Destroys a handle. NULL is fine. Contexts that are still there go on working.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_destroy(crypt: Option<Box<Crypt>>) {
    guard((), || drop(crypt));
}

/// Makes no difference: version 2 of the range protocol is the only one.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_setopt_use_range_v2(crypt: Option<&Crypt>) -> bool {
    call(crypt, |crypt| crypt.set(|_| Ok(())))
}

/// The version text of the analysis in use, NULL if the caller analyses. It lives as long as the
/// handle.
///
/// # Safety
/// `len` is NULL or valid for writing; it receives the length without the NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_crypt_shared_lib_version_string(
    crypt: Option<&Crypt>,
    len: *mut u32,
) -> *const c_char {
    guard(ptr::null(), || {
        let engine = crypt.and_then(|crypt| crypt.engine.get());
        let text = engine.and_then(|engine| engine.analyser.version_text());
        let length = text.map_or(0, |text| text.count_bytes());
        // SAFETY: the caller's promise.
        unsafe { write_out(len, u32::try_from(length).unwrap_or(u32::MAX)) };
        text.map_or(ptr::null(), std::ffi::CStr::as_ptr)
    })
}

/// The version of the analysis in use, 16 bits for each of its four parts; 0 if the caller
/// analyses.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_crypt_shared_lib_version(crypt: Option<&Crypt>) -> u64 {
    guard(0, || {
        let engine = crypt.and_then(|crypt| crypt.engine.get());
        engine.map_or(0, |engine| engine.analyser.version())
    })
}

/// The version of the C interface, which drivers compare with what they need.
///
/// # Safety
/// `len` is NULL or valid for writing; it receives the length without the NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongocrypt_version(len: *mut u32) -> *const c_char {
    /// The release whose functions and behaviour this library has.
    const VERSION: &std::ffi::CStr = c"1.21.0";
    // SAFETY: the caller's promise.
    unsafe { write_out(len, u32::try_from(VERSION.count_bytes()).unwrap_or_default()) };
    VERSION.as_ptr()
}

/// Always true: no crypto hooks are needed.
#[unsafe(no_mangle)]
pub extern "C" fn mongocrypt_is_crypto_available() -> bool {
    true
}
