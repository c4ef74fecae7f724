//! Documents beside the value that decides their order, as one document that a sort can put on disk.

use bson::raw::{RawBson, RawDocument, RawDocumentBuf, cstr};
use fieldveil_query::document::append;
use fieldveil_query::sort::{Sort, SortKey, SortOrder};
use fieldveil_query::{FieldPath, QueryError};

use super::{DOCUMENTS_PER_CHECK, Environment};
use crate::order::{SortKeys, Sorted, Sorter};

/// A document and its value, which is inside of a document, for arrays sort by their elements.
pub(super) fn pack(value: &RawBson, document: &RawDocument) -> Result<RawDocumentBuf, QueryError> {
    let mut inner = RawDocumentBuf::new();
    append(&mut inner, "v", value)?;
    let mut packed = RawDocumentBuf::new();
    packed.append(cstr!("by"), inner);
    packed.append(cstr!("d"), document);
    Ok(packed)
}

/// The value that was packed.
pub(super) fn value(packed: &RawDocument) -> Result<RawBson, QueryError> {
    let inner = packed.get_document("by").map_err(failed)?;
    Ok(inner.get("v")?.map_or(RawBson::Null, RawBson::from))
}

/// The document that was packed.
pub(super) fn document(packed: &RawDocument) -> Result<&RawDocument, QueryError> {
    packed.get_document("d").map_err(failed)
}

fn failed(error: bson::error::Error) -> QueryError {
    QueryError::new(1, format!("the temporary file of a stage holds something else: {error}"))
}

/// Sorts what [`pack`] makes: by the value, and documents of equal values by `then`. At most
/// `memory_bytes` are held.
///
/// # Errors
/// Those of the pattern.
pub(super) fn sorter(
    then: &Sort,
    memory_bytes: usize,
    environment: &Environment,
) -> Result<Sorter, QueryError> {
    let by_value = SortKey { path: FieldPath::new("by"), order: SortOrder::Ascending };
    let inside = |key: &SortKey| SortKey {
        path: FieldPath::new("d").join(key.path.as_str()),
        order: key.order.clone(),
    };
    let keys = std::iter::once(by_value).chain(then.keys.iter().map(inside)).collect();
    let keys = SortKeys::new(&Sort { keys }, environment.context.collation.clone())?;
    let budget = crate::order::Budget { memory_bytes, ..environment.sort_budget() };
    Ok(Sorter::new(keys, usize::MAX, budget))
}

/// A value and its document.
pub(super) type Row = (RawBson, RawDocumentBuf);

/// Sorted rows unpacked, of which the next is known before it is taken.
pub(super) struct Rows {
    rows: Sorted,
    next: Option<Row>,
    read: u32,
    environment: Environment,
}

impl Rows {
    pub(super) fn new(rows: Sorted, environment: Environment) -> Result<Self, QueryError> {
        let mut rows = Self { rows, next: None, read: 0, environment };
        rows.take()?;
        Ok(rows)
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The value of the next row.
    pub(super) fn peek(&self) -> Option<&RawBson> {
        self.next.as_ref().map(|(value, _)| value)
    }

    /// The next row, after which the one behind it is known.
    ///
    /// # Errors
    /// Those of the temporary file, and when the pipeline may not go on.
    pub(super) fn take(&mut self) -> Result<Option<Row>, QueryError> {
        self.read = self.read.wrapping_add(1);
        if self.read.is_multiple_of(DOCUMENTS_PER_CHECK) {
            self.environment.source.go_on()?;
        }
        let behind = match self.rows.next().transpose()? {
            Some((_, packed)) => Some((value(&packed)?, document(&packed)?.to_owned())),
            None => None,
        };
        Ok(std::mem::replace(&mut self.next, behind))
    }

    /// The next row if its value is one of those wanted.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub(super) fn take_if(
        &mut self,
        is_wanted: impl FnOnce(&RawBson) -> bool,
    ) -> Result<Option<Row>, QueryError> {
        match &self.next {
            Some((value, _)) if is_wanted(value) => self.take(),
            _ => Ok(None),
        }
    }
}
