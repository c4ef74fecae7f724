//! Which values a dotted path leads to, through arrays.
//!
//! A path fans out over the elements of every array on its way; a numeric component also names the
//! element with that index. At the end of the path an array stands for its elements and then for
//! itself, unless the caller wants it whole.

use bson::raw::{RawArray, RawBsonRef, RawDocument};
use fieldveil_query::document::field;
use fieldveil_query::{QueryError, array_index};

/// A path split into components once.
#[derive(Debug, Clone)]
pub struct Path {
    components: Vec<Component>,
}

#[derive(Debug, Clone)]
struct Component {
    name: String,
    index: Option<usize>,
}

/// What an array at the end of a path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// Each element, then the array.
    Elements,
    /// The array only.
    Whole,
}

/// A value found, with the index in the outermost array the path fanned out over.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// `None` where a document lacks the field.
    pub value: Option<RawBsonRef<'a>>,
    /// The element of the outermost array.
    pub position: Option<usize>,
}

/// Takes a found value; `true` ends the walk.
pub type Visitor<'v, 'a> = dyn FnMut(Found<'a>) -> Result<bool, QueryError> + 'v;

impl Path {
    /// Splits a dotted path.
    pub fn new(path: &str) -> Self {
        let components = path
            .split('.')
            .map(|name| Component { name: name.to_owned(), index: array_index(name) })
            .collect();
        Self { components }
    }

    /// Visits what the path leads to, until the visitor says `true`; whether it did.
    ///
    /// # Errors
    /// The visitor's, and `InvalidBSON`.
    pub fn visit<'a>(
        &self,
        document: &'a RawDocument,
        at_end: AtEnd,
        visitor: &mut Visitor<'_, 'a>,
    ) -> Result<bool, QueryError> {
        walk(document, &self.components, at_end, None, visitor)
    }
}

fn walk<'a>(
    document: &'a RawDocument,
    components: &[Component],
    at_end: AtEnd,
    position: Option<usize>,
    visitor: &mut Visitor<'_, 'a>,
) -> Result<bool, QueryError> {
    let Some((first, rest)) = components.split_first() else { return Ok(false) };
    let value = field(document, &first.name)?;
    step(value, rest, at_end, position, visitor)
}

/// At a value, with `rest` of the path to go.
fn step<'a>(
    value: Option<RawBsonRef<'a>>,
    rest: &[Component],
    at_end: AtEnd,
    position: Option<usize>,
    visitor: &mut Visitor<'_, 'a>,
) -> Result<bool, QueryError> {
    match value {
        Some(RawBsonRef::Array(array)) if rest.is_empty() => {
            if at_end == AtEnd::Elements && elements(array, position, visitor)? {
                return Ok(true);
            }
            visitor(Found { value, position })
        }
        Some(RawBsonRef::Array(array)) => fan_out(array, rest, at_end, position, visitor),
        Some(RawBsonRef::Document(inner)) if !rest.is_empty() => {
            walk(inner, rest, at_end, position, visitor)
        }
        // A scalar has no fields.
        Some(_) if !rest.is_empty() => visitor(Found { value: None, position }),
        _ => visitor(Found { value, position }),
    }
}

fn elements<'a>(
    array: &'a RawArray,
    position: Option<usize>,
    visitor: &mut Visitor<'_, 'a>,
) -> Result<bool, QueryError> {
    for (index, element) in array.into_iter().enumerate() {
        let found = Found { value: Some(element?), position: position.or(Some(index)) };
        if visitor(found)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn fan_out<'a>(
    array: &'a RawArray,
    rest: &[Component],
    at_end: AtEnd,
    position: Option<usize>,
    visitor: &mut Visitor<'_, 'a>,
) -> Result<bool, QueryError> {
    let named = rest.first().and_then(|component| component.index);
    for (index, element) in array.into_iter().enumerate() {
        let element = element?;
        if let RawBsonRef::Document(inner) = element
            && walk(inner, rest, at_end, position.or(Some(index)), visitor)?
        {
            return Ok(true);
        }
        if named == Some(index) {
            let below = rest.get(1..).unwrap_or_default();
            // An element named by its index is taken as it is, also when it is an array.
            let stop = if below.is_empty() {
                visitor(Found { value: Some(element), position })?
            } else if matches!(element, RawBsonRef::Document(_) | RawBsonRef::Array(_)) {
                step(Some(element), below, at_end, position, visitor)?
            } else {
                false
            };
            if stop {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    fn found(document: &RawDocument, path: &str, at_end: AtEnd) -> Vec<String> {
        let mut list = Vec::new();
        Path::new(path)
            .visit(document, at_end, &mut |found| {
                list.push(match found.value {
                    Some(RawBsonRef::Int32(value)) => value.to_string(),
                    Some(RawBsonRef::Array(_)) => "array".into(),
                    Some(RawBsonRef::Document(_)) => "document".into(),
                    Some(_) => "other".into(),
                    None => "missing".into(),
                });
                Ok(false)
            })
            .unwrap();
        list
    }

    #[test]
    fn paths_fan_out_over_arrays() {
        for (document, path, expected) in [
            (rawdoc! { "a": 1 }, "a", vec!["1"]),
            (rawdoc! { "a": 1 }, "b", vec!["missing"]),
            (rawdoc! { "a": 1 }, "a.b", vec!["missing"]),
            (rawdoc! { "a": [1, 2] }, "a", vec!["1", "2", "array"]),
            (rawdoc! { "a": [] }, "a", vec!["array"]),
            (rawdoc! { "a": [] }, "a.b", vec![]),
            (rawdoc! { "a": [{ "b": 1 }, 5, { "c": 1 }] }, "a.b", vec!["1", "missing"]),
            (rawdoc! { "a": [{ "b": [1, 2] }] }, "a.b", vec!["1", "2", "array"]),
            (rawdoc! { "a": [[{ "b": 1 }]] }, "a.b", vec![]),
            (rawdoc! { "a": [[{ "b": 1 }]] }, "a.0.b", vec!["1"]),
            (rawdoc! { "a": [5, 7, 3] }, "a.1", vec!["7"]),
            (rawdoc! { "a": [5, [2, 4], 3] }, "a.1", vec!["array"]),
            (rawdoc! { "a": [5, { "1": 4 }, 3] }, "a.1", vec!["4", "document"]),
        ] {
            assert_eq!(found(&document, path, AtEnd::Elements), expected, "{document:?} {path}");
        }
        assert_eq!(found(&rawdoc! { "a": [1] }, "a", AtEnd::Whole), ["array"]);
    }
}
