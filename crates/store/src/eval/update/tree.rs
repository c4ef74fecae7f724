//! A document that can be changed in place.

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::document::append;

/// A value; only what was looked into is taken apart.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    Raw(RawBson),
    Document(Vec<(String, Self)>),
    Array(Vec<Self>),
}

impl Tree {
    pub(super) fn document(document: &RawDocument) -> Result<Self, QueryError> {
        let mut fields = Vec::new();
        for element in document.iter() {
            let (name, value) = element?;
            fields.push((name.as_str().to_owned(), Self::Raw(RawBson::from(value))));
        }
        Ok(Self::Document(fields))
    }

    /// Takes one level apart; scalars stay.
    pub(super) fn expand(&mut self) -> Result<(), QueryError> {
        let expanded = match self {
            Self::Raw(RawBson::Document(document)) => Self::document(document)?,
            Self::Raw(RawBson::Array(array)) => {
                let mut items = Vec::new();
                for item in &*array {
                    items.push(Self::Raw(RawBson::from(item?)));
                }
                Self::Array(items)
            }
            _ => return Ok(()),
        };
        *self = expanded;
        Ok(())
    }

    /// The value as BSON.
    pub(super) fn to_bson(&self) -> Result<RawBson, QueryError> {
        match self {
            Self::Raw(value) => Ok(value.clone()),
            Self::Document(_) => Ok(RawBson::Document(self.to_document()?)),
            Self::Array(items) => {
                let mut array = RawArrayBuf::new();
                for item in items {
                    match item {
                        Self::Raw(value) => array.push(value.as_raw_bson_ref()),
                        other => array.push(other.to_bson()?),
                    }
                }
                Ok(RawBson::Array(array))
            }
        }
    }

    pub(super) fn to_document(&self) -> Result<RawDocumentBuf, QueryError> {
        let mut document = RawDocumentBuf::new();
        match self {
            Self::Document(fields) => {
                for (name, value) in fields {
                    match value {
                        Self::Raw(value) => append(&mut document, name, value)?,
                        other => append(&mut document, name, &other.to_bson()?)?,
                    }
                }
                Ok(document)
            }
            Self::Raw(RawBson::Document(document)) => Ok(document.clone()),
            _ => Ok(document),
        }
    }

    /// The value as a reference, for scalars and what was not taken apart.
    pub(super) fn as_raw(&self) -> Option<RawBsonRef<'_>> {
        match self {
            Self::Raw(value) => Some(value.as_raw_bson_ref()),
            Self::Document(_) | Self::Array(_) => None,
        }
    }
}

impl From<RawBson> for Tree {
    fn from(value: RawBson) -> Self {
        Self::Raw(value)
    }
}
