//! Updates: values that are stored in encrypted fields are marked.
//!
//! An update is read as bytes: nothing in it but stored values changes, and those lie at paths.

use std::sync::Arc;

use bson::{
    raw::{RawArray, RawBsonRef, RawDocument},
    spec::ElementType,
};
use fieldveil_query::update::{Update, parse_array_filters};

use crate::{
    AnalyzeError, RequestError,
    document::{mark_object, mark_replacement},
    filter::below,
    marking::{Marker, Purpose, check_value},
    raw::{Element, Elements, write_document, write_name, write_value},
    shape::{EncryptedField, FieldKey, PathState, Shape},
    types::type_name,
};

/// What stands beside an update and changes what it means.
#[derive(Clone, Copy)]
pub(crate) struct UpdateOptions<'a> {
    /// Whether a document is inserted if none matches.
    pub(crate) is_upsert: bool,
    /// Which elements the identifiers in its paths mean.
    pub(crate) array_filters: Option<&'a RawArray>,
}

/// Writes the element `u` or `update` with all values of encrypted fields marked.
///
/// # Errors
/// For pipelines, for operators that cannot work on ciphertext, and for values that cannot be
/// encrypted.
pub(crate) fn mark_update(
    marker: &mut Marker,
    shape: &Shape,
    update: &Element<'_>,
    options: UpdateOptions<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let Some(document) = update.document() else { return Err(AnalyzeError::PipelineUpdate) };
    write_name(out, update.kind, update.name);
    if !has_operators(document) {
        if let Some(name) = dollar_field(document)? {
            return Err(AnalyzeError::DollarName { name });
        }
        mark_replacement(marker, shape, document, !options.is_upsert, out)?;
        if options.array_filters.is_none() {
            return Ok(());
        }
    } else {
        let updater = UpdateMarker { marker, shape };
        write_document(out, |out| updater.operators(document, out))?;
    }
    // Nothing passes that is not of the language, even if it were harmless. Array filters speak
    // about elements of arrays, in which nothing is encrypted.
    update.with_value(|value| {
        let update = Update::parse(value)?;
        parse_array_filters(options.array_filters, &update)?;
        Ok(())
    })
}

/// Whether an update document has operators, and is no replacement.
pub(crate) fn has_operators(document: &RawDocument) -> bool {
    matches!(document.iter().next(), Some(Ok((name, _))) if name.as_str().starts_with('$'))
}

/// Whether an update gives the new document of an upsert its `_id`.
pub(crate) fn sets_id(document: &RawDocument) -> bool {
    if !has_operators(document) {
        return matches!(document.get("_id"), Ok(Some(_)));
    }
    let stores_id = |operator| {
        document.get_document(operator).is_ok_and(|fields| matches!(fields.get("_id"), Ok(Some(_))))
    };
    stores_id("$set") || stores_id("$setOnInsert")
}

fn dollar_field(document: &RawDocument) -> Result<Option<String>, AnalyzeError> {
    for element in Elements::new(document.as_bytes())? {
        let element = element?;
        if element.name.starts_with('$') {
            return Ok(Some(element.name.to_owned()));
        }
    }
    Ok(None)
}

/// What an operator does with a field.
#[derive(Clone, Copy)]
enum Effect {
    /// It stores its argument.
    Store,
    /// It removes the field.
    Remove,
    /// It moves the value to the field that its argument names.
    Move,
    /// It computes with the stored value; named in refusals with its relatives.
    Compute(&'static str),
}

/// Every update operator.
const OPERATORS: [(&str, Effect); 15] = [
    ("$set", Effect::Store),
    ("$unset", Effect::Remove),
    ("$rename", Effect::Move),
    ("$setOnInsert", Effect::Compute("$setOnInsert")),
    ("$inc", Effect::Compute("$inc and $mul")),
    ("$mul", Effect::Compute("$inc and $mul")),
    ("$min", Effect::Compute("$max and $min")),
    ("$max", Effect::Compute("$max and $min")),
    ("$currentDate", Effect::Compute("$currentDate")),
    ("$addToSet", Effect::Compute("$addToSet")),
    ("$push", Effect::Compute("$push")),
    ("$pop", Effect::Compute("$pop")),
    ("$pull", Effect::Compute("$pull")),
    ("$pullAll", Effect::Compute("$pullAll")),
    ("$bit", Effect::Compute("$bit")),
];

struct UpdateMarker<'a> {
    marker: &'a mut Marker,
    shape: &'a Shape,
}

