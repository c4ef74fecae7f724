//! Pending operations: configured by chained methods, run by `await`.
//!
//! Each mirrors the action of the same name in the official driver, with the driver's own options.

mod aggregate;
mod bulk_write;
mod count;
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
pub use delete::Delete;
pub use distinct::Distinct;
pub use find::{Find, FindOne};
pub use find_one_and::{FindOneAndDelete, FindOneAndReplace, FindOneAndUpdate};
pub use insert::{InsertMany, InsertOne};
pub use replace::ReplaceOne;
pub use run_command::RunCommand;
pub use update::Update;

use mongodb::ClientSession;

/// The operation runs in a session that the driver makes for it.
#[derive(Debug)]
pub struct ImplicitSession;

/// The operation runs in a session that the caller gave.
#[derive(Debug)]
pub struct ExplicitSession<'a>(pub(crate) &'a mut ClientSession);

/// Makes an action awaitable through its `execute`.
macro_rules! awaitable {
    ([$($generics:tt)*] $action:ty => $output:ty) => {
        impl<$($generics)*> ::std::future::IntoFuture for $action {
            type Output = $crate::Result<$output>;
            type IntoFuture = ::futures_util::future::BoxFuture<'a, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                ::std::boxed::Box::pin(self.execute())
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

pub(crate) use {awaitable, option_setters, session_setter};
