//! Array filters: which elements `$[identifier]` means.

use bson::raw::{RawArray, RawBsonRef, RawDocumentBuf};

use super::Update;
use crate::QueryError;
use crate::filter::Filter;

/// One array filter.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayFilter {
    /// The name in `$[name]`.
    pub identifier: String,
    /// Its paths begin with the identifier.
    pub filter: Filter,
}

impl ArrayFilter {
    /// Prints the filter.
    pub fn to_raw(&self) -> RawDocumentBuf {
        self.filter.to_raw()
    }
}

/// Parses `arrayFilters` and checks them against the update: each identifier of a path must have
/// its filter, and each filter be used.
///
/// # Errors
/// 9 (`FailedToParse`) and 2 (`BadValue`) with the server's texts.
pub fn parse_array_filters(
    filters: Option<&RawArray>,
    update: &Update,
) -> Result<Vec<ArrayFilter>, QueryError> {
    let mut list: Vec<ArrayFilter> = Vec::new();
    for item in filters.into_iter().flatten() {
        let RawBsonRef::Document(document) = item? else {
            return Err(QueryError::type_mismatch("Each array filter must be an object"));
        };
        let filter = Filter::parse(document).map_err(in_array_filter)?;
        let identifier = identifier(&filter)?;
        if list.iter().any(|known| known.identifier == identifier) {
            return Err(QueryError::failed_to_parse(format!(
                "Found multiple array filters with the same top-level field name {identifier}"
            )));
        }
        list.push(ArrayFilter { identifier, filter });
    }
    let modifiers = match update {
        Update::Operators(modifiers) => modifiers.as_slice(),
        Update::Pipeline(_) if !list.is_empty() => {
            return Err(QueryError::failed_to_parse(
                "arrayFilters may not be specified for pipeline-style updates",
            ));
        }
        Update::Replacement(_) | Update::Pipeline(_) => &[],
    };
    let mut used = vec![false; list.len()];
    for modifier in modifiers {
        for name in modifier.path.components().filter_map(component_identifier) {
            match list.iter().position(|filter| filter.identifier == name) {
                Some(index) => {
                    if let Some(used) = used.get_mut(index) {
                        *used = true;
                    }
                }
                None => {
                    return Err(QueryError::bad_value(format!(
                        "No array filter found for identifier '{name}' in path '{}'",
                        modifier.path
                    )));
                }
            }
        }
    }
    for (filter, used) in list.iter().zip(used) {
        if !used {
            return Err(QueryError::failed_to_parse(format!(
                "The array filter for identifier '{}' was not used in the update",
                filter.identifier
            )));
        }
    }
    Ok(list)
}

/// The name in `$[name]`.
pub(super) fn component_identifier(component: &str) -> Option<&str> {
    component.strip_prefix("$[")?.strip_suffix(']').filter(|name| !name.is_empty())
}

/// The one first component of all paths of the filter.
fn identifier(filter: &Filter) -> Result<String, QueryError> {
    let mut names = Vec::new();
    collect(filter, &mut names)?;
    let Some(first) = names.first() else {
        return Err(QueryError::failed_to_parse(
            "Cannot use an expression without a top-level field name in arrayFilters",
        ));
    };
    if let Some(other) = names.iter().find(|name| *name != first) {
        return Err(QueryError::failed_to_parse(format!(
            "Error parsing array filter :: caused by :: Expected a single top-level field name, \
             found '{first}' and '{other}'"
        )));
    }
    let valid = first.starts_with(|c: char| c.is_ascii_lowercase())
        && first.chars().all(|c| c.is_ascii_alphanumeric());
    if !valid {
        return Err(QueryError::bad_value(format!(
            "Error parsing array filter :: caused by :: The top-level field name must be an \
             alphanumeric string beginning with a lowercase letter, found '{first}'"
        )));
    }
    Ok(first.clone())
}

fn collect(filter: &Filter, names: &mut Vec<String>) -> Result<(), QueryError> {
    match filter {
        Filter::And(parts) | Filter::Or(parts) | Filter::Nor(parts) => {
            parts.iter().try_for_each(|part| collect(part, names))
        }
        Filter::Field { path, .. } => {
            names.push(path.first().to_owned());
            Ok(())
        }
        Filter::Comment(_) | Filter::AlwaysTrue | Filter::AlwaysFalse => Ok(()),
        Filter::Expr(_) => Err(not_allowed("$expr")),
        Filter::JsonSchema(_) => Err(not_allowed("$jsonSchema")),
        Filter::Text(_) => Err(not_allowed("$text")),
        Filter::Where(_) => Err(not_allowed("$where")),
        Filter::SampleRate(_) => Err(not_allowed("$sampleRate")),
    }
}

fn not_allowed(operator: &str) -> QueryError {
    QueryError::new(224, format!("{operator} is not allowed in this context"))
}

fn in_array_filter(error: QueryError) -> QueryError {
    QueryError::new(
        error.code(),
        format!("Error parsing array filter :: caused by :: {}", error.message()),
    )
}