impl UpdateMarker<'_> {
    fn operators(self, update: &RawDocument, out: &mut Vec<u8>) -> Result<(), AnalyzeError> {
        for operator in Elements::new(update.as_bytes())? {
            let operator = operator?;
            let effect = OPERATORS
                .iter()
                .find(|(name, _)| *name == operator.name)
                .map(|(_, effect)| *effect)
                .ok_or_else(|| AnalyzeError::UnknownModifier { name: operator.name.to_owned() })?;
            let fields = operator.document().ok_or_else(|| RequestError::WrongType {
                field: format!("update.{}", operator.name),
                expected: "object",
                found: type_name(operator.kind),
            })?;
            let outer = self.marker.enter(operator.name);
            write_name(out, operator.kind, operator.name);
            write_document(out, |out| {
                for field in Elements::new(fields.as_bytes())? {
                    let field = field?;
                    let place = self.marker.enter(field.name);
                    match effect {
                        Effect::Store => store(self.marker, self.shape, &field, out)?,
                        Effect::Remove => {
                            self.check(effect, &field)?;
                            remove(self.shape, &field, out)?;
                        }
                        other => {
                            self.check(other, &field)?;
                            out.extend(field.whole);
                        }
                    }
                    self.marker.leave(place);
                }
                Ok(())
            })?;
            self.marker.leave(outer);
        }
        Ok(())
    }

    /// Checks an operator that stays as it is.
    fn check(&self, effect: Effect, element: &Element<'_>) -> Result<(), AnalyzeError> {
        let path = element.name;
        let state = state(self.shape, path)?;
        match (effect, state) {
            (_, PathState::Below { encrypted }) => Err(below_encrypted(path, encrypted)),
            (_, PathState::Unknown) => {
                Err(AnalyzeError::UnknownUntilRuntime { path: path.to_owned() })
            }
            (Effect::Move, from) => self.check_move(path, &from, element),
            (_, PathState::Plain) | (Effect::Remove, _) | (Effect::Store, _) => Ok(()),
            (Effect::Compute(operators), PathState::Encrypted(_)) => {
                Err(AnalyzeError::UpdateOperator { operators, path: path.to_owned() })
            }
            (Effect::Compute(operators), PathState::Prefix(shape)) => {
                Err(AnalyzeError::UpdateOperator { operators, path: below(path, &shape) })
            }
        }
    }

    fn check_move(
        &self,
        path: &str,
        from: &PathState,
        element: &Element<'_>,
    ) -> Result<(), AnalyzeError> {
        let target = element.text().ok_or_else(|| RequestError::WrongType {
            field: format!("update.$rename.{path}"),
            expected: "string",
            found: type_name(element.kind),
        })?;
        match (from, state(self.shape, target)?) {
            (PathState::Plain, PathState::Plain) => Ok(()),
            (PathState::Encrypted(a), PathState::Encrypted(b)) if a.has_same_metadata(&b) => Ok(()),
            (_, PathState::Below { encrypted }) => Err(below_encrypted(target, encrypted)),
            _ => Err(AnalyzeError::Rename { from: path.to_owned(), to: target.to_owned() }),
        }
    }
}

/// `$set`: writes the field with its value marked.
fn store(
    marker: &mut Marker,
    shape: &Shape,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let path = element.name;
    match state(shape, path)? {
        PathState::Plain => out.extend(element.whole),
        PathState::Encrypted(field) => store_encrypted(marker, &field, element, out)?,
        PathState::Prefix(inner) => match element.kind {
            ElementType::EmbeddedDocument => {
                let object = element
                    .document()
                    .ok_or_else(|| RequestError::Malformed { at: path.to_owned() })?;
                write_name(out, element.kind, path);
                mark_object(marker, shape, &inner, path, object, out)?;
            }
            ElementType::Array => {
                return Err(AnalyzeError::PrefixValue { path: path.to_owned(), kind: "array" });
            }
            _ => out.extend(element.whole),
        },
        PathState::Below { encrypted } => return Err(below_encrypted(path, encrypted)),
        PathState::Unknown => {
            return Err(AnalyzeError::UnknownUntilRuntime { path: path.to_owned() });
        }
    }
    Ok(())
}

/// `$unset`: the server ignores the argument; but if it is a value of the field, it must not be
/// sent.
fn remove(shape: &Shape, element: &Element<'_>, out: &mut Vec<u8>) -> Result<(), AnalyzeError> {
    let says_nothing = element.with_value(|value| {
        Ok(match value {
            RawBsonRef::String(text) => text.is_empty(),
            RawBsonRef::Boolean(_) | RawBsonRef::Null => true,
            RawBsonRef::Int32(number) => number == 1,
            RawBsonRef::Int64(number) => number == 1,
            RawBsonRef::Double(number) => number == 1.0,
            _ => false,
        })
    })?;
    if says_nothing || matches!(state(shape, element.name)?, PathState::Plain) {
        out.extend(element.whole);
        return Ok(());
    }
    write_value(out, element.name, RawBsonRef::String(""))
}

fn store_encrypted(
    marker: &mut Marker,
    field: &Arc<EncryptedField>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let path = element.name;
    check_value(field, element.kind, element.is_ciphertext(), || path.to_owned())?;
    if matches!(field.key(), FieldKey::Pointer(_)) {
        return Err(AnalyzeError::PointerKey { path: path.to_owned() });
    }
    marker.note(field, path, "", None, element.kind, Purpose::Stored);
    marker.write(out, path, field, None, element.kind, element.value)
}

/// What the path of an update means. `$`, `$[]` and `$[name]` stand for array elements, in which
/// nothing is ever encrypted; so what is before them must be plain.
fn state(shape: &Shape, path: &str) -> Result<PathState, AnalyzeError> {
    let Some((array, operator)) = split_positional(path) else { return Ok(shape.at(path)?) };
    match shape.at(array)? {
        PathState::Plain if !array.is_empty() => Ok(PathState::Plain),
        PathState::Below { encrypted } => Err(below_encrypted(path, encrypted)),
        _ if operator == "$" => Err(AnalyzeError::Positional { path: path.to_owned() }),
        _ => Err(AnalyzeError::ArrayUpdate { path: path.to_owned() }),
    }
}

/// The path before the first positional operator, and that operator.
fn split_positional(path: &str) -> Option<(&str, &str)> {
    let mut start: usize = 0;
    for name in path.split('.') {
        if name == "$" || name.starts_with("$[") {
            return Some((path.get(..start.saturating_sub(1))?, name));
        }
        start += name.len() + 1;
    }
    None
}

fn below_encrypted(path: &str, encrypted: String) -> AnalyzeError {
    AnalyzeError::BelowEncrypted { path: path.to_owned(), encrypted }
}

#[cfg(test)]
mod tests;
