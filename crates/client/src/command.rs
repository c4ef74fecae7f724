//! Commands on their way to encryption and back.
//!
//! An operation of the driver is described to analysis as the command that the driver will send,
//! with every option in it that can carry a value or change what the command means. What comes back
//! is taken apart again: each field that analysis may have rewritten replaces the one the caller
//! gave. A field that is not taken back is not sent.

use bson::{Bson, Document, RawArrayBuf, RawDocument, RawDocumentBuf};
use serde::Serialize;

use crate::error::{Error, Result};

/// A command for analysis.
#[derive(Debug)]
pub(crate) struct Command(Document);

impl Command {
    pub(crate) fn new(name: &str, collection: &str) -> Self {
        let mut body = Document::new();
        body.insert(name, collection);
        Self(body)
    }

    pub(crate) fn set(mut self, key: &str, value: impl Into<Bson>) -> Self {
        self.0.insert(key, value);
        self
    }

    /// Adds an option if there is one.
    pub(crate) fn option<T: Serialize>(self, key: &str, value: Option<&T>) -> Result<Self> {
        match value {
            Some(value) => {
                let value = bson::serialize_to_bson(value)?;
                Ok(self.set(key, value))
            }
            None => Ok(self),
        }
    }

    pub(crate) fn to_raw(&self) -> Result<RawDocumentBuf> {
        Ok(RawDocumentBuf::try_from(&self.0)?)
    }
}

/// An `insert` of documents that are BSON already.
pub(crate) fn insert(collection: &str, documents: &[RawDocumentBuf]) -> RawDocumentBuf {
    let mut array = RawArrayBuf::new();
    for document in documents {
        array.push(document.as_ref());
    }
    let mut command = RawDocumentBuf::new();
    command.append(bson::raw::cstr!("insert"), collection);
    command.append(bson::raw::cstr!("documents"), array);
    command
}

/// The documents of an encrypted `insert`.
pub(crate) fn inserted_documents(command: &RawDocument) -> Result<Vec<RawDocumentBuf>> {
    refuse_queryable(command, "insert")?;
    let array = command.get_array("documents").map_err(|_| Error::Shape { field: "documents" })?;
    array
        .into_iter()
        .map(|document| match document {
            Ok(bson::RawBsonRef::Document(document)) => Ok(document.to_owned()),
            _ => Err(Error::Shape { field: "documents" }),
        })
        .collect()
}

/// An encrypted command being taken apart.
#[derive(Debug)]
pub(crate) struct Encrypted(Document);

impl Encrypted {
    pub(crate) fn new(command: &RawDocument, name: &'static str) -> Result<Self> {
        refuse_queryable(command, name)?;
        Ok(Self(Document::try_from(command)?))
    }

    /// The only statement of an `update` or `delete`.
    pub(crate) fn statement(mut self, key: &'static str) -> Result<Self> {
        match self.0.remove(key) {
            Some(Bson::Array(statements)) => match <[Bson; 1]>::try_from(statements) {
                Ok([Bson::Document(statement)]) => Ok(Self(statement)),
                _ => Err(Error::Shape { field: key }),
            },
            _ => Err(Error::Shape { field: key }),
        }
    }

    pub(crate) fn document(&mut self, field: &'static str) -> Result<Document> {
        match self.0.remove(field) {
            Some(Bson::Document(document)) => Ok(document),
            _ => Err(Error::Shape { field }),
        }
    }

    pub(crate) fn documents(&mut self, field: &'static str) -> Result<Vec<Document>> {
        match self.0.remove(field) {
            Some(Bson::Array(values)) => values
                .into_iter()
                .map(|value| match value {
                    Bson::Document(document) => Ok(document),
                    _ => Err(Error::Shape { field }),
                })
                .collect(),
            _ => Err(Error::Shape { field }),
        }
    }

    /// Replaces an option that was described to analysis by what came back.
    pub(crate) fn replace(
        &mut self,
        field: &'static str,
        slot: &mut Option<Document>,
    ) -> Result<()> {
        if slot.is_some() {
            *slot = Some(self.document(field)?);
        }
        Ok(())
    }

    /// As [`Encrypted::replace`], for a list of documents.
    pub(crate) fn replace_all(
        &mut self,
        field: &'static str,
        slot: &mut Option<Vec<Document>>,
    ) -> Result<()> {
        if slot.is_some() {
            *slot = Some(self.documents(field)?);
        }
        Ok(())
    }

    pub(crate) fn value(&mut self, field: &'static str) -> Result<Bson> {
        self.0.remove(field).ok_or(Error::Shape { field })
    }
}

/// Queryable Encryption rides on a field that the driver's operations cannot carry.
fn refuse_queryable(command: &RawDocument, name: &'static str) -> Result<()> {
    match command.get("encryptionInformation") {
        Ok(None) => Ok(()),
        _ => Err(Error::QueryableEncryption { command: name }),
    }
}

#[cfg(test)]
mod tests {
    use bson::{doc, rawdoc};

    use super::*;

    #[test]
    fn a_field_of_another_type_is_not_taken() {
        let command = rawdoc! { "find": "c", "filter": 1 };
        let mut encrypted = Encrypted::new(&command, "find").unwrap();
        assert!(matches!(encrypted.document("filter"), Err(Error::Shape { field: "filter" })));
    }

    #[test]
    fn an_option_that_was_given_must_come_back() {
        let command = rawdoc! { "find": "c", "filter": {} };
        let mut encrypted = Encrypted::new(&command, "find").unwrap();
        let mut absent = None;
        encrypted.replace("let", &mut absent).unwrap();
        let mut given = Some(doc! { "a": 1 });
        assert!(encrypted.replace("let", &mut given).is_err());
    }

    #[test]
    fn more_than_one_statement_is_refused() {
        let command = rawdoc! { "update": "c", "updates": [{ "q": {} }, { "q": {} }] };
        let encrypted = Encrypted::new(&command, "update").unwrap();
        assert!(encrypted.statement("updates").is_err());
    }

    #[test]
    fn queryable_encryption_is_refused() {
        let command = rawdoc! { "find": "c", "filter": {}, "encryptionInformation": {} };
        assert!(matches!(
            Encrypted::new(&command, "find"),
            Err(Error::QueryableEncryption { command: "find" })
        ));
    }
}
