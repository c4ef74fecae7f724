//! One run of a command.

use std::time::Instant;

use bson::{RawBsonRef, RawDocumentBuf};
use fieldveil_store::{Interrupt, Namespace};

use crate::{
    arguments::{Arguments, type_name},
    codes,
    error::CommandError,
    peer::Peer,
    request::Request,
    sessions::SessionId,
    shared::Shared,
    table::Access,
};

/// Everything that a handler may look at.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) peer: &'a Peer,
    pub(crate) request: &'a Request,
    pub(crate) arguments: Arguments<'a>,
    pub(crate) session: Option<SessionId>,
    /// When `maxTimeMS` is over.
    pub(crate) deadline: Option<Instant>,
    /// Whether it runs where it may not take long; see [`crate::brief`].
    pub(crate) is_brief: bool,
}

impl<'a> Call<'a> {
    /// The collection that the command's first field names.
    ///
    /// # Errors
    /// Code 73 when it is not a string, or a string that cannot name a collection.
    pub(crate) fn namespace(&self) -> Result<Namespace, CommandError> {
        let name = self.request.name.as_str();
        match self.arguments.present(name) {
            Some(RawBsonRef::String(collection)) => {
                Ok(Namespace::new(&self.request.database, collection)?)
            }
            Some(value) => Err(CommandError::new(
                codes::INVALID_NAMESPACE,
                format!("collection name has invalid type {}", type_name(value)),
            )),
            None => Err(CommandError::new(codes::INVALID_NAMESPACE, "no collection name")),
        }
    }

    /// Whether the client's users may do this to a database.
    pub(crate) fn may(&self, access: Access, database: &str) -> bool {
        !self.shared.options.authentication
            || self.peer.users(self.shared).iter().any(|user| user.may(access, database))
    }

    /// When a read or write of this command has to stop.
    pub(crate) fn interrupt(&self) -> Interrupt {
        let interrupt = self.deadline.map_or_else(Interrupt::never, Interrupt::at);
        let interrupt = interrupt.or_killed(self.peer.activity.switch());
        if self.is_brief { interrupt.briefly() } else { interrupt }
    }

    /// The documents of a field that may be an array in the body or a sequence of its own.
    ///
    /// # Errors
    /// When it is missing, or holds something else than documents.
    pub(crate) fn documents(&self, name: &str) -> Result<Vec<RawDocumentBuf>, CommandError> {
        if self.request.sequence(name).is_none() {
            self.arguments.required(name, self.arguments.array(name))?;
        }
        let mut documents = Vec::new();
        for (index, value) in self.request.elements(name).into_iter().flatten().enumerate() {
            match value {
                Ok(RawBsonRef::Document(document)) => documents.push(document.to_owned()),
                Ok(value) => {
                    return Err(CommandError::type_mismatch(format!(
                        "BSON field '{}.{name}.{index}' is the wrong type '{}', expected type \
                         'object'",
                        self.request.name,
                        type_name(value)
                    )));
                }
                Err(error) => {
                    return Err(CommandError::new(codes::INVALID_BSON, error.to_string()));
                }
            }
        }
        Ok(documents)
    }
}
