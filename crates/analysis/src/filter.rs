//! Filters: constants that are compared with encrypted fields are marked.

use bson::raw::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::filter::{Filter, Predicate};

use crate::{
    AnalyzeError,
    expression::mark_condition,
    marking::{Marker, Purpose},
    shape::{Algorithm, EncryptedField, PathState, Shape},
    types::type_name,
};

/// The filter with markings for its constants; `None` if it stays as it is.
///
/// A filter with a marking comes back as a server prints it: implicit equality as `$eq`, several
/// conditions under `$and`.
///
/// # Errors
/// If the server could not evaluate the filter on ciphertext as on plaintext.
pub(crate) fn mark_filter(
    marker: &mut Marker,
    shape: &Shape,
    filter: &RawDocument,
) -> Result<Option<RawDocumentBuf>, AnalyzeError> {
    if shape.is_plain() {
        return Ok(None);
    }
    let mut tree = Filter::parse(filter)?;
    let before = marker.count();
    FilterMarker { marker, shape }.filter(&mut tree, Some(filter))?;
    Ok((marker.count() > before).then(|| tree.to_raw()))
}

struct FilterMarker<'a> {
    marker: &'a mut Marker,
    shape: &'a Shape,
}

impl FilterMarker<'_> {
    /// `raw` is the document that the tree was parsed from, as far as it can be followed.
    fn filter(&mut self, tree: &mut Filter, raw: Option<&RawDocument>) -> Result<(), AnalyzeError> {
        match tree {
            Filter::And(parts) => self.parts("$and", parts, raw),
            Filter::Or(parts) => self.parts("$or", parts, raw),
            Filter::Nor(parts) => self.parts("$nor", parts, raw),
            Filter::Field { path, predicate } => {
                let path = path.as_str();
                let place = self.marker.enter(path);
                self.field(path, predicate, raw)?;
                self.marker.leave(place);
                Ok(())
            }
            Filter::Expr(expression) => {
                let place = self.marker.enter("$expr");
                mark_condition(self.marker, self.shape, expression)?;
                self.marker.leave(place);
                Ok(())
            }
            Filter::JsonSchema(_) => Err(unsupported("$jsonSchema")),
            Filter::Text(_) => Err(unsupported("$text")),
            Filter::Where(_) => Err(unsupported("$where")),
            Filter::Comment(_)
            | Filter::AlwaysTrue
            | Filter::AlwaysFalse
            | Filter::SampleRate(_) => Ok(()),
        }
    }

    fn parts(
        &mut self,
        operator: &str,
        parts: &mut [Filter],
        raw: Option<&RawDocument>,
    ) -> Result<(), AnalyzeError> {
        let written = raw.and_then(|raw| raw.get_array(operator).ok());
        let Some(written) = written else {
            // Several fields side by side: there is no step in the command.
            return parts.iter_mut().try_for_each(|part| self.filter(part, raw));
        };
        let outer = self.marker.enter(operator);
        for (index, part) in parts.iter_mut().enumerate() {
            let place = self.marker.enter(&index.to_string());
            self.filter(part, written.get_document(index).ok())?;
            self.marker.leave(place);
        }
        self.marker.leave(outer);
        Ok(())
    }

    fn field(
        &mut self,
        path: &str,
        predicate: &mut Predicate,
        raw: Option<&RawDocument>,
    ) -> Result<(), AnalyzeError> {
        let state = self.shape.at(path)?;
        if matches!(state, PathState::Plain) {
            return Ok(());
        }
        let is_explicit = raw
            .and_then(|raw| raw.get(path).ok().flatten())
            .and_then(RawBsonRef::as_document)
            .is_some_and(holds_operators);
        if !is_explicit {
            return self.predicate(path, &state, predicate);
        }
        let place = self.marker.enter(predicate.operator());
        self.predicate(path, &state, predicate)?;
        self.marker.leave(place);
        Ok(())
    }

    fn predicate(
        &mut self,
        path: &str,
        state: &PathState,
        predicate: &mut Predicate,
    ) -> Result<(), AnalyzeError> {
        match state {
            PathState::Plain => Ok(()),
            PathState::Encrypted(field) => self.on_encrypted(path, field, predicate),
            PathState::Prefix(shape) => on_prefix(path, shape, predicate),
            PathState::Below { encrypted } => Err(AnalyzeError::BelowEncrypted {
                path: path.to_owned(),
                encrypted: encrypted.clone(),
            }),
            PathState::Unknown => Err(AnalyzeError::UnknownUntilRuntime { path: path.to_owned() }),
        }
    }

    fn on_encrypted(
        &mut self,
        path: &str,
        field: &EncryptedField,
        predicate: &mut Predicate,
    ) -> Result<(), AnalyzeError> {
        match predicate {
            Predicate::Eq(value) | Predicate::Ne(value) => {
                check_queryable(path, field)?;
                if *value == RawBson::Null {
                    return Err(AnalyzeError::NullEquality { path: path.to_owned() });
                }
                self.constant(path, field, value)
            }
            Predicate::In(values) | Predicate::Nin(values) => {
                check_queryable(path, field)?;
                if values.contains(&RawBson::Null) {
                    return Err(AnalyzeError::NullInList { path: path.to_owned() });
                }
                for (index, value) in values.iter_mut().enumerate() {
                    let place = self.marker.enter(&index.to_string());
                    self.constant(path, field, value)?;
                    self.marker.leave(place);
                }
                Ok(())
            }
            Predicate::Not(inner) => {
                for predicate in inner {
                    let place = self.marker.enter(predicate.operator());
                    self.on_encrypted(path, field, predicate)?;
                    self.marker.leave(place);
                }
                Ok(())
            }
            Predicate::Exists(_) | Predicate::Comment(_) => Ok(()),
            other => Err(AnalyzeError::InvalidOperator {
                path: path.to_owned(),
                operator: other.operator().to_owned(),
            }),
        }
    }

    fn constant(
        &mut self,
        path: &str,
        field: &EncryptedField,
        value: &mut RawBson,
    ) -> Result<(), AnalyzeError> {
        if matches!(value, RawBson::RegularExpression(_)) {
            // Even where values of that type are stored: the server would match text with it.
            return Err(AnalyzeError::InvalidOperator {
                path: path.to_owned(),
                operator: "$regex".to_owned(),
            });
        }
        *value = self.marker.mark(field, path, value.as_raw_bson_ref(), Purpose::Compared)?;
        Ok(())
    }
}

