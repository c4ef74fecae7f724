//! `$push`, `$addToSet`, `$pull`.

use std::cmp::Ordering;

use bson::raw::{RawBson, RawBsonRef};
use fieldveil_query::collation::Collation;
use fieldveil_query::document::single;
use fieldveil_query::filter::Filter;
use fieldveil_query::sort::{Sort, SortOrder};
use fieldveil_query::update::{PullCondition, Push, PushSort};
use fieldveil_query::value::compare_with;
use fieldveil_query::{FieldPath, QueryError};

use super::Scope;
use super::plan::find;
use super::tree::Tree;
use crate::eval::Context;
use crate::eval::matcher::Matcher;

/// Which elements `$pull` takes out.
pub(super) enum Condition {
    Equal(RawBson),
    Object(Matcher),
    /// The element is wrapped as the field `""`.
    Wrapped(Matcher),
}

impl Condition {
    pub(super) fn compile(
        condition: &PullCondition,
        context: &Context,
    ) -> Result<Self, QueryError> {
        Ok(match condition {
            PullCondition::Value(value) => Self::Equal(value.clone()),
            PullCondition::Object(filter) => Self::Object(Matcher::compile(filter, context)?),
            PullCondition::Predicates(predicates) => {
                let parts = predicates
                    .iter()
                    .map(|predicate| Filter::Field {
                        path: FieldPath::new(""),
                        predicate: predicate.clone(),
                    })
                    .collect();
                Self::Wrapped(Matcher::compile(&Filter::And(parts), context)?)
            }
        })
    }

    fn takes(&self, value: RawBsonRef<'_>, scope: &Scope<'_>) -> Result<bool, QueryError> {
        match self {
            Self::Equal(wanted) => Ok(same(wanted.as_raw_bson_ref(), value, scope)),
            Self::Object(matcher) => match value {
                RawBsonRef::Document(document) => matcher.matches(document),
                _ => Ok(false),
            },
            Self::Wrapped(matcher) => matcher.matches(&single("", value)),
        }
    }
}

/// The elements of an array, or the error for what is none.
pub(super) fn items(
    value: &mut Tree,
    error: impl FnOnce() -> QueryError,
) -> Result<&mut Vec<Tree>, QueryError> {
    value.expand()?;
    match value {
        Tree::Array(items) => Ok(items),
        Tree::Document(_) | Tree::Raw(_) => Err(error()),
    }
}

fn same(left: RawBsonRef<'_>, right: RawBsonRef<'_>, scope: &Scope<'_>) -> bool {
    compare_with(left, right, scope.collation.as_deref()) == Ordering::Equal
}

pub(super) fn push(
    items: &mut Vec<Tree>,
    push: &Push,
    scope: &Scope<'_>,
) -> Result<(), QueryError> {
    let at = match push.position {
        None => items.len(),
        Some(position) => index(position, items.len()),
    };
    let new: Vec<Tree> = push.values.iter().cloned().map(Tree::Raw).collect();
    items.splice(at..at, new);
    if let Some(order) = &push.sort {
        sort(items, order, scope)?;
    }
    if let Some(slice) = push.slice {
        let keep = usize::try_from(slice.unsigned_abs()).unwrap_or(usize::MAX).min(items.len());
        if slice < 0 {
            items.drain(..items.len() - keep);
        } else {
            items.truncate(keep);
        }
    }
    Ok(())
}

/// A place in an array; negative ones count from the end.
fn index(position: i64, len: usize) -> usize {
    let distance = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
    if position < 0 { len.saturating_sub(distance) } else { distance.min(len) }
}

fn sort(items: &mut Vec<Tree>, order: &PushSort, scope: &Scope<'_>) -> Result<(), QueryError> {
    let collation = scope.collation.as_deref();
    let mut keyed = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        keyed.push(item.to_bson()?);
    }
    keyed.sort_by(|left, right| {
        let (left, right) = (left.as_raw_bson_ref(), right.as_raw_bson_ref());
        match order {
            PushSort::Elements { descending } => {
                let order = compare_with(left, right, collation);
                if *descending { order.reverse() } else { order }
            }
            PushSort::Fields(sort) => by_fields(sort, left, right, scope),
        }
    });
    items.extend(keyed.into_iter().map(Tree::Raw));
    Ok(())
}

