//! `update`.

use fieldveil_query::filter::Filter;

use super::{Context, Part, Spec, Statement, nothing, part};
use crate::{
    AnalyzeError, RequestError,
    raw::Element,
    shape::{PathState, Shape},
    update::{UpdateOptions, mark_update, sets_id},
};
use bson::raw::RawDocument;

pub(super) const SPEC: Spec = Spec {
    name: "update",
    aliases: &[],
    fields: &[
        ("updates", Part::Work(updates)),
        ("bypassDocumentValidation", Part::Keep),
        ("bypassEmptyTsReplacement", Part::Keep),
        ("let", Part::Keep),
        ("ordered", Part::Keep),
        ("stmtIds", Part::Keep),
    ],
    joins_collections: false,
    is_explainable: true,
    finish: nothing,
};

fn updates(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    context.write_statements(element, out, update)
}

fn update(
    context: &mut Context<'_>,
    statement: &Statement<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let is_upsert = statement.document.get_bool("upsert").unwrap_or(false);
    let array_filters = part::array_filters(statement.document)?;
    let options = UpdateOptions { is_upsert, array_filters };
    for field in statement.fields()? {
        let field = field?;
        match field.name {
            "q" => context.write_part(&field, out, part::filter)?,
            "u" => {
                let place = context.marker.enter("u");
                mark_update(context.marker, &context.shape, &field, options, out)?;
                context.marker.leave(place);
            }
            "sort" => context.write_part(&field, out, part::sort)?,
            "upsert" if field.boolean().is_none() => {
                return Err(context.wrong_type(&field, "bool"));
            }
            "hint" => context.write_part(&field, out, part::hint)?,
            "multi" | "upsert" | "arrayFilters" | "collation" | "c" => {
                out.extend(field.whole);
            }
            name => return Err(RequestError::unknown_field("update.updates", name).into()),
        }
    }
    if is_upsert {
        let query = statement.document.get_document("q").ok();
        let update = statement.document.get_document("u").ok();
        check_upserted_id(&context.shape, query, update)?;
    }
    statement.check_collation(context.marker)
}

/// A server would generate a missing `_id` in plaintext.
pub(super) fn check_upserted_id(
    shape: &Shape,
    query: Option<&RawDocument>,
    update: Option<&RawDocument>,
) -> Result<(), AnalyzeError> {
    if matches!(shape.at("_id")?, PathState::Plain) {
        return Ok(());
    }
    let is_given = match query {
        Some(query) => {
            Filter::parse(query)?.equalities().iter().any(|(path, _)| path.as_str() == "_id")
        }
        None => false,
    };
    if is_given || update.is_some_and(sets_id) {
        return Ok(());
    }
    Err(AnalyzeError::EncryptedIdMissing)
}
