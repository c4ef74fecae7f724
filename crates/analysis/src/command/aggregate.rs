//! `aggregate`.

use super::{Context, Part, Spec, nothing, part};
use crate::{
    AnalyzeError,
    pipeline::{Source, mark_pipeline},
    raw::Element,
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
        ("hint", Part::Work(part::hint)),
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
    let source = Source {
        db: context.db,
        collection: context.collection,
        schemas: context.schemas,
        depth: 0,
    };
    mark_pipeline(context.marker, source, element, out).map(drop)
}
