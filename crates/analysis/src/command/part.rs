//! Parts that several commands have.

use bson::raw::{RawArray, RawBsonRef, RawDocument};
use fieldveil_query::sort::Sort;

use super::Context;
use crate::{
    AnalyzeError, RequestError,
    filter::{below, mark_filter},
    marking::Marker,
    raw::{Element, Elements},
    shape::{PathState, Shape},
    types::type_name,
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

/// The `arrayFilters` of an update.
pub(super) fn array_filters(update: &RawDocument) -> Result<Option<&RawArray>, AnalyzeError> {
    match update.get("arrayFilters") {
        Ok(None) => Ok(None),
        Ok(Some(RawBsonRef::Array(filters))) => Ok(Some(filters)),
        Ok(Some(other)) => Err(RequestError::WrongType {
            field: "arrayFilters".to_owned(),
            expected: "array",
            found: type_name(other.element_type()),
        }
        .into()),
        Err(_) => Err(RequestError::Malformed { at: "arrayFilters".to_owned() }.into()),
    }
}

/// A sort order: ciphertexts have another order than plaintexts.
pub(super) fn sort(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let sort = element.document().ok_or_else(|| context.wrong_type(element, "object"))?;
    check_sort(context.marker, &context.shape, sort)?;
    // Nothing passes that is not of the language, even if it were harmless.
    Sort::parse(sort)?;
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
        check_plain(context, element.name, bound.name)?;
    }
    out.extend(element.whole);
    Ok(())
}

/// Refuses a path in the option `option` that leads to something encrypted.
fn check_plain(context: &mut Context<'_>, option: &str, path: &str) -> Result<(), AnalyzeError> {
    let shape = &context.shape;
    context.marker.within(path, |_| match shape.at(path)? {
        PathState::Plain => Ok(()),
        state => Err(AnalyzeError::UnsupportedOption {
            option: option.to_owned(),
            path: named(path, &state),
        }),
    })
}

/// An index by name or by key. Of an encrypted field, only its direction may stand there.
pub(super) fn hint(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    if let Some(key) = element.document() {
        check_index_key(context, element.name, key)?;
    }
    out.extend(element.whole);
    Ok(())
}

/// Checks the key of an index, which is the option `option`.
pub(super) fn check_index_key(
    context: &mut Context<'_>,
    option: &str,
    key: &RawDocument,
) -> Result<(), AnalyzeError> {
    for field in Elements::new(key.as_bytes())? {
        let field = field?;
        let says_nothing = field.with_value(|value| {
            Ok(match value {
                RawBsonRef::String(kind) => INDEX_KINDS.contains(&kind),
                RawBsonRef::Int32(direction) => matches!(direction, 1 | -1),
                RawBsonRef::Int64(direction) => matches!(direction, 1 | -1),
                RawBsonRef::Double(direction) => direction.abs() == 1.0,
                _ => false,
            })
        })?;
        if says_nothing {
            continue;
        }
        check_plain(context, option, field.name)?;
    }
    Ok(())
}

/// What may stand for a direction.
const INDEX_KINDS: [&str; 4] = ["2d", "2dsphere", "hashed", "text"];

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
