//! `count_documents`.

use std::time::Duration;

use bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::{
    ClientSession,
    action::Action,
    options::{Collation, CountOptions, Hint, ReadConcern, SelectionCriteria},
};

use super::{awaitable, opaque_debug, option_setters, session_setter};
use crate::{
    collection::EncryptedCollection,
    command::{Command, Encrypted},
    error::{Error, Result},
};

/// A pending count, made by [`EncryptedCollection::count_documents`].
#[must_use]
pub struct CountDocuments<'a> {
    collection: EncryptedCollection<RawDocumentBuf>,
    filter: Document,
    options: CountOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a> CountDocuments<'a> {
    pub(crate) fn new(collection: EncryptedCollection<RawDocumentBuf>, filter: Document) -> Self {
        Self { collection, filter, options: CountOptions::default(), session: None }
    }

    session_setter!();

    option_setters! { CountOptions:
        collation: Collation,
        comment: Bson,
        hint: Hint,
        limit: u64,
        max_time: Duration,
        read_concern: ReadConcern,
        selection_criteria: SelectionCriteria,
        skip: u64,
    }

    async fn execute(self) -> Result<u64> {
        let Self { collection, mut filter, options, session } = self;
        if !collection.is_bypassed() {
            // What the driver sends for a count: an aggregation that begins with the filter.
            let command = Command::new("aggregate", collection.name())
                .set(
                    "pipeline",
                    vec![
                        doc! { "$match": filter },
                        doc! { "$group": { "_id": 1, "n": { "$sum": 1 } } },
                    ],
                )
                .set("cursor", Document::new())
                .option("collation", options.collation.as_ref())?;
            let command = collection.encrypt(&command).await?;
            let mut stages = Encrypted::new(&command, "aggregate")?.documents("pipeline")?;
            filter = match stages.first_mut().and_then(|stage| stage.remove("$match")) {
                Some(Bson::Document(filter)) => filter,
                _ => return Err(Error::Shape { field: "$match" }),
            };
        }
        let count = collection.inner().count_documents(filter).with_options(options);
        Ok(count.optional(session, |count, s| count.session(s)).await?)
    }
}

awaitable!(['a] CountDocuments<'a> => u64);
opaque_debug!([] CountDocuments<'_>);