fn by_fields(
    sort: &Sort,
    left: RawBsonRef<'_>,
    right: RawBsonRef<'_>,
    scope: &Scope<'_>,
) -> Ordering {
    let value = |item: RawBsonRef<'_>, path: &FieldPath| match item {
        RawBsonRef::Document(document) => {
            find(document, path).ok().flatten().map_or(RawBson::Null, RawBson::from)
        }
        _ => RawBson::Null,
    };
    for key in &sort.keys {
        let (left, right) = (value(left, &key.path), value(right, &key.path));
        let order = compare_with(
            left.as_raw_bson_ref(),
            right.as_raw_bson_ref(),
            scope.collation.as_deref(),
        );
        let order = if key.order == SortOrder::Descending { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

pub(super) fn add_to_set(
    items: &mut Vec<Tree>,
    values: &[RawBson],
    scope: &Scope<'_>,
) -> Result<(), QueryError> {
    let sorted = Sorted::new(values, scope);
    let mut is_known: Vec<bool> = sorted.values.iter().map(|_| false).collect();
    for item in items.iter() {
        let place = match item.as_raw() {
            Some(item) => sorted.find(item),
            None => sorted.find(item.to_bson()?.as_raw_bson_ref()),
        };
        if let Some(known) = place.and_then(|place| is_known.get_mut(place)) {
            *known = true;
        }
    }
    let new = sorted.values.into_iter().zip(is_known).filter(|(_, is_known)| !is_known);
    let mut new: Vec<_> = new.map(|(value, _)| value).collect();
    new.sort_by_key(|(number, _)| *number);
    items.extend(new.into_iter().map(|(_, value)| Tree::Raw(value.clone())));
    Ok(())
}

/// Values in BSON's order, of equal ones the first, each with its number.
struct Sorted<'a> {
    values: Vec<(usize, &'a RawBson)>,
    collation: Option<&'a Collation>,
}

impl<'a> Sorted<'a> {
    fn new(values: &'a [RawBson], scope: &'a Scope<'_>) -> Self {
        let collation = scope.collation.as_deref();
        let order = |left: &RawBson, right: &RawBson| {
            compare_with(left.as_raw_bson_ref(), right.as_raw_bson_ref(), collation)
        };
        let mut values: Vec<_> = values.iter().enumerate().collect();
        values.sort_by(|(_, left), (_, right)| order(left, right));
        values.dedup_by(|(_, later), (_, earlier)| order(later, earlier).is_eq());
        Self { values, collation }
    }

    /// The place of an equal value.
    fn find(&self, value: RawBsonRef<'_>) -> Option<usize> {
        let order = |(_, known): &(usize, &RawBson)| {
            compare_with(known.as_raw_bson_ref(), value, self.collation)
        };
        self.values.binary_search_by(order).ok()
    }
}

pub(super) fn pull(
    items: &mut Vec<Tree>,
    condition: &Condition,
    scope: &Scope<'_>,
) -> Result<(), QueryError> {
    retain(items, |value| Ok(!condition.takes(value, scope)?))
}

pub(super) fn pull_all(
    items: &mut Vec<Tree>,
    values: &[RawBson],
    scope: &Scope<'_>,
) -> Result<(), QueryError> {
    let pulled = Sorted::new(values, scope);
    retain(items, |value| Ok(pulled.find(value).is_none()))
}

fn retain(
    items: &mut Vec<Tree>,
    mut keep: impl FnMut(RawBsonRef<'_>) -> Result<bool, QueryError>,
) -> Result<(), QueryError> {
    let mut kept = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        let value = item.to_bson()?;
        if keep(value.as_raw_bson_ref())? {
            kept.push(Tree::Raw(value));
        }
    }
    *items = kept;
    Ok(())
}
