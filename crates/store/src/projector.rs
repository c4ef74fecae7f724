//! A client's projection of `find`, or none.

use std::borrow::Cow;

use bson::raw::{RawDocument, RawDocumentBuf};
use fieldveil_query::dependencies::Dependencies;
use fieldveil_query::projection::Projection;

use crate::error::Result;
use crate::eval::{self, Context};
use crate::selector::Selector;

/// Ready to be applied to documents that a filter selected.
pub(crate) struct Projector(Option<Compiled>);

struct Compiled {
    projector: eval::projection::Projector,
    projection: Projection,
}

impl Projector {
    /// Parses and compiles a projection.
    ///
    /// # Errors
    /// MongoDB's for a bad projection.
    pub(crate) fn compile(projection: Option<&RawDocument>, context: &Context) -> Result<Self> {
        let Some(projection) = projection.filter(|projection| !projection.is_empty()) else {
            return Ok(Self(None));
        };
        let projection = Projection::parse_find(projection)?;
        let projector = eval::projection::Projector::compile(&projection, context)?;
        Ok(Self(Some(Compiled { projector, projection })))
    }

    /// What of a document is left, if that can be told.
    pub(crate) fn needs(&self) -> Option<Dependencies> {
        Dependencies::of_projection(&self.0.as_ref()?.projection)
    }

    /// The name of the projection as a stage of a plan, if there is one.
    pub(crate) fn stage(&self, is_covered: bool) -> Option<&'static str> {
        let projection = &self.0.as_ref()?.projection;
        Some(match is_covered {
            true if projection.is_inclusion() => "PROJECTION_COVERED",
            false if projection.is_simple() => "PROJECTION_SIMPLE",
            _ => "PROJECTION_DEFAULT",
        })
    }

    /// Projects a document that `selector` matches.
    pub(crate) fn apply(
        &self,
        selector: &Selector,
        document: Cow<'_, RawDocument>,
    ) -> Result<RawDocumentBuf> {
        match &self.0 {
            Some(_) => self.apply_changed(selector, &document, &document),
            None => Ok(document.into_owned()),
        }
    }

    /// Projects `document`, which an update made out of `matched`; the element that the positional
    /// `$` means is found in `matched`.
    pub(crate) fn apply_changed(
        &self,
        selector: &Selector,
        matched: &RawDocument,
        document: &RawDocument,
    ) -> Result<RawDocumentBuf> {
        let Some(Compiled { projector, .. }) = &self.0 else { return Ok(document.to_owned()) };
        let position = match projector.needs_position() {
            true => selector.matcher().find_position(matched)?.flatten(),
            false => None,
        };
        Ok(projector.apply(document, position)?)
    }
}
