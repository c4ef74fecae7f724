//! `findAndModify`.

use super::{Context, Part, Spec, part, projection, update::check_upserted_id};
use crate::{
    AnalyzeError,
    raw::Element,
    update::{UpdateOptions, mark_update},
};

pub(super) const SPEC: Spec = Spec {
    name: "findAndModify",
    aliases: &["findandmodify"],
    fields: &[
        ("query", Part::Work(part::filter)),
        ("update", Part::Work(update)),
        ("fields", Part::Work(projection::check)),
        ("sort", Part::Work(part::sort)),
        ("arrayFilters", Part::Keep),
        ("bypassDocumentValidation", Part::Keep),
        ("bypassEmptyTsReplacement", Part::Keep),
        ("collation", Part::Keep),
        ("hint", Part::Work(part::hint)),
        ("let", Part::Keep),
        ("new", Part::Keep),
        ("remove", Part::Keep),
        ("upsert", Part::Keep),
    ],
    joins_collections: false,
    is_explainable: true,
    finish,
};

fn update(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let array_filters = part::array_filters(context.command)?;
    let options = UpdateOptions { is_upsert: is_upsert(context), array_filters };
    mark_update(context.marker, &context.shape, element, options, out)
}

fn finish(context: &mut Context<'_>) -> Result<(), AnalyzeError> {
    if !is_upsert(context) {
        return Ok(());
    }
    let query = context.command.get_document("query").ok();
    let update = context.command.get_document("update").ok();
    check_upserted_id(&context.shape, query, update)
}

/// Anything but a plain `false` counts, so that a server which reads it as true changes nothing.
fn is_upsert(context: &Context<'_>) -> bool {
    match context.command.get("upsert") {
        Ok(None) => false,
        Ok(Some(value)) => value.as_bool().unwrap_or(true),
        Err(_) => true,
    }
}
