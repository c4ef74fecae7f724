//! The writes of a bulk write.

use bson::Document;
use mongodb::options::{Collation, Hint, UpdateModifications};

/// One write of a [`bulk_write`](crate::EncryptedCollection::bulk_write).
///
/// ```no_run
/// # use bson::{Document, doc};
/// use fieldveil::action::WriteModel;
/// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
/// let result = patients
///     .bulk_write([
///         WriteModel::insert_one(doc! { "_id": 1, "ssn": "123-12-1234" }),
///         WriteModel::update_one(doc! { "_id": 1 }, doc! { "$set": { "ssn": "457-55-5462" } }),
///         WriteModel::delete_one(doc! { "ssn": "457-55-5462" }),
///     ])
///     .await?;
/// assert_eq!(result.deleted_count, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WriteModel {
    /// Inserts a document.
    InsertOne {
        /// The document.
        document: Document,
    },
    /// Updates one document, or all that match.
    Update {
        /// Which documents.
        filter: Document,
        /// What to do with them.
        update: UpdateModifications,
        /// All that match instead of the first.
        multi: bool,
        /// Inserts a document if none matches.
        upsert: Option<bool>,
        /// Which elements of arrays.
        array_filters: Option<Vec<Document>>,
        /// How strings compare.
        collation: Option<Collation>,
        /// Which index.
        hint: Option<Hint>,
        /// Which of those that match is the first.
        sort: Option<Document>,
    },
    /// Replaces one document.
    ReplaceOne {
        /// Which document.
        filter: Document,
        /// What replaces it.
        replacement: Document,
        /// Inserts the replacement if none matches.
        upsert: Option<bool>,
        /// How strings compare.
        collation: Option<Collation>,
        /// Which index.
        hint: Option<Hint>,
        /// Which of those that match is the first.
        sort: Option<Document>,
    },
    /// Deletes one document, or all that match.
    Delete {
        /// Which documents.
        filter: Document,
        /// All that match instead of the first.
        multi: bool,
        /// How strings compare.
        collation: Option<Collation>,
        /// Which index.
        hint: Option<Hint>,
    },
}

impl WriteModel {
    /// Inserts a document.
    #[must_use]
    pub fn insert_one(document: Document) -> Self {
        Self::InsertOne { document }
    }

    /// Updates the first document that matches.
    #[must_use]
    pub fn update_one(filter: Document, update: impl Into<UpdateModifications>) -> Self {
        Self::update(filter, update.into(), false)
    }

    /// Updates every document that matches.
    #[must_use]
    pub fn update_many(filter: Document, update: impl Into<UpdateModifications>) -> Self {
        Self::update(filter, update.into(), true)
    }

    /// Replaces the first document that matches.
    #[must_use]
    pub fn replace_one(filter: Document, replacement: Document) -> Self {
        Self::ReplaceOne {
            filter,
            replacement,
            upsert: None,
            collation: None,
            hint: None,
            sort: None,
        }
    }

    /// Deletes the first document that matches.
    #[must_use]
    pub fn delete_one(filter: Document) -> Self {
        Self::Delete { filter, multi: false, collation: None, hint: None }
    }

    /// Deletes every document that matches.
    #[must_use]
    pub fn delete_many(filter: Document) -> Self {
        Self::Delete { filter, multi: true, collation: None, hint: None }
    }

    /// Inserts a document if an update or replacement matches none.
    #[must_use]
    pub fn upsert(mut self) -> Self {
        if let Self::Update { upsert, .. } | Self::ReplaceOne { upsert, .. } = &mut self {
            *upsert = Some(true);
        }
        self
    }

    /// Sets how strings compare. An insert has no such option, and stays as it is.
    #[must_use]
    pub fn collation(mut self, value: Collation) -> Self {
        match &mut self {
            Self::Update { collation, .. }
            | Self::ReplaceOne { collation, .. }
            | Self::Delete { collation, .. } => *collation = Some(value),
            Self::InsertOne { .. } => {}
        }
        self
    }

    /// Sets the index to use. An insert has no such option, and stays as it is.
    #[must_use]
    pub fn hint(mut self, value: Hint) -> Self {
        match &mut self {
            Self::Update { hint, .. }
            | Self::ReplaceOne { hint, .. }
            | Self::Delete { hint, .. } => *hint = Some(value),
            Self::InsertOne { .. } => {}
        }
        self
    }

    /// Sets which of the documents that match an update or replacement is the first.
    #[must_use]
    pub fn sort(mut self, value: Document) -> Self {
        if let Self::Update { sort, .. } | Self::ReplaceOne { sort, .. } = &mut self {
            *sort = Some(value);
        }
        self
    }

    /// Sets which elements of arrays an update changes.
    #[must_use]
    pub fn array_filters(mut self, filters: impl IntoIterator<Item = Document>) -> Self {
        if let Self::Update { array_filters, .. } = &mut self {
            *array_filters = Some(filters.into_iter().collect());
        }
        self
    }

    fn update(filter: Document, update: UpdateModifications, multi: bool) -> Self {
        Self::Update {
            filter,
            update,
            multi,
            upsert: None,
            array_filters: None,
            collation: None,
            hint: None,
            sort: None,
        }
    }
}
