//! Cursors whose documents are decrypted as they arrive, a batch at a time.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture};
use mongodb::{
    ClientSession,
    raw_batch_cursor::{
        RawBatch, RawBatchCursor, SessionRawBatchCursor, SessionRawBatchCursorStream,
    },
};
use serde::de::DeserializeOwned;

use crate::{
    engine::Engine,
    error::{Error, Result},
};

/// A stream of decrypted documents.
///
/// ```no_run
/// use futures_util::TryStreamExt;
/// # use bson::{Document, doc};
/// # async fn run(patients: fieldveil::EncryptedCollection<Document>) -> fieldveil::Result<()> {
/// let mut cursor = patients.find(doc! { "ssn": "123-12-1234" }).await?;
/// while let Some(patient) = cursor.try_next().await? {
///     println!("{patient}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Cursor<T> {
    batches: RawBatchCursor,
    decrypted: Decrypted<T>,
}

impl<T> Cursor<T> {
    pub(crate) fn new(batches: RawBatchCursor, engine: Arc<Engine>) -> Self {
        Self { batches, decrypted: Decrypted::new(engine) }
    }
}

impl<T: DeserializeOwned + Unpin> Stream for Cursor<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.decrypted.poll_next(&mut this.batches, cx)
    }
}

impl<T> fmt::Debug for Cursor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").finish_non_exhaustive()
    }
}

/// A cursor that was opened in a session and is read with it.
///
/// ```no_run
/// # use bson::{Document, doc};
/// # async fn run(
/// #     client: fieldveil::EncryptedClient,
/// #     patients: fieldveil::EncryptedCollection<Document>,
/// # ) -> fieldveil::Result<()> {
/// let mut session = client.start_session().await?;
/// let mut cursor = patients.find(doc! {}).session(&mut session).await?;
/// while let Some(patient) = cursor.next(&mut session).await {
///     println!("{}", patient?);
/// }
/// # Ok(())
/// # }
/// ```
pub struct SessionCursor<T> {
    batches: SessionRawBatchCursor,
    decrypted: Decrypted<T>,
}

impl<T> SessionCursor<T> {
    pub(crate) fn new(batches: SessionRawBatchCursor, engine: Arc<Engine>) -> Self {
        Self { batches, decrypted: Decrypted::new(engine) }
    }

    /// A stream over the rest of the cursor; `session` is the one the cursor was opened with.
    pub fn stream<'cursor, 'session>(
        &'cursor mut self,
        session: &'session mut ClientSession,
    ) -> SessionCursorStream<'cursor, 'session, T> {
        SessionCursorStream {
            batches: self.batches.stream(session),
            decrypted: &mut self.decrypted,
        }
    }

    /// The next document; `session` is the one the cursor was opened with.
    pub async fn next(&mut self, session: &mut ClientSession) -> Option<Result<T>>
    where
        T: DeserializeOwned + Unpin,
    {
        self.stream(session).next().await
    }
}

impl<T> fmt::Debug for SessionCursor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionCursor").finish_non_exhaustive()
    }
}

/// A stream over a [`SessionCursor`], made by [`SessionCursor::stream`].
pub struct SessionCursorStream<'cursor, 'session, T> {
    batches: SessionRawBatchCursorStream<'cursor, 'session>,
    decrypted: &'cursor mut Decrypted<T>,
}

impl<T: DeserializeOwned + Unpin> Stream for SessionCursorStream<'_, '_, T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.decrypted.poll_next(&mut this.batches, cx)
    }
}

/// The documents of the current batch, or the batch being decrypted.
struct Decrypted<T> {
    engine: Arc<Engine>,
    documents: VecDeque<Result<T>>,
    pending: Option<BoxFuture<'static, Result<RawDocumentBuf>>>,
}

impl<T> Decrypted<T> {
    fn new(engine: Arc<Engine>) -> Self {
        Self { engine, documents: VecDeque::new(), pending: None }
    }

    fn poll_next<B>(&mut self, batches: &mut B, cx: &mut Context<'_>) -> Poll<Option<Result<T>>>
    where
        T: DeserializeOwned,
        B: Stream<Item = mongodb::error::Result<RawBatch>> + Unpin,
    {
        loop {
            if let Some(document) = self.documents.pop_front() {
                return Poll::Ready(Some(document));
            }
            if let Some(pending) = &mut self.pending {
                let reply = ready!(pending.poll_unpin(cx));
                self.pending = None;
                self.documents = match reply.and_then(|reply| documents(&reply)) {
                    Ok(documents) => documents,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                };
                continue;
            }
            match ready!(batches.poll_next_unpin(cx)) {
                Some(Ok(batch)) => {
                    let engine = Arc::clone(&self.engine);
                    self.pending =
                        Some(Box::pin(
                            async move { engine.decrypt(batch.as_raw_document()).await },
                        ));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// The documents in a reply to `find`, `aggregate` or `getMore`.
fn documents<T: DeserializeOwned>(reply: &RawDocument) -> Result<VecDeque<Result<T>>> {
    let shape = || Error::Shape { field: "cursor" };
    let cursor = reply.get_document("cursor").map_err(|_| shape())?;
    let batch = cursor
        .get_array("firstBatch")
        .or_else(|_| cursor.get_array("nextBatch"))
        .map_err(|_| shape())?;
    batch
        .into_iter()
        .map(|document| match document {
            Ok(RawBsonRef::Document(document)) => {
                Ok(bson::deserialize_from_slice(document.as_bytes()).map_err(Error::from))
            }
            _ => Err(shape()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use bson::{Document, doc, rawdoc};

    use super::*;

    #[test]
    fn both_kinds_of_batch_are_read() {
        for key in ["firstBatch", "nextBatch"] {
            let reply = doc! { "cursor": { "id": 0_i64, key: [{ "a": 1 }, { "a": 2 }] } };
            let reply = RawDocumentBuf::try_from(&reply).unwrap();
            let found: Vec<Document> =
                documents(&reply).unwrap().into_iter().map(Result::unwrap).collect();
            assert_eq!(found, [doc! { "a": 1 }, doc! { "a": 2 }]);
        }
    }

    #[test]
    fn a_document_of_another_type_fails_alone() {
        #[derive(Debug, serde::Deserialize)]
        struct Typed {
            a: i32,
        }
        let reply = rawdoc! { "cursor": { "firstBatch": [{ "a": "text" }, { "a": 2 }] } };
        let mut found = documents::<Typed>(&reply).unwrap();
        assert!(found.pop_front().unwrap().is_err());
        assert_eq!(found.pop_front().unwrap().unwrap().a, 2);
    }

    #[test]
    fn a_reply_without_a_batch_is_an_error() {
        assert!(documents::<Document>(&rawdoc! { "ok": 1 }).is_err());
    }
}
