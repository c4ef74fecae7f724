//! Ordering documents.
//!
//! A document sorts by one key out of those that its arrays give: the smallest in the sort's own
//! order. Keys that go through the same array take their parts from the same element.

use std::cmp::Ordering;
use std::sync::Arc;

use bson::raw::{RawBson, RawBsonRef, RawDocument};
use fieldveil_query::collation::Collation;
use fieldveil_query::document::field;
use fieldveil_query::sort::{Sort, SortOrder};
use fieldveil_query::value::compare_with;
use fieldveil_query::{QueryError, array_index};

use super::Context;

/// A sort pattern ready to be applied.
#[derive(Clone)]
pub struct Sorter {
    keys: Vec<Key>,
    collation: Option<Arc<Collation>>,
}

#[derive(Clone)]
struct Key {
    components: Vec<String>,
    descending: bool,
}

/// What a document sorts by.
pub type SortValues = Vec<RawBson>;

/// How far one key has come on its path.
#[derive(Clone, Copy)]
struct State<'a> {
    value: Option<RawBsonRef<'a>>,
    rest: &'a [String],
    /// An element of an array at the end of the path is taken as it is.
    done: bool,
}

impl Sorter {
    /// Compiles a pattern. `$natural` is the caller's business and must be taken out before.
    ///
    /// # Errors
    /// `NotImplemented` for `$meta` and `$natural`.
    pub fn compile(sort: &Sort, context: &Context) -> Result<Self, QueryError> {
        let mut keys = Vec::with_capacity(sort.keys.len());
        for key in &sort.keys {
            if let SortOrder::Meta(_) = key.order {
                return Err(QueryError::not_supported("sorting by $meta"));
            }
            if key.path.as_str() == "$natural" {
                return Err(QueryError::not_supported("sorting by $natural here"));
            }
            keys.push(Key {
                components: key.path.components().map(str::to_owned).collect(),
                descending: key.order == SortOrder::Descending,
            });
        }
        Ok(Self { keys, collation: context.collation.clone() })
    }

    /// The values a document sorts by.
    ///
    /// # Errors
    /// 2 (`BadValue`) if two keys go through different arrays.
    pub fn key(&self, document: &RawDocument) -> Result<SortValues, QueryError> {
        let states = self
            .keys
            .iter()
            .map(|key| State {
                value: Some(RawBsonRef::Document(document)),
                rest: &key.components,
                done: false,
            })
            .collect();
        let mut best = None;
        self.expand(states, &mut best)?;
        Ok(best.unwrap_or_default())
    }

