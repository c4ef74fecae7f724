//! `insert_one` and `insert_many`.

use std::ops::Range;

use bson::{Bson, RawDocumentBuf, oid::ObjectId, raw::cstr};
use mongodb::{
    ClientSession,
    action::Action,
    error::ErrorKind,
    options::{InsertManyOptions, InsertOneOptions, WriteConcern},
    results::{InsertManyResult, InsertOneResult},
};

use super::{awaitable, opaque_debug, option_setters, session_setter};
use crate::{
    collection::EncryptedCollection,
    command,
    error::{Error, Result},
};

/// Bytes of documents that are encrypted and sent together; a single larger document goes alone.
///
/// Source: driver specification "Client Side Encryption", "Size limits for Write Commands".
const MAX_BATCH_BYTES: usize = 2_097_152;

/// A pending insert of one document, made by [`EncryptedCollection::insert_one`].
#[must_use]
pub struct InsertOne<'a> {
    collection: EncryptedCollection<RawDocumentBuf>,
    document: Result<RawDocumentBuf, bson::error::Error>,
    options: InsertOneOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a> InsertOne<'a> {
    pub(crate) fn new(
        collection: EncryptedCollection<RawDocumentBuf>,
        document: Result<RawDocumentBuf, bson::error::Error>,
    ) -> Self {
        Self { collection, document, options: InsertOneOptions::default(), session: None }
    }

    session_setter!();

    option_setters! { InsertOneOptions:
        bypass_document_validation: bool,
        comment: Bson,
        write_concern: WriteConcern,
    }

    async fn execute(self) -> Result<InsertOneResult> {
        let (document, id) = with_id(self.document?)?;
        let encrypted = encrypt(&self.collection, vec![document]).await?;
        let [document] =
            <[_; 1]>::try_from(encrypted).map_err(|_| Error::Shape { field: "documents" })?;
        let insert = self.collection.inner().insert_one(document).with_options(self.options);
        let mut result = insert.optional(self.session, |insert, s| insert.session(s)).await?;
        result.inserted_id = id;
        Ok(result)
    }
}

