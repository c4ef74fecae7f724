//! Key documents and cache, ciphertext formats, and the encryption state machines, without I/O.
//!
//! A [`Crypt`] starts operations: encrypt a command, decrypt a reply, encrypt or decrypt one value,
//! make a data key, wrap data keys anew. Each becomes a [`Step`] that says what it waits for; whoever
//! drives it does the I/O and answers, until it is [`Ready`]:
//!
//! ```no_run
//! # use bson::{RawDocument, RawDocumentBuf};
//! # use fieldveil_core::{CoreError, Crypt, Env, Step};
//! # trait Io {
//! #     fn env(&mut self) -> Env<'_>;
//! #     fn list_collections(&self, db: &str, filter: &RawDocument) -> Vec<RawDocumentBuf>;
//! #     fn run_cryptd(&self, db: &str, command: &RawDocument) -> RawDocumentBuf;
//! #     fn find_keys(&self, filter: &RawDocument) -> Vec<RawDocumentBuf>;
//! #     fn credentials(&self) -> RawDocumentBuf;
//! #     fn exchange(&self, request: &mut fieldveil_kms::KmsRequest);
//! # }
//! fn drive(mut step: Step, io: &mut dyn Io) -> Result<RawDocumentBuf, CoreError> {
//!     loop {
//!         step = match step {
//!             Step::CollectionInfo(mut need) => {
//!                 for info in io.list_collections(need.database(), need.filter()) {
//!                     need.feed(&info)?;
//!                 }
//!                 need.done(&mut io.env())?
//!             }
//!             Step::Markings(need) => {
//!                 let reply = io.run_cryptd(need.database(), need.command());
//!                 need.answer(&reply, &mut io.env())?
//!             }
//!             Step::Credentials(need) => need.provide(&io.credentials(), &mut io.env())?,
//!             Step::Keys(mut need) => {
//!                 for key in io.find_keys(need.filter()) {
//!                     need.feed(&key)?;
//!                 }
//!                 need.done(&mut io.env())?
//!             }
//!             Step::Kms(mut need) => {
//!                 for request in need.requests() {
//!                     io.exchange(request);
//!                 }
//!                 need.done(&mut io.env())?
//!             }
//!             Step::Ready(ready) => return Ok(ready.finish()),
//!         };
//!     }
//! }
//! ```
//!
//! Nothing here opens a socket, spawns a thread, or reads a clock or an ambient random generator:
//! time and randomness come with [`Env`]. Every failure ends the operation; none lets plaintext
//! through.
#![forbid(unsafe_code)]

mod broker;
mod cache;
mod ciphertext;
mod command;
mod crypt;
mod env;
mod error;
mod hooked;
mod key_id;
mod marking;
mod operation;
mod options;
mod payload;
mod qe;
mod raw;
mod schema;
mod seal;
mod step;
mod vault;

pub use broker::KeyVaultError;
pub use ciphertext::{CiphertextError, ValueTypeError};
pub use command::CommandError;
pub use crypt::{Crypt, CryptBuilder, QueryAnalysis};
pub use env::{Env, Now};
pub use error::{CoreError, Origin};
pub use hooked::{CryptoHooks, HookError};
pub use key_id::KeyId;
pub use marking::{ContentionError, MarkingError, PlaceholderError};
pub use operation::{AnalysisError, MessageError, RewrapError};
pub use options::{Algorithm, DataKeyOptions, ExplicitOptions, OptionsError, QueryType};
pub use payload::PayloadError;
pub use qe::{
    QeError, RangeError, RangeOptions, RangeOptionsError, TextError, TextOptions, TextOptionsError,
};
pub use raw::MalformedBson;
pub use schema::{EncryptedFieldsError, SchemaError};
pub use step::{NeedCollectionInfo, NeedCredentials, NeedKeys, NeedKms, NeedMarkings, Ready, Step};
pub use vault::{KeyDocument, KeyDocumentError};
