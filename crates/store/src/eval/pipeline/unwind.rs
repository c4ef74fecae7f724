//! `$unwind`.

use std::collections::VecDeque;

use bson::raw::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::document::append;
use fieldveil_query::{FieldPath, QueryError};

use super::Documents;

/// The documents of one array, and the input.
struct Unwind {
    input: Documents,
    ready: VecDeque<RawDocumentBuf>,
    path: Vec<String>,
    index_path: Option<Vec<String>>,
    preserve: bool,
}

pub(super) fn unwind(
    input: Documents,
    path: &FieldPath,
    index_path: Option<&FieldPath>,
    preserve: bool,
) -> Documents {
    let split = |path: &FieldPath| path.components().map(str::to_owned).collect();
    Box::new(Unwind {
        input,
        ready: VecDeque::new(),
        path: split(path),
        index_path: index_path.map(split),
        preserve,
    })
}

impl Iterator for Unwind {
    type Item = Result<RawDocumentBuf, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(document) = self.ready.pop_front() {
                return Some(Ok(document));
            }
            let document = match self.input.next()? {
                Ok(document) => document,
                Err(error) => return Some(Err(error)),
            };
            if let Err(error) = self.spread(&document) {
                return Some(Err(error));
            }
        }
    }
}

impl Unwind {
    fn spread(&mut self, document: &RawDocument) -> Result<(), QueryError> {
        match nested(document, &self.path)? {
            Some(RawBsonRef::Array(array)) if !array.is_empty() => {
                for (index, item) in array.into_iter().enumerate() {
                    let one = set(document, &self.path, Some(item?))?;
                    let index = RawBson::Int64(i64::try_from(index).unwrap_or(i64::MAX));
                    self.ready.push_back(self.indexed(one, &index)?);
                }
            }
            Some(RawBsonRef::Array(_)) if self.preserve => {
                let without = set(document, &self.path, None)?;
                self.ready.push_back(self.indexed(without, &RawBson::Null)?);
            }
            Some(RawBsonRef::Array(_)) => {}
            None | Some(RawBsonRef::Null | RawBsonRef::Undefined) if !self.preserve => {}
            // A value that is no array is an array of one.
            _ => self.ready.push_back(self.indexed(document.to_owned(), &RawBson::Null)?),
        }
        Ok(())
    }

    fn indexed(
        &self,
        document: RawDocumentBuf,
        index: &RawBson,
    ) -> Result<RawDocumentBuf, QueryError> {
        match &self.index_path {
            None => Ok(document),
            Some(path) => set(&document, path, Some(index.as_raw_bson_ref())),
        }
    }
}

/// The value at a path through documents only.
pub(super) fn nested<'a>(
    document: &'a RawDocument,
    path: &[String],
) -> Result<Option<RawBsonRef<'a>>, QueryError> {
    let mut value = RawBsonRef::Document(document);
    for name in path {
        let RawBsonRef::Document(inner) = value else { return Ok(None) };
        match inner.get(name)? {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// A copy of the document with the value at a path set, or taken out.
pub(super) fn set(
    document: &RawDocument,
    path: &[String],
    value: Option<RawBsonRef<'_>>,
) -> Result<RawDocumentBuf, QueryError> {
    let Some((first, rest)) = path.split_first() else { return Ok(document.to_owned()) };
    let mut out = RawDocumentBuf::new();
    let mut found = false;
    for element in document.iter() {
        let (name, old) = element?;
        if name.as_str() != first || found {
            out.append(name, old);
            continue;
        }
        found = true;
        match (rest.is_empty(), value, old) {
            (true, Some(value), _) => out.append(name, value),
            (true, None, _) => {}
            (false, _, RawBsonRef::Document(inner)) => out.append(name, set(inner, rest, value)?),
            (false, Some(_), _) => {
                out.append(name, set(fieldveil_query::document::empty(), rest, value)?);
            }
            (false, None, old) => out.append(name, old),
        }
    }
    if let (false, Some(value)) = (found, value) {
        if rest.is_empty() {
            append(&mut out, first, value)?;
        } else {
            let inner = set(fieldveil_query::document::empty(), rest, Some(value))?;
            append(&mut out, first, &inner)?;
        }
    }
    Ok(out)
}