    /// The order of two documents' values.
    pub fn compare(&self, left: &[RawBson], right: &[RawBson]) -> Ordering {
        for (key, (left, right)) in self.keys.iter().zip(left.iter().zip(right)) {
            let order = compare_with(
                left.as_raw_bson_ref(),
                right.as_raw_bson_ref(),
                self.collation.as_deref(),
            );
            let order = if key.descending { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }

    /// Follows all keys; an array in their way makes one combination for each element.
    fn expand<'a>(
        &self,
        mut states: Vec<State<'a>>,
        best: &mut Option<SortValues>,
    ) -> Result<(), QueryError> {
        let mut array = None;
        for state in &mut states {
            advance(state)?;
            if let (Some(RawBsonRef::Array(found)), false) = (state.value, state.done) {
                match array {
                    None => array = Some(found),
                    Some(known) if std::ptr::eq(known, found) => {}
                    Some(_) => {
                        return Err(QueryError::bad_value(
                            "cannot sort with keys that are parallel arrays",
                        ));
                    }
                }
            }
        }
        let Some(array) = array else {
            let values: SortValues = states
                .iter()
                .map(|state| state.value.map_or(RawBson::Null, RawBson::from))
                .collect();
            if best.as_ref().is_none_or(|best| self.compare(&values, best).is_lt()) {
                *best = Some(values);
            }
            return Ok(());
        };
        let mut is_empty = true;
        for element in array {
            let element = element?;
            is_empty = false;
            self.expand(with_element(&states, array, Some(element)), best)?;
        }
        if is_empty {
            self.expand(with_element(&states, array, None), best)?;
        }
        Ok(())
    }
}

/// Walks through documents, and through arrays where the path names an index.
fn advance(state: &mut State<'_>) -> Result<(), QueryError> {
    while !state.done {
        let Some((first, rest)) = state.rest.split_first() else {
            state.done = !matches!(state.value, Some(RawBsonRef::Array(_)));
            return Ok(());
        };
        match state.value {
            Some(RawBsonRef::Document(document)) => state.value = field(document, first)?,
            Some(RawBsonRef::Array(array)) => match array_index(first) {
                Some(index) => state.value = array.get(index)?,
                None => return Ok(()),
            },
            _ => {
                state.value = None;
                state.done = true;
                return Ok(());
            }
        }
        state.rest = rest;
    }
    Ok(())
}

/// The states with the array replaced by one of its elements; without any, by what an empty array
/// sorts as: undefined at the end of the path, null on the way.
fn with_element<'a>(
    states: &[State<'a>],
    array: &'a bson::RawArray,
    element: Option<RawBsonRef<'a>>,
) -> Vec<State<'a>> {
    states
        .iter()
        .map(|state| {
            let at_array = !state.done
                && matches!(state.value, Some(RawBsonRef::Array(found)) if std::ptr::eq(found, array));
            if !at_array {
                return *state;
            }
            let at_end = state.rest.is_empty();
            let value = match element {
                Some(element) if at_end || matches!(element, RawBsonRef::Document(_)) => Some(element),
                Some(_) => None,
                None => at_end.then_some(RawBsonRef::Undefined),
            };
            State { value, rest: state.rest, done: at_end || value.is_none() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use bson::{DateTime, RawDocumentBuf, rawbson, rawdoc};

    use super::*;

    fn sorter(pattern: RawDocumentBuf) -> Sorter {
        let context = Context::new(DateTime::from_millis(0));
        Sorter::compile(&Sort::parse(&pattern).unwrap(), &context).unwrap()
    }

    #[test]
    fn arrays_sort_by_their_extreme_element() {
        for (pattern, document, key) in [
            (rawdoc! { "a": 1 }, rawdoc! { "a": [3, 1, 2] }, rawbson!([1])),
            (rawdoc! { "a": -1 }, rawdoc! { "a": [3, 1, 2] }, rawbson!([3])),
            (rawdoc! { "a": 1 }, rawdoc! {}, rawbson!([null])),
            (rawdoc! { "a": 1 }, rawdoc! { "a": [] }, RawBson::Undefined),
            (rawdoc! { "a.b": 1 }, rawdoc! { "a": [{ "b": 2 }, { "b": 1 }] }, rawbson!([1])),
            (rawdoc! { "a.b": 1 }, rawdoc! { "a": [] }, rawbson!([null])),
            (rawdoc! { "a.1": 1 }, rawdoc! { "a": [5, 4] }, rawbson!([4])),
            (
                rawdoc! { "a.x": 1, "a.y": 1 },
                rawdoc! { "a": [{ "x": 1, "y": 5 }, { "x": 2, "y": 1 }] },
                rawbson!([1, 5]),
            ),
            (rawdoc! { "a": 1, "b": -1 }, rawdoc! { "a": [2, 1], "b": 7 }, rawbson!([1, 7])),
        ] {
            let found = sorter(pattern.clone()).key(&document).unwrap();
            let expected: Vec<RawBson> = match &key {
                RawBson::Array(list) => {
                    list.into_iter().map(|v| RawBson::from(v.unwrap())).collect()
                }
                other => vec![other.clone()],
            };
            assert_eq!(found, expected, "{pattern:?} {document:?}");
        }
    }

    #[test]
    fn parallel_arrays_are_refused() {
        let error = sorter(rawdoc! { "a": 1, "b": 1 }).key(&rawdoc! { "a": [1], "b": [1] });
        assert_eq!(error.unwrap_err().code(), 2);
    }
}