/// A predicate on an object that has encrypted fields inside: comparing the whole would compare
/// ciphertext, but whether it is a certain scalar can be asked.
fn on_prefix(path: &str, shape: &Shape, predicate: &Predicate) -> Result<(), AnalyzeError> {
    let refused = || AnalyzeError::PrefixOperator {
        path: path.to_owned(),
        operator: predicate.operator().to_owned(),
        encrypted: below(path, shape),
    };
    let scalar = |value: &RawBson| match value {
        RawBson::Document(_) | RawBson::Array(_) => {
            let kind = type_name(value.element_type());
            Err(AnalyzeError::PrefixValue { path: path.to_owned(), kind })
        }
        _ => Ok(()),
    };
    match predicate {
        Predicate::Exists(_) | Predicate::Comment(_) => Ok(()),
        _ if !matches!(shape, Shape::Object(_)) => Err(refused()),
        Predicate::Eq(value)
        | Predicate::Ne(value)
        | Predicate::Gt(value)
        | Predicate::Gte(value)
        | Predicate::Lt(value)
        | Predicate::Lte(value) => scalar(value),
        Predicate::In(values) | Predicate::Nin(values) => values.iter().try_for_each(scalar),
        Predicate::Not(inner) => {
            inner.iter().try_for_each(|predicate| on_prefix(path, shape, predicate))
        }
        _ => Err(refused()),
    }
}

/// Whether the ciphertexts of a field can be compared at all.
pub(crate) fn check_queryable(path: &str, field: &EncryptedField) -> Result<(), AnalyzeError> {
    match field.algorithm() {
        Algorithm::Deterministic => Ok(()),
        Algorithm::Random => Err(AnalyzeError::RandomQuery { path: path.to_owned() }),
    }
}

/// The path of an encrypted field below `path`.
pub(crate) fn below(path: &str, shape: &Shape) -> String {
    match shape.example() {
        Some(example) if !example.is_empty() => format!("{path}.{example}"),
        _ => path.to_owned(),
    }
}

fn unsupported(operator: &str) -> AnalyzeError {
    AnalyzeError::UnsupportedOperator { operator: operator.to_owned() }
}

/// Whether a value is a document of operators, and not one to be equal to.
fn holds_operators(document: &RawDocument) -> bool {
    matches!(
        document.iter().next(),
        Some(Ok((name, _)))
            if name.as_str().starts_with('$') && !matches!(name.as_str(), "$ref" | "$id" | "$db")
    )
}

#[cfg(test)]
mod tests;
