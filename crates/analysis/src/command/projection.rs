//! Projections of `find` and `findAndModify`.

use super::Context;
use crate::{AnalyzeError, projection::mark_projection, raw::Element};

/// A projection: which fields come back says nothing, but computed ones may hold constants.
pub(super) fn check(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let projection = element.document().ok_or_else(|| context.wrong_type(element, "object"))?;
    match mark_projection(context.marker, &context.shape, projection)? {
        Some(marked) => context.write_replaced(element, &marked, out),
        None => out.extend(element.whole),
    }
    Ok(())
}
