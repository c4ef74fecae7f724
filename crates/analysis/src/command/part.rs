//! Parts that several commands have.

use bson::raw::{RawBsonRef, RawDocument};

use super::Context;
use crate::{
    AnalyzeError,
    filter::{below, mark_filter},
    marking::Marker,
    raw::{Element, Elements},
    shape::{PathState, Shape},
};

/// A filter of the command's collection.
pub(super) fn filter(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let filter = element.document().ok_or_else(|| context.wrong_type(element, "object"))?;
    match mark_filter(context.marker, &context.shape, filter)? {
        Some(marked) => context.write_replaced(element, &marked, out),
        None => out.extend(element.whole),
    }
    Ok(())
}

/// A sort order: ciphertexts have another order than plaintexts.
pub(super) fn sort(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let sort = element.document().ok_or_else(|| context.wrong_type(element, "object"))?;
    check_sort(context.marker, &context.shape, sort)?;
    out.extend(element.whole);
    Ok(())
}

/// Refuses an order by encrypted fields.
pub(crate) fn check_sort(
    marker: &mut Marker,
    shape: &Shape,
    sort: &RawDocument,
) -> Result<(), AnalyzeError> {
    for element in Elements::new(sort.as_bytes())? {
        let element = element?;
        if is_meta(&element) {
            continue;
        }
        marker.within(element.name, |_| match shape.at(element.name)? {
            PathState::Plain => Ok(()),
            state => Err(AnalyzeError::Sort { path: named(element.name, &state) }),
        })?;
    }
    Ok(())
}

/// Bounds of an index, which are values in plaintext.
pub(super) fn bounds(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let bounds = element.document().ok_or_else(|| context.wrong_type(element, "object"))?;
    for bound in Elements::new(bounds.as_bytes())? {
        let bound = bound?;
        let shape = &context.shape;
        let option = element.name;
        context.marker.within(bound.name, |_| match shape.at(bound.name)? {
            PathState::Plain => Ok(()),
            state => Err(AnalyzeError::UnsupportedOption {
                option: option.to_owned(),
                path: named(bound.name, &state),
            }),
        })?;
    }
    out.extend(element.whole);
    Ok(())
}

/// Refuses a collation by which text was compared with an encrypted field.
pub(super) fn check_collation(
    marker: &mut Marker,
    collation: Option<RawBsonRef<'_>>,
) -> Result<(), AnalyzeError> {
    let compared = marker.take_compared_text();
    match compared {
        Some(path) if !is_simple(collation) => Err(AnalyzeError::Collation { path }),
        _ => Ok(()),
    }
}

/// Whether text is compared byte by byte.
pub(super) fn is_simple(collation: Option<RawBsonRef<'_>>) -> bool {
    match collation {
        None => true,
        Some(RawBsonRef::Document(collation)) => {
            collation.is_empty() || matches!(collation.get_str("locale"), Ok("simple"))
        }
        Some(_) => false,
    }
}

/// The encrypted field that a path is, or that is below it.
pub(crate) fn named(path: &str, state: &PathState) -> String {
    match state {
        PathState::Prefix(shape) => below(path, shape),
        _ => path.to_owned(),
    }
}

fn is_meta(element: &Element<'_>) -> bool {
    element.document().is_some_and(|value| matches!(value.get("$meta"), Ok(Some(_))))
}
