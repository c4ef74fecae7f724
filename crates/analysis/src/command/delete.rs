//! `delete`.

use super::{Context, Part, Spec, nothing, part};
use crate::{AnalyzeError, RequestError, raw::Element};

pub(super) const SPEC: Spec = Spec {
    name: "delete",
    aliases: &[],
    fields: &[
        ("deletes", Part::Work(deletes)),
        ("let", Part::Keep),
        ("ordered", Part::Keep),
        ("stmtIds", Part::Keep),
    ],
    joins_collections: false,
    is_explainable: true,
    finish: nothing,
};

fn deletes(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    context.write_statements(element, out, |context, statement, out| {
        for field in statement.fields()? {
            let field = field?;
            match field.name {
                "q" => context.write_part(&field, out, part::filter)?,
                "hint" => context.write_part(&field, out, part::hint)?,
                "limit" | "collation" => out.extend(field.whole),
                name => return Err(RequestError::unknown_field("delete.deletes", name).into()),
            }
        }
        statement.check_collation(context.marker)
    })
}
