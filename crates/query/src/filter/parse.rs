//! Reading filters.

use bson::raw::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use super::{Filter, Predicate};
use crate::expression::Expression;
use crate::value::{BsonType, Number};
use crate::{FieldPath, MAX_DEPTH, QueryError};

mod predicate;

use predicate::predicates;

/// What a filter speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Whole documents.
    Document,
    /// Elements of an array: `$expr`, `$text` and `$where`, which see the whole document, have no
    /// place here.
    Element,
}

pub(crate) fn filter(
    document: &RawDocument,
    scope: Scope,
    depth: usize,
) -> Result<Filter, QueryError> {
    check_depth(depth)?;
    let mut parts = Vec::new();
    for element in document.iter() {
        let (name, value) = element?;
        let name = name.as_str();
        if name.starts_with('$') && !is_dbref_field(name) {
            if let Some(part) = operator(name, value, scope, depth)? {
                parts.push(part);
            }
        } else {
            for predicate in field(name, value, depth)? {
                parts.push(Filter::Field { path: FieldPath::new(name), predicate });
            }
        }
    }
    Ok(match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            Filter::And(parts)
        }
        None => Filter::all(),
    })
}

fn check_depth(depth: usize) -> Result<(), QueryError> {
    if depth > MAX_DEPTH {
        return Err(QueryError::bad_value(format!(
            "exceeded maximum query tree depth of {MAX_DEPTH}"
        )));
    }
    Ok(())
}

fn is_dbref_field(name: &str) -> bool {
    matches!(name, "$ref" | "$id" | "$db")
}

/// What stands beside a field name: a value to equal, or operators.
fn field(name: &str, value: RawBsonRef<'_>, depth: usize) -> Result<Vec<Predicate>, QueryError> {
    match value {
        RawBsonRef::Document(document) if is_operators(document) => {
            predicates(name, document, depth)
        }
        other => Ok(vec![implicit(other)?]),
    }
}

fn implicit(value: RawBsonRef<'_>) -> Result<Predicate, QueryError> {
    match value {
        RawBsonRef::RegularExpression(regex) => {
            predicate::regex(regex.pattern.as_str(), regex.options.as_str())
        }
        RawBsonRef::Undefined => Err(QueryError::bad_value("cannot compare to undefined")),
        other => Ok(Predicate::Eq(RawBson::from(other))),
    }
}

/// Whether a document holds operators; DBRefs (`$ref`, `$id`, `$db`) are values.
fn is_operators(document: &RawDocument) -> bool {
    match document.iter().next() {
        Some(Ok((name, _))) => name.as_str().starts_with('$') && !is_dbref_field(name.as_str()),
        Some(Err(_)) | None => false,
    }
}

fn operator(
    name: &str,
    value: RawBsonRef<'_>,
    scope: Scope,
    depth: usize,
) -> Result<Option<Filter>, QueryError> {
    if scope == Scope::Element && matches!(name, "$expr" | "$text" | "$where") {
        return Err(QueryError::bad_value(format!(
            "{name} can only be applied to the top-level document"
        )));
    }
    Ok(Some(match name {
        "$and" => Filter::And(logical(name, value, scope, depth)?),
        "$or" => Filter::Or(logical(name, value, scope, depth)?),
        "$nor" => Filter::Nor(logical(name, value, scope, depth)?),
        "$expr" => Filter::Expr(Expression::parse(value)?),
        "$jsonSchema" => Filter::JsonSchema(
            document_argument(value)
                .ok_or_else(|| QueryError::type_mismatch("$jsonSchema must be an object"))?,
        ),
        "$text" => Filter::Text(
            document_argument(value)
                .ok_or_else(|| QueryError::bad_value("$text expects an object"))?,
        ),
        "$where" => match value {
            RawBsonRef::String(_)
            | RawBsonRef::JavaScriptCode(_)
            | RawBsonRef::JavaScriptCodeWithScope(_) => Filter::Where(RawBson::from(value)),
            _ => return Err(QueryError::bad_value("$where got bad type")),
        },
        "$comment" => Filter::Comment(RawBson::from(value)),
        "$alwaysTrue" | "$alwaysFalse" => {
            if Number::new(value).and_then(Number::to_i64_exact) != Some(1) {
                return Err(QueryError::failed_to_parse(format!(
                    "{name} must be an integer value of 1"
                )));
            }
            if name == "$alwaysTrue" { Filter::AlwaysTrue } else { Filter::AlwaysFalse }
        }
        "$sampleRate" => sample_rate(value)?,
        // Kept by servers for old clients; they say nothing about documents.
        "$atomic" | "$isolated" => return Ok(None),
        _ => {
            return Err(QueryError::bad_value(format!(
                "unknown top level operator: {name}. If you have a field name that starts with a \
                 '$' symbol, consider using $getField or $setField."
            )));
        }
    }))
}

fn logical(
    name: &str,
    value: RawBsonRef<'_>,
    scope: Scope,
    depth: usize,
) -> Result<Vec<Filter>, QueryError> {
    let RawBsonRef::Array(array) = value else {
        return Err(QueryError::bad_value(format!("{name} must be an array")));
    };
    let mut parts = Vec::new();
    for item in array {
        let RawBsonRef::Document(document) = item? else {
            return Err(QueryError::bad_value("$or/$and/$nor entries need to be full objects"));
        };
        parts.push(filter(document, scope, depth + 1)?);
    }
    if parts.is_empty() {
        return Err(QueryError::bad_value("$and/$or/$nor must be a nonempty array"));
    }
    Ok(parts)
}

fn sample_rate(value: RawBsonRef<'_>) -> Result<Filter, QueryError> {
    let Some(number) = Number::new(value) else {
        return Err(QueryError::bad_value("argument to $sampleRate must be a numeric type"));
    };
    let rate = number.to_f64();
    if !(0.0..=1.0).contains(&rate) {
        return Err(QueryError::bad_value("numeric argument to $sampleRate must be in [0, 1]"));
    }
    Ok(Filter::SampleRate(rate))
}

fn document_argument(value: RawBsonRef<'_>) -> Option<RawDocumentBuf> {
    value.as_document().map(RawDocument::to_owned)
}

fn type_name(value: RawBsonRef<'_>) -> &'static str {
    BsonType::of(value).name()
}
