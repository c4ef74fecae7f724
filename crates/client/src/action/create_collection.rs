//! `create_collection`.

use std::time::Duration;

use bson::{Bson, Document};
use mongodb::{
    ClientSession,
    action::Action,
    options::{
        ChangeStreamPreAndPostImages, ClusteredIndex, Collation, CreateCollectionOptions,
        IndexOptionDefaults, TimeseriesOptions, ValidationAction, ValidationLevel, WriteConcern,
    },
};

use super::{awaitable, opaque_debug, option_setters, session_setter};
use crate::{
    command::{Command, Encrypted},
    database::EncryptedDatabase,
    error::Result,
};

/// A pending new collection, made by [`EncryptedDatabase::create_collection`].
#[must_use]
pub struct CreateCollection<'a> {
    database: &'a EncryptedDatabase,
    name: String,
    options: CreateCollectionOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a> CreateCollection<'a> {
    pub(crate) fn new(database: &'a EncryptedDatabase, name: String) -> Self {
        Self { database, name, options: CreateCollectionOptions::default(), session: None }
    }

    session_setter!();

    option_setters! { CreateCollectionOptions:
        capped: bool,
        change_stream_pre_and_post_images: ChangeStreamPreAndPostImages,
        clustered_index: ClusteredIndex,
        collation: Collation,
        comment: Bson,
        expire_after_seconds: Duration,
        index_option_defaults: IndexOptionDefaults,
        max: u64,
        pipeline: Vec<Document>,
        size: u64,
        storage_engine: Document,
        timeseries: TimeseriesOptions,
        validation_action: ValidationAction,
        validation_level: ValidationLevel,
        validator: Document,
        view_on: String,
        write_concern: WriteConcern,
    }

    async fn execute(mut self) -> Result<()> {
        if !self.database.is_bypassed() {
            self.encrypt().await?;
        }
        let inner = self.database.without_encryption();
        let create = inner.create_collection(self.name).with_options(self.options);
        Ok(create.optional(self.session, |create, s| create.session(s)).await?)
    }

    /// A validator, or the pipeline of a view, may compare encrypted fields with values; analysis
    /// refuses that, since it would be stored in plaintext.
    async fn encrypt(&mut self) -> Result<()> {
        let options = &mut self.options;
        let command = Command::new("create", &self.name)
            .option("validator", options.validator.as_ref())?
            .option("viewOn", options.view_on.as_ref())?
            .option("pipeline", options.pipeline.as_ref())?
            .option("collation", options.collation.as_ref())?;
        let command = self.database.engine().encrypt(self.database.name(), &command).await?;
        let mut encrypted = Encrypted::new(&command, "create")?;
        encrypted.replace("validator", &mut options.validator)?;
        encrypted.replace_all("pipeline", &mut options.pipeline)
    }
}

awaitable!(['a] CreateCollection<'a> => ());
opaque_debug!([] CreateCollection<'_>);
