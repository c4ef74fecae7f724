//! `find`.

use super::{Part, Spec, nothing, part, projection};

pub(super) const SPEC: Spec = Spec {
    name: "find",
    aliases: &[],
    fields: &[
        ("filter", Part::Work(part::filter)),
        ("projection", Part::Work(projection::check)),
        ("sort", Part::Work(part::sort)),
        ("min", Part::Work(part::bounds)),
        ("max", Part::Work(part::bounds)),
        ("allowDiskUse", Part::Keep),
        ("allowPartialResults", Part::Keep),
        ("awaitData", Part::Keep),
        ("batchSize", Part::Keep),
        ("collation", Part::Keep),
        ("hint", Part::Work(part::hint)),
        ("let", Part::Keep),
        ("limit", Part::Keep),
        ("noCursorTimeout", Part::Keep),
        ("ntoreturn", Part::Keep),
        ("oplogReplay", Part::Keep),
        ("returnKey", Part::Keep),
        ("showRecordId", Part::Keep),
        ("singleBatch", Part::Keep),
        ("skip", Part::Keep),
        ("tailable", Part::Keep),
    ],
    joins_collections: false,
    is_explainable: true,
    finish: nothing,
};
