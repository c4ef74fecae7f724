//! A client's projection, ready to be applied.

use bson::raw::{RawDocument, RawDocumentBuf};

use crate::error::{Result, StoreError};
use crate::eval::Context;

/// A projection of `find`, or none.
pub(crate) struct Projector(());

impl Projector {
    /// Parses and compiles a projection.
    ///
    /// # Errors
    /// MongoDB's for a bad projection.
    pub(crate) fn compile(projection: Option<&RawDocument>, _context: &Context) -> Result<Self> {
        match projection {
            Some(projection) if !projection.is_empty() => {
                Err(StoreError::internal("projections are to come"))
            }
            _ => Ok(Self(())),
        }
    }

    /// Whether documents stay as they are.
    pub(crate) fn is_identity(&self) -> bool {
        true
    }

    /// Projects a document; `position` is the array element that the filter matched.
    pub(crate) fn apply(
        &self,
        document: &RawDocument,
        _position: Option<usize>,
    ) -> Result<RawDocumentBuf> {
        Ok(document.to_owned())
    }
}
