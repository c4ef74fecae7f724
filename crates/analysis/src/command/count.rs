//! `count`.

use super::{Part, Spec, nothing, part, projection};

pub(super) const SPEC: Spec = Spec {
    name: "count",
    aliases: &[],
    fields: &[
        ("query", Part::Work(part::filter)),
        ("collation", Part::Keep),
        ("fields", Part::Work(projection::check)),
        ("hint", Part::Work(part::hint)),
        ("limit", Part::Keep),
        ("skip", Part::Keep),
    ],
    joins_collections: false,
    is_explainable: true,
    finish: nothing,
};
