//! Use without `async`, with the feature `sync`.
//!
//! There are no other types to learn: each pending operation has `run` beside `await`, here as in
//! the driver, and a cursor is an iterator.
//!
//! ```no_run
//! use bson::{Document, doc};
//! use fieldveil::{EncryptedClient, LocalKey};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = EncryptedClient::builder("mongodb://localhost:27017")
//!     .key_vault_namespace("encryption.__keyVault")
//!     .kms_providers(LocalKey::from_file("master-key.bin")?.to_kms_providers())
//!     .build()
//!     .run()?;
//! let patients = client.collection::<Document>("clinic", "patients");
//! patients.insert_one(doc! { "name": "Sophia Duleep Singh", "ssn": "123-12-1234" }).run()?;
//! for patient in patients.find(doc! { "ssn": "123-12-1234" }).run()? {
//!     println!("{}", patient?);
//! }
//!
//! let mut session = client.start_session().run()?;
//! patients.delete_one(doc! { "ssn": "123-12-1234" }).session(&mut session).run()?;
//! # Ok(())
//! # }
//! ```
//!
//! `run` waits on threads of its own. Inside async code it is an error: await the operation instead.

use std::{
    fmt, io,
    sync::{Arc, LazyLock},
};

use futures_util::StreamExt;
use mongodb::ClientSession;
use serde::de::DeserializeOwned;
use tokio::runtime::{Handle, Runtime};

use crate::error::{Error, Result};

/// The threads that blocking operations wait on. They are never ended: connections live on them.
static RUNTIME: LazyLock<Result<Runtime, Arc<io::Error>>> =
    LazyLock::new(|| Runtime::new().map_err(Arc::new));

/// Waits for an operation.
pub(crate) fn block_on<F: Future>(operation: F) -> Result<F::Output> {
    if Handle::try_current().is_ok() {
        return Err(Error::BlockingInAsync);
    }
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.block_on(operation)),
        Err(source) => Err(Error::NoThreads { source: Arc::clone(source) }),
    }
}

/// An iterator over decrypted documents.
///
/// ```no_run
/// # use bson::{Document, doc};
/// # fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
/// let all: Vec<Document> = patients.find(doc! {}).run()?.collect::<Result<_, _>>()?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Cursor<T>(crate::Cursor<T>);

impl<T> From<crate::Cursor<T>> for Cursor<T> {
    fn from(cursor: crate::Cursor<T>) -> Self {
        Self(cursor)
    }
}

impl<T: DeserializeOwned + Unpin> Iterator for Cursor<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.0.next()).unwrap_or_else(|error| Some(Err(error)))
    }
}

impl<T> fmt::Debug for Cursor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").finish_non_exhaustive()
    }
}

/// A cursor that was opened in a session and is read with it.
///
/// ```no_run
/// # use bson::{Document, doc};
/// # fn run(
/// #     client: fieldveil::EncryptedClient,
/// #     patients: fieldveil::EncryptedCollection<Document>,
/// # ) -> fieldveil::Result<()> {
/// let mut session = client.start_session().run()?;
/// let mut cursor = patients.find(doc! {}).session(&mut session).run()?;
/// while let Some(patient) = cursor.next(&mut session) {
///     println!("{}", patient?);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct SessionCursor<T>(crate::SessionCursor<T>);

impl<T> From<crate::SessionCursor<T>> for SessionCursor<T> {
    fn from(cursor: crate::SessionCursor<T>) -> Self {
        Self(cursor)
    }
}

impl<T: DeserializeOwned + Unpin> SessionCursor<T> {
    /// The next document; `session` is the one the cursor was opened with.
    pub fn next<'s>(&mut self, session: impl Into<&'s mut ClientSession>) -> Option<Result<T>> {
        block_on(self.0.next(session.into())).unwrap_or_else(|error| Some(Err(error)))
    }
}

impl<T> fmt::Debug for SessionCursor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCursor").finish_non_exhaustive()
    }
}
