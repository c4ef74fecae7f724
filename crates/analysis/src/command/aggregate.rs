//! `aggregate`.

use super::{Context, Part, Spec, nothing};
use crate::{
    AnalyzeError,
    pipeline::{Source, mark_pipeline},
    raw::{Element, write_document, write_name},
};

pub(super) const SPEC: Spec = Spec {
    name: "aggregate",
    aliases: &[],
    fields: &[
        ("pipeline", Part::Work(pipeline)),
        ("allowDiskUse", Part::Keep),
        ("bypassDocumentValidation", Part::Keep),
        ("collation", Part::Keep),
        ("cursor", Part::Keep),
        ("explain", Part::Keep),
        ("hint", Part::Keep),
        ("let", Part::Keep),
    ],
    joins_collections: true,
    is_explainable: true,
    finish: nothing,
};

fn pipeline(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let stages = element.array().ok_or_else(|| context.wrong_type(element, "array"))?;
    let source = Source {
        db: context.db,
        collection: context.collection,
        schemas: context.schemas,
        depth: 0,
    };
    write_name(out, element.kind, element.name);
    write_document(out, |out| mark_pipeline(context.marker, source, stages, out).map(drop))
}
