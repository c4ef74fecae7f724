//! Whether the client's users may reach the collections that a command names beside its own.
//!
//! Two collections are closed to those who may only read a database: that of the users, and the
//! profiler's, which shows other users' commands. Nobody writes to that of the users but by the
//! commands about users.

use bson::{RawArray, RawBsonRef, RawDocument};
use fieldveil_query::pipeline::{Pipeline, Reach};

use crate::{
    auth::{permission::not_authorized, users},
    call::Call,
    error::CommandError,
    profiler,
    table::Access,
};

impl Call<'_> {
    /// Refuses to read a collection that is closed to the client's users.
    ///
    /// # Errors
    /// Code 13.
    pub(crate) fn check_read(&self, database: &str, collection: &str) -> Result<(), CommandError> {
        let is_root =
            || self.may(Access::ServerAdmin, "admin") && self.may(Access::UserAdmin, "admin");
        let is_open = (!is_users(database, collection) || is_root())
            && self.is_open_profile(database, collection);
        self.authorized(is_open)
    }

    /// Refuses to write to a collection that is closed to the client's users, or to all.
    ///
    /// # Errors
    /// Code 13.
    pub(crate) fn check_write(&self, database: &str, collection: &str) -> Result<(), CommandError> {
        let is_open = !is_users(database, collection) && self.is_open_profile(database, collection);
        self.authorized(is_open)
    }

    /// Refuses a pipeline that reads or writes what the client's users may not. That they may read
    /// the command's own database is taken for granted.
    ///
    /// # Errors
    /// Code 13; those of a pipeline that cannot be read, or whose stages are not understood.
    pub(crate) fn check_pipeline(&self, stages: &RawArray) -> Result<(), CommandError> {
        if !self.shared.options.authentication {
            return Ok(());
        }
        let own = self.request.database.as_str();
        let pipeline = Pipeline::parse(stages)?;
        for reach in pipeline.reaches()? {
            match reach {
                Reach::Reads(namespace) => {
                    let database = namespace.database.as_deref().unwrap_or(own);
                    self.authorized(database == own || self.may(Access::Read, database))?;
                    self.check_read(database, &namespace.collection)?;
                }
                Reach::Writes(namespace) => {
                    let database = namespace.database.as_deref().unwrap_or(own);
                    self.authorized(self.may(Access::Write, database))?;
                    self.check_write(database, &namespace.collection)?;
                }
            }
        }
        Ok(())
    }

    /// Refuses options of a collection that make it a view of what the client's users may not read.
    ///
    /// # Errors
    /// As [`Self::check_pipeline`].
    pub(crate) fn check_view(&self, options: &RawDocument) -> Result<(), CommandError> {
        for (name, value) in options.iter().flatten() {
            match (name.as_str(), value) {
                ("viewOn", RawBsonRef::String(collection)) => {
                    self.check_read(&self.request.database, collection)?;
                }
                ("pipeline", RawBsonRef::Array(stages)) => self.check_pipeline(stages)?,
                // Of any other type they are refused by whoever reads the options.
                _ => {}
            }
        }
        Ok(())
    }

    fn is_open_profile(&self, database: &str, collection: &str) -> bool {
        collection != profiler::COLLECTION || self.may(Access::DatabaseAdmin, database)
    }

    fn authorized(&self, is_allowed: bool) -> Result<(), CommandError> {
        if is_allowed || !self.shared.options.authentication {
            return Ok(());
        }
        Err(not_authorized(self.request))
    }
}

fn is_users(database: &str, collection: &str) -> bool {
    (database, collection) == users::NAMESPACE
}

#[cfg(test)]
mod tests;
