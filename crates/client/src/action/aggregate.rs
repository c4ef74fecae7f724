//! `aggregate`.

use std::{marker::PhantomData, time::Duration};

use bson::{Bson, Document, RawDocumentBuf};
use mongodb::{
    ClientSession,
    options::{AggregateOptions, Collation, Hint, ReadConcern, SelectionCriteria, WriteConcern},
};

use super::{ExplicitSession, ImplicitSession, awaitable, opaque_debug, option_setters};
use crate::{
    collection::EncryptedCollection,
    command::{Command, Encrypted},
    cursor::{Cursor, SessionCursor},
    error::Result,
};

/// A pending aggregation, made by [`EncryptedCollection::aggregate`].
#[must_use]
pub struct Aggregate<'a, T = Document, S = ImplicitSession> {
    collection: EncryptedCollection<RawDocumentBuf>,
    pipeline: Vec<Document>,
    options: AggregateOptions,
    session: S,
    documents: PhantomData<fn(&'a ()) -> T>,
}

impl<'a> Aggregate<'a> {
    pub(crate) fn new(
        collection: EncryptedCollection<RawDocumentBuf>,
        pipeline: Vec<Document>,
    ) -> Self {
        Self {
            collection,
            pipeline,
            options: AggregateOptions::default(),
            session: ImplicitSession,
            documents: PhantomData,
        }
    }
}

impl<'a, T> Aggregate<'a, T> {
    /// Runs the operation in this session; the cursor must be read with the same.
    pub fn session(
        self,
        session: impl Into<&'a mut ClientSession>,
    ) -> Aggregate<'a, T, ExplicitSession<'a>> {
        Aggregate {
            collection: self.collection,
            pipeline: self.pipeline,
            options: self.options,
            session: ExplicitSession(session.into()),
            documents: PhantomData,
        }
    }

    async fn execute(mut self) -> Result<Cursor<T>> {
        self.encrypt().await?;
        let aggregate = self.collection.inner().aggregate(self.pipeline);
        let batches = aggregate.with_options(self.options).batch().await?;
        Ok(Cursor::new(batches, self.collection.engine().clone()))
    }
}

impl<T> Aggregate<'_, T, ExplicitSession<'_>> {
    async fn execute(mut self) -> Result<SessionCursor<T>> {
        self.encrypt().await?;
        let aggregate = self.collection.inner().aggregate(self.pipeline);
        let aggregate = aggregate.with_options(self.options).session(self.session.0);
        let batches = aggregate.batch().await?;
        Ok(SessionCursor::new(batches, self.collection.engine().clone()))
    }
}

impl<'a, T, S> Aggregate<'a, T, S> {
    /// Reads the documents as another type.
    pub fn with_type<U>(self) -> Aggregate<'a, U, S> {
        Aggregate {
            collection: self.collection,
            pipeline: self.pipeline,
            options: self.options,
            session: self.session,
            documents: PhantomData,
        }
    }

    option_setters! { AggregateOptions:
        allow_disk_use: bool,
        batch_size: u32,
        bypass_document_validation: bool,
        collation: Collation,
        comment: Bson,
        hint: Hint,
        let_vars: Document,
        max_await_time: Duration,
        max_time: Duration,
        read_concern: ReadConcern,
        selection_criteria: SelectionCriteria,
        write_concern: WriteConcern,
    }

    async fn encrypt(&mut self) -> Result<()> {
        if self.collection.is_bypassed() {
            return Ok(());
        }
        let command = Command::new("aggregate", self.collection.name())
            .set("pipeline", self.pipeline.clone())
            .set("cursor", Document::new())
            .option("collation", self.options.collation.as_ref())?
            .option("let", self.options.let_vars.as_ref())?;
        let command = self.collection.encrypt(&command).await?;
        let mut encrypted = Encrypted::new(&command, "aggregate")?;
        self.pipeline = encrypted.documents("pipeline")?;
        encrypted.replace("let", &mut self.options.let_vars)
    }
}

awaitable!(['a, T: 'a] Aggregate<'a, T> => Cursor<T>, blocking crate::sync::Cursor<T>);
awaitable!(
    ['a, T: 'a] Aggregate<'a, T, ExplicitSession<'a>> => SessionCursor<T>,
    blocking crate::sync::SessionCursor<T>
);
opaque_debug!([T, S] Aggregate<'_, T, S>);
