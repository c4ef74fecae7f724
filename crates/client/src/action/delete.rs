//! `delete_one` and `delete_many`.

use bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::{
    ClientSession,
    action::Action,
    options::{Collation, DeleteOptions, Hint, WriteConcern},
    results::DeleteResult,
};

use super::{awaitable, opaque_debug, option_setters, session_setter};
use crate::{
    collection::EncryptedCollection,
    command::{Command, Encrypted},
    error::Result,
};

/// A pending deletion, made by [`EncryptedCollection::delete_one`] or
/// [`delete_many`](EncryptedCollection::delete_many).
#[must_use]
pub struct Delete<'a> {
    collection: EncryptedCollection<RawDocumentBuf>,
    query: Document,
    many: bool,
    pub(super) options: DeleteOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a> Delete<'a> {
    pub(crate) fn new(
        collection: EncryptedCollection<RawDocumentBuf>,
        query: Document,
        many: bool,
    ) -> Self {
        Self { collection, query, many, options: DeleteOptions::default(), session: None }
    }

    session_setter!();

    option_setters! { DeleteOptions:
        collation: Collation,
        comment: Bson,
        hint: Hint,
        let_vars: Document,
        write_concern: WriteConcern,
    }

    async fn execute(mut self) -> Result<DeleteResult> {
        let session = self.session.take();
        self.encrypt().await?;
        self.send(session).await
    }

    pub(super) async fn encrypt(&mut self) -> Result<()> {
        if self.collection.is_bypassed() {
            return Ok(());
        }
        let options = &mut self.options;
        let mut statement = doc! { "q": self.query.clone(), "limit": i32::from(!self.many) };
        if let Some(collation) = &options.collation {
            statement.insert("collation", bson::serialize_to_bson(collation)?);
        }
        let command = Command::new("delete", self.collection.name())
            .set("deletes", vec![statement])
            .option("let", options.let_vars.as_ref())?;
        let command = self.collection.encrypt(&command).await?;
        let mut encrypted = Encrypted::new(&command, "delete")?;
        encrypted.replace("let", &mut options.let_vars)?;
        self.query = encrypted.statement("deletes")?.document("q")?;
        Ok(())
    }

    /// Sends what was encrypted.
    pub(super) async fn send(self, session: Option<&mut ClientSession>) -> Result<DeleteResult> {
        let raw = self.collection.inner();
        let delete =
            if self.many { raw.delete_many(self.query) } else { raw.delete_one(self.query) };
        let delete = delete.with_options(self.options);
        Ok(delete.optional(session, |delete, s| delete.session(s)).await?)
    }
}

awaitable!(['a] Delete<'a> => DeleteResult);
opaque_debug!([] Delete<'_>);
