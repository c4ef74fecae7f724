//! `insert`: the documents are marked.

use super::{Context, Part, Spec, nothing};
use crate::{
    AnalyzeError,
    document::mark_inserted,
    raw::{Element, write_document, write_name},
};

pub(super) const SPEC: Spec = Spec {
    name: "insert",
    aliases: &[],
    fields: &[
        ("documents", Part::Work(documents)),
        ("ordered", Part::Keep),
        ("bypassDocumentValidation", Part::Keep),
        ("bypassEmptyTsReplacement", Part::Keep),
        ("stmtIds", Part::Keep),
    ],
    joins_collections: false,
    is_explainable: true,
    finish: nothing,
};

fn documents(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let documents = element.array().ok_or_else(|| context.wrong_type(element, "array"))?;
    write_name(out, element.kind, element.name);
    write_document(out, |out| {
        for document in documents {
            let item = document?;
            let document =
                item.document().ok_or_else(|| context.wrong_type(element, "array of objects"))?;
            write_name(out, item.kind, item.name);
            let place = context.marker.enter(item.name);
            mark_inserted(context.marker, &context.shape, document, out)?;
            context.marker.leave(place);
        }
        Ok(())
    })
}
