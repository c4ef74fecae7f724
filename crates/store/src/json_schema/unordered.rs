//! Comparison in which the order of a document's fields means nothing, as `enum` and `uniqueItems`
//! have it.

use std::cmp::Ordering;

use bson::raw::{RawBsonRef, RawDocument};
use fieldveil_query::value;

pub(super) fn equal(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> bool {
    compare(left, right).is_eq()
}

pub(super) fn compare(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> Ordering {
    match (left, right) {
        (RawBsonRef::Document(left), RawBsonRef::Document(right)) => {
            let (left, right) = (sorted(left), sorted(right));
            left.iter()
                .zip(&right)
                .map(|(left, right)| left.0.cmp(right.0).then_with(|| compare(left.1, right.1)))
                .find(|order| order.is_ne())
                .unwrap_or_else(|| left.len().cmp(&right.len()))
        }
        (RawBsonRef::Array(left), RawBsonRef::Array(right)) => {
            let (mut left, mut right) = (left.into_iter(), right.into_iter());
            loop {
                match (left.next(), right.next()) {
                    (Some(Ok(left)), Some(Ok(right))) => match compare(left, right) {
                        Ordering::Equal => {}
                        order => return order,
                    },
                    (left, right) => return left.is_some().cmp(&right.is_some()),
                }
            }
        }
        _ => value::compare(left, right),
    }
}

fn sorted(document: &RawDocument) -> Vec<(&str, RawBsonRef<'_>)> {
    let mut fields: Vec<_> = super::fields(document).collect();
    fields.sort_by(|left, right| left.0.cmp(right.0));
    fields
}
