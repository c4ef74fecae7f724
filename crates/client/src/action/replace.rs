//! `replace_one`.

use bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::{
    ClientSession,
    action::Action,
    options::{Collation, Hint, ReplaceOptions, WriteConcern},
    results::UpdateResult,
};

use super::{awaitable, opaque_debug, option_setters, session_setter, update::decrypt_upserted_id};
use crate::{
    collection::EncryptedCollection,
    command::{Command, Encrypted},
    error::Result,
};

/// A pending replacement, made by [`EncryptedCollection::replace_one`].
#[must_use]
pub struct ReplaceOne<'a> {
    collection: EncryptedCollection<RawDocumentBuf>,
    query: Document,
    replacement: Result<Document, bson::error::Error>,
    pub(super) options: ReplaceOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a> ReplaceOne<'a> {
    pub(crate) fn new(
        collection: EncryptedCollection<RawDocumentBuf>,
        query: Document,
        replacement: Result<Document, bson::error::Error>,
    ) -> Self {
        Self { collection, query, replacement, options: ReplaceOptions::default(), session: None }
    }

    session_setter!();

    option_setters! { ReplaceOptions:
        bypass_document_validation: bool,
        collation: Collation,
        comment: Bson,
        hint: Hint,
        let_vars: Document,
        sort: Document,
        upsert: bool,
        write_concern: WriteConcern,
    }

    async fn execute(mut self) -> Result<UpdateResult> {
        let session = self.session.take();
        self.encrypt().await?;
        self.send(session).await
    }

    pub(super) async fn encrypt(&mut self) -> Result<()> {
        if self.collection.is_bypassed() {
            return Ok(());
        }
        let options = &mut self.options;
        let replacement = self.replacement.clone()?;
        let mut statement = doc! { "q": self.query.clone(), "u": replacement, "multi": false };
        if let Some(upsert) = options.upsert {
            statement.insert("upsert", upsert);
        }
        if let Some(collation) = &options.collation {
            statement.insert("collation", bson::serialize_to_bson(collation)?);
        }
        if let Some(sort) = &options.sort {
            statement.insert("sort", sort.clone());
        }
        let command = Command::new("update", self.collection.name())
            .set("updates", vec![statement])
            .option("let", options.let_vars.as_ref())?;
        let command = self.collection.encrypt(&command).await?;
        let mut encrypted = Encrypted::new(&command, "update")?;
        encrypted.replace("let", &mut options.let_vars)?;
        let mut statement = encrypted.statement("updates")?;
        self.query = statement.document("q")?;
        self.replacement = Ok(statement.document("u")?);
        statement.replace("sort", &mut options.sort)
    }

    /// Sends what was encrypted.
    pub(super) async fn send(self, session: Option<&mut ClientSession>) -> Result<UpdateResult> {
        let documents = self.collection.inner().clone_with_type::<Document>();
        let replace = documents.replace_one(self.query, self.replacement?);
        let replace = replace.with_options(self.options);
        let result = replace.optional(session, |replace, s| replace.session(s)).await?;
        decrypt_upserted_id(&self.collection, result).await
    }
}

awaitable!(['a] ReplaceOne<'a> => UpdateResult);
opaque_debug!([] ReplaceOne<'_>);
