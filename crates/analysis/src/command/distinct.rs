//! `distinct`: the values of a deterministic field are as distinct as their ciphertexts.

use bson::spec::ElementType;

use super::{Context, Part, Spec, nothing, part};
use crate::{
    AnalyzeError,
    raw::Element,
    shape::{Algorithm, FieldKey, PathState},
};

pub(super) const SPEC: Spec = Spec {
    name: "distinct",
    aliases: &[],
    fields: &[
        ("key", Part::Work(key)),
        ("query", Part::Work(part::filter)),
        ("collation", Part::Keep),
        ("hint", Part::Work(part::hint)),
    ],
    joins_collections: false,
    is_explainable: true,
    finish: nothing,
};

fn key(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let path = element.text().ok_or_else(|| context.wrong_type(element, "string"))?;
    let owned = || path.to_owned();
    match context.shape.at(path)? {
        PathState::Plain => {}
        PathState::Encrypted(field) => {
            if matches!(field.key(), FieldKey::Pointer(_)) {
                return Err(AnalyzeError::DistinctPointerKey { path: owned() });
            }
            if field.algorithm() == Algorithm::Random {
                return Err(AnalyzeError::RandomQuery { path: owned() });
            }
            let is_text = field.types().is_some_and(|types| {
                types.contains(ElementType::String) || types.contains(ElementType::Symbol)
            });
            if is_text && !part::is_simple(context.command.get("collation").ok().flatten()) {
                return Err(AnalyzeError::Collation { path: owned() });
            }
        }
        PathState::Below { encrypted } => {
            return Err(AnalyzeError::BelowEncrypted { path: owned(), encrypted });
        }
        state @ (PathState::Prefix(_) | PathState::Unknown) => {
            return Err(AnalyzeError::UnsupportedOption {
                option: "key".to_owned(),
                path: part::named(path, &state),
            });
        }
    }
    out.extend(element.whole);
    Ok(())
}
