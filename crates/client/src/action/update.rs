//! `update_one` and `update_many`.

use bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::{
    ClientSession,
    action::Action,
    options::{Collation, Hint, UpdateModifications, UpdateOptions, WriteConcern},
    results::UpdateResult,
};

use super::{awaitable, opaque_debug, option_setters, session_setter};
use crate::{
    collection::EncryptedCollection,
    command::{Command, Encrypted},
    error::{Error, Result},
};

/// A pending update, made by [`EncryptedCollection::update_one`] or
/// [`update_many`](EncryptedCollection::update_many).
#[must_use]
pub struct Update<'a> {
    collection: EncryptedCollection<RawDocumentBuf>,
    query: Document,
    update: UpdateModifications,
    multi: bool,
    pub(super) options: UpdateOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a> Update<'a> {
    pub(crate) fn new(
        collection: EncryptedCollection<RawDocumentBuf>,
        query: Document,
        update: UpdateModifications,
        multi: bool,
    ) -> Self {
        Self { collection, query, update, multi, options: UpdateOptions::default(), session: None }
    }

    session_setter!();

    option_setters! { UpdateOptions:
        array_filters: Vec<Document>,
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

    /// Sends what was encrypted.
    pub(super) async fn send(self, session: Option<&mut ClientSession>) -> Result<UpdateResult> {
        let raw = self.collection.inner();
        let update = if self.multi {
            raw.update_many(self.query, self.update)
        } else {
            raw.update_one(self.query, self.update)
        };
        let update = update.with_options(self.options);
        let result = update.optional(session, |update, s| update.session(s)).await?;
        decrypt_upserted_id(&self.collection, result).await
    }

    pub(super) async fn encrypt(&mut self) -> Result<()> {
        if self.collection.is_bypassed() {
            return Ok(());
        }
        let options = &mut self.options;
        let query = std::mem::take(&mut self.query);
        let mut statement = doc! { "q": query, "u": to_bson(&self.update), "multi": self.multi };
        if let Some(upsert) = options.upsert {
            statement.insert("upsert", upsert);
        }
        if let Some(collation) = &options.collation {
            statement.insert("collation", bson::serialize_to_bson(collation)?);
        }
        if let Some(filters) = &options.array_filters {
            statement.insert("arrayFilters", filters.clone());
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
        self.update = from_bson(statement.value("u")?, "u")?;
        statement.replace_all("arrayFilters", &mut options.array_filters)?;
        statement.replace("sort", &mut options.sort)
    }
}

awaitable!(['a] Update<'a> => UpdateResult);
opaque_debug!([] Update<'_>);

pub(super) fn to_bson(update: &UpdateModifications) -> Bson {
    match update {
        UpdateModifications::Document(document) => Bson::Document(document.clone()),
        UpdateModifications::Pipeline(stages) => {
            Bson::Array(stages.iter().cloned().map(Bson::Document).collect())
        }
        // The enum is open; what the driver adds later must not slip through as an empty update.
        _ => Bson::Null,
    }
}

pub(super) fn from_bson(update: Bson, field: &'static str) -> Result<UpdateModifications> {
    match update {
        Bson::Document(document) => Ok(UpdateModifications::Document(document)),
        Bson::Array(stages) => stages
            .into_iter()
            .map(|stage| match stage {
                Bson::Document(stage) => Ok(stage),
                _ => Err(Error::Shape { field }),
            })
            .collect::<Result<_>>()
            .map(UpdateModifications::Pipeline),
        _ => Err(Error::Shape { field }),
    }
}

/// The id of an upserted document comes from the reply, so it may be ciphertext.
pub(super) async fn decrypt_upserted_id(
    collection: &EncryptedCollection<RawDocumentBuf>,
    mut result: UpdateResult,
) -> Result<UpdateResult> {
    if let Some(id @ Bson::Binary(_)) = &result.upserted_id {
        let reply = RawDocumentBuf::try_from(&doc! { "id": id.clone() })?;
        let reply = collection.engine().decrypt(&reply).await?;
        result.upserted_id = Some(Encrypted::new(&reply, "update")?.value("id")?);
    }
    Ok(result)
}
