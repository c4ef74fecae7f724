//! Pending operations: configured by chained methods, run by `await`.
//!
//! Each mirrors the action of the same name in the official driver, with the driver's own options.
//!
//! ```no_run
//! # use bson::{Document, doc};
//! # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
//! let updated = patients
//!     .update_one(doc! { "ssn": "123-12-1234" }, doc! { "$set": { "ward": 3 } })
//!     .upsert(true)
//!     .comment("moved".into())
//!     .await?;
//! # Ok(())
//! # }
//! ```

mod aggregate;
mod bulk_write;
mod count;
mod create_collection;
mod delete;
mod distinct;
mod find;
mod find_one_and;
mod insert;
mod replace;
mod run_command;
mod update;

pub use aggregate::Aggregate;
pub use bulk_write::{BulkWrite, BulkWriteResult, WriteModel};
pub use count::CountDocuments;
pub use create_collection::CreateCollection;
pub use delete::Delete;
pub use distinct::Distinct;
pub use find::{Find, FindOne};
pub use find_one_and::{FindOneAndDelete, FindOneAndReplace, FindOneAndUpdate};
pub use insert::{InsertMany, InsertOne};
pub use replace::ReplaceOne;
pub use run_command::{RunCommand, RunCursorCommand};
pub use update::Update;

use futures_util::future::BoxFuture;
use mongodb::ClientSession;

use crate::error::Result;

/// The operation runs in a session that the driver makes for it.
#[derive(Debug)]
pub struct ImplicitSession;

/// The operation runs in a session that the caller gave.
#[derive(Debug)]
pub struct ExplicitSession<'a>(pub(crate) &'a mut ClientSession);

/// A pending operation that has no options.
///
/// ```no_run
/// # async fn run(keys: fieldveil::ClientEncryption) -> fieldveil::Result<()> {
/// let all = keys.get_keys().await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Pending<'a, T>(BoxFuture<'a, Result<T>>);

impl<'a, T> Pending<'a, T> {
    pub(crate) fn new(operation: impl Future<Output = Result<T>> + Send + 'a) -> Self {
        Self(Box::pin(operation))
    }

    async fn execute(self) -> Result<T> {
        self.0.await
    }
}

/// Makes an action awaitable through its `execute`, and gives it `run` for blocking programs.
///
/// A cursor is another type there: `blocking` names it.
macro_rules! awaitable {
    ([$($generics:tt)*] $action:ty => $output:ty) => {
        $crate::action::awaitable!([$($generics)*] $action => $output, blocking $output);
    };
    ([$($generics:tt)*] $action:ty => $output:ty, blocking $blocking:ty) => {
        impl<$($generics)*> ::std::future::IntoFuture for $action {
            type Output = $crate::Result<$output>;
            type IntoFuture = ::futures_util::future::BoxFuture<'a, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                ::std::boxed::Box::pin(self.execute())
            }
        }

        #[cfg(feature = "sync")]
        impl<$($generics)*> $action {
            /// Runs the operation to its end, for programs without `async`; see
            /// [`fieldveil::sync`](crate::sync).
            ///
            /// # Errors
            /// As when the operation is awaited.
            pub fn run(self) -> $crate::Result<$blocking> {
                $crate::sync::block_on(self.execute())?.map(<$blocking>::from)
            }
        }
    };
}

/// `Debug` that shows no more than the type: what an action holds may be plaintext.
macro_rules! opaque_debug {
    ([$($generics:tt)*] $name:ident $($arguments:tt)*) => {
        impl<$($generics)*> ::std::fmt::Debug for $name $($arguments)* {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

/// The setters of an action's `options`: all of them at once, and each by its name in the driver.
macro_rules! option_setters {
    ($options:ident: $($name:ident: $type:ty),+ $(,)?) => {
        /// Sets all options at once, replacing those set before.
        pub fn with_options(mut self, options: impl Into<Option<::mongodb::options::$options>>) -> Self {
            self.options = options.into().unwrap_or_default();
            self
        }

        $(
            #[doc = concat!(
                "Sets the option `", stringify!($name), "` of [`", stringify!($options),
                "`](mongodb::options::", stringify!($options), ")."
            )]
            pub fn $name(mut self, value: $type) -> Self {
                self.options.$name = ::std::option::Option::Some(value);
                self
            }
        )+
    };
}

/// The setter of an explicit session for actions whose result is no cursor.
macro_rules! session_setter {
    () => {
        /// Runs the operation in this session.
        pub fn session(mut self, session: impl Into<&'a mut ::mongodb::ClientSession>) -> Self {
            self.session = ::std::option::Option::Some(session.into());
            self
        }
    };
}

pub(crate) use {awaitable, opaque_debug, option_setters, session_setter};

awaitable!(['a, T: Send + 'a] Pending<'a, T> => T);
opaque_debug!([T] Pending<'_, T>);
