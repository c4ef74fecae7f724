//! `distinct`.

use std::time::Duration;

use bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::{
    ClientSession,
    action::Action,
    options::{Collation, DistinctOptions, Hint, ReadConcern, SelectionCriteria},
};

use super::{awaitable, opaque_debug, option_setters, session_setter};
use crate::{
    collection::EncryptedCollection,
    command::{Command, Encrypted},
    error::{Error, Result},
};

/// A pending `distinct`, made by [`EncryptedCollection::distinct`].
#[must_use]
pub struct Distinct<'a> {
    collection: EncryptedCollection<RawDocumentBuf>,
    field: String,
    filter: Document,
    options: DistinctOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a> Distinct<'a> {
    pub(crate) fn new(
        collection: EncryptedCollection<RawDocumentBuf>,
        field: String,
        filter: Document,
    ) -> Self {
        Self { collection, field, filter, options: DistinctOptions::default(), session: None }
    }

    session_setter!();

    option_setters! { DistinctOptions:
        collation: Collation,
        comment: Bson,
        hint: Hint,
        max_time: Duration,
        read_concern: ReadConcern,
        selection_criteria: SelectionCriteria,
    }

    async fn execute(self) -> Result<Vec<Bson>> {
        let Self { collection, field, mut filter, options, session } = self;
        if !collection.is_bypassed() {
            let command = Command::new("distinct", collection.name())
                .set("key", field.as_str())
                .set("query", filter)
                .option("collation", options.collation.as_ref())?;
            let command = collection.encrypt(&command).await?;
            filter = Encrypted::new(&command, "distinct")?.document("query")?;
        }
        let distinct = collection.inner().distinct(field, filter).with_options(options);
        let values = distinct.optional(session, |distinct, s| distinct.session(s)).await?;
        let reply = RawDocumentBuf::try_from(&doc! { "values": values })?;
        let reply = collection.engine().decrypt(&reply).await?;
        match Encrypted::new(&reply, "distinct")?.value("values")? {
            Bson::Array(values) => Ok(values),
            _ => Err(Error::Shape { field: "values" }),
        }
    }
}

awaitable!(['a] Distinct<'a> => Vec<Bson>);
opaque_debug!([] Distinct<'_>);