awaitable!(['a] InsertOne<'a> => InsertOneResult);
opaque_debug!([] InsertOne<'_>);

/// A pending insert of many documents, made by [`EncryptedCollection::insert_many`].
///
/// All documents are analysed and encrypted before the first is sent, so a document that must not
/// be sent stops the whole operation before anything is written.
#[must_use]
pub struct InsertMany<'a> {
    collection: EncryptedCollection<RawDocumentBuf>,
    documents: Result<Vec<RawDocumentBuf>, bson::error::Error>,
    options: InsertManyOptions,
    session: Option<&'a mut ClientSession>,
}

impl<'a> InsertMany<'a> {
    pub(crate) fn new(
        collection: EncryptedCollection<RawDocumentBuf>,
        documents: Result<Vec<RawDocumentBuf>, bson::error::Error>,
    ) -> Self {
        Self { collection, documents, options: InsertManyOptions::default(), session: None }
    }

    session_setter!();

    option_setters! { InsertManyOptions:
        bypass_document_validation: bool,
        comment: Bson,
        ordered: bool,
        write_concern: WriteConcern,
    }

    async fn execute(self) -> Result<InsertManyResult> {
        let batches = Batches::encrypt(&self.collection, self.documents?).await?;
        let mut result = InsertManyResult::default();
        result.inserted_ids = batches.ids.iter().cloned().enumerate().collect();
        batches.send(&self.collection, &self.options, self.session).await?;
        Ok(result)
    }
}

awaitable!(['a] InsertMany<'a> => InsertManyResult);
opaque_debug!([] InsertMany<'_>);

/// Documents that are encrypted, in the batches in which they are sent.
#[derive(Debug)]
pub(super) struct Batches {
    batches: Vec<Vec<RawDocumentBuf>>,
    /// The ids in plaintext.
    pub(super) ids: Vec<Bson>,
}

impl Batches {
    pub(super) async fn encrypt(
        collection: &EncryptedCollection<RawDocumentBuf>,
        documents: Vec<RawDocumentBuf>,
    ) -> Result<Self> {
        let mut ids = Vec::with_capacity(documents.len());
        let mut with_ids = Vec::with_capacity(documents.len());
        for document in documents {
            let (document, id) = with_id(document)?;
            with_ids.push(document);
            ids.push(id);
        }
        let sizes: Vec<usize> = with_ids.iter().map(|document| document.as_bytes().len()).collect();
        let mut documents = with_ids.into_iter();
        let mut batches = Vec::new();
        for range in split(&sizes, MAX_BATCH_BYTES) {
            let batch = documents.by_ref().take(range.len()).collect();
            batches.push(encrypt(collection, batch).await?);
        }
        Ok(Self { batches, ids })
    }

    /// Sends batch after batch; an unordered insert goes on after documents that are refused.
    pub(super) async fn send(
        self,
        collection: &EncryptedCollection<RawDocumentBuf>,
        options: &InsertManyOptions,
        mut session: Option<&mut ClientSession>,
    ) -> Result<(), mongodb::error::Error> {
        let ordered = options.ordered.unwrap_or(true);
        let mut failure: Option<mongodb::error::Error> = None;
        let mut offset = 0;
        for batch in self.batches {
            let sent = batch.len();
            let insert = collection.inner().insert_many(batch).with_options(options.clone());
            let outcome =
                insert.optional(session.as_deref_mut(), |insert, s| insert.session(s)).await;
            if let Err(mut error) = outcome {
                shift_indexes(&mut error, offset);
                let may_go_on = !ordered && matches!(*error.kind, ErrorKind::InsertMany(_));
                failure = Some(match failure {
                    Some(earlier) => merge(earlier, error),
                    None => error,
                });
                if !may_go_on {
                    break;
                }
            }
            offset += sent;
        }
        failure.map_or(Ok(()), Err)
    }
}

async fn encrypt(
    collection: &EncryptedCollection<RawDocumentBuf>,
    documents: Vec<RawDocumentBuf>,
) -> Result<Vec<RawDocumentBuf>> {
    if collection.is_bypassed() {
        return Ok(documents);
    }
    let command = command::insert(collection.name(), &documents);
    let encrypted = command::inserted_documents(&collection.encrypt_raw(&command).await?)?;
    if encrypted.len() == documents.len() {
        Ok(encrypted)
    } else {
        Err(Error::Shape { field: "documents" })
    }
}

/// Cuts a list of sizes into consecutive ranges of at most `limit` in sum, each of at least one.
fn split(sizes: &[usize], limit: usize) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut sum = 0;
    for (index, &size) in sizes.iter().enumerate() {
        match ranges.last_mut() {
            Some(last) if sum + size <= limit => last.end = index + 1,
            _ => {
                ranges.push(index..index + 1);
                sum = 0;
            }
        }
        sum += size;
    }
    ranges
}

/// The document with an `_id`, which is generated as first field if there is none.
///
/// The driver would add it too, but only after encryption, and could then not report an `_id` that
/// is encrypted.
fn with_id(document: RawDocumentBuf) -> Result<(RawDocumentBuf, Bson)> {
    if let Some(id) = document.get("_id")? {
        let id = Bson::try_from(id)?;
        return Ok((document, id));
    }
    let id = ObjectId::new();
    let mut whole = RawDocumentBuf::new();
    whole.append(cstr!("_id"), id);
    for element in document.iter() {
        let (key, value) = element?;
        whole.append(key, value);
    }
    Ok((whole, Bson::ObjectId(id)))
}

fn shift_indexes(error: &mut mongodb::error::Error, offset: usize) {
    if let ErrorKind::InsertMany(failure) = &mut *error.kind {
        for error in failure.write_errors.iter_mut().flatten() {
            error.index += offset;
        }
    }
}

/// The errors of two batches as one.
fn merge(
    mut earlier: mongodb::error::Error,
    later: mongodb::error::Error,
) -> mongodb::error::Error {
    match (&mut *earlier.kind, *later.kind) {
        (ErrorKind::InsertMany(all), ErrorKind::InsertMany(more)) => {
            all.write_errors
                .get_or_insert_default()
                .extend(more.write_errors.into_iter().flatten());
            if more.write_concern_error.is_some() {
                all.write_concern_error = more.write_concern_error;
            }
            earlier
        }
        (_, kind) => kind.into(),
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn batches_stay_below_the_limit_and_lose_nothing() {
        assert!(split(&[], 10).is_empty());
        assert_eq!(split(&[4, 6, 1], 10), [0..2, 2..3]);
        assert_eq!(split(&[11, 1, 11], 10), [0..1, 1..2, 2..3]);
        assert_eq!(split(&[10], 10), vec![0..1]);
    }

    #[test]
    fn an_id_is_put_first_only_where_none_is() {
        let (document, id) = with_id(rawdoc! { "a": 1, "_id": 7 }).unwrap();
        assert_eq!((document, id), (rawdoc! { "a": 1, "_id": 7 }, Bson::Int32(7)));

        let (document, id) = with_id(rawdoc! { "a": 1 }).unwrap();
        let id = id.as_object_id().unwrap();
        assert_eq!(document, rawdoc! { "_id": id, "a": 1 });
    }
}
