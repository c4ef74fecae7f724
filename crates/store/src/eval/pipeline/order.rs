//! `$sort` and `$sample`.

use bson::raw::RawDocumentBuf;
use fieldveil_query::QueryError;
use fieldveil_query::sort::Sort;

use super::{Budget, Documents, Environment, deferred, listed};
use crate::eval::random_fraction;
use crate::order::{SortKeys, Sorter};

/// Sorts; with a limit after it, only so many documents are held. What may not be held goes to disk.
pub(super) fn sort(
    input: Documents,
    sort: &Sort,
    limit: Option<usize>,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let keys = SortKeys::new(sort, environment.context.collation.clone())?;
    let mut sorter = Sorter::new(keys, limit.unwrap_or(usize::MAX), environment.sort_budget());
    Ok(deferred(move || {
        for document in input {
            sorter.add(0, document?)?;
        }
        let sorted = sorter.finish()?;
        Ok(Box::new(sorted.map(|row| Ok(row?.1))))
    }))
}

/// Picks at random without repetition (reservoir sampling).
pub(super) fn sample(input: Documents, size: i64, environment: &Environment) -> Documents {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut budget = Budget::new("$sample", environment);
    deferred(move || {
        let mut picked: Vec<RawDocumentBuf> = Vec::new();
        for (seen, document) in input.enumerate() {
            let document = document?;
            if picked.len() < size {
                budget.take(document.as_bytes().len())?;
                let place = (random_fraction() * (picked.len() + 1) as f64) as usize;
                picked.push(document);
                let last = picked.len() - 1;
                picked.swap(place.min(last), last);
                continue;
            }
            let place = (random_fraction() * (seen + 1) as f64) as usize;
            if let Some(old) = picked.get_mut(place) {
                budget.give_back(old.as_bytes().len());
                budget.take(document.as_bytes().len())?;
                *old = document;
            }
        }
        Ok(listed(picked))
    })
}
