//! `$sort` and `$sample`.

use bson::raw::RawDocumentBuf;
use fieldveil_query::QueryError;
use fieldveil_query::sort::Sort;

use super::{Budget, Documents, Environment, deferred, listed, size_of};
use crate::eval::random_fraction;
use crate::eval::sort::{SortValues, Sorter};

/// Sorts; with a limit after it, only so many documents are held.
pub(super) fn sort(
    input: Documents,
    sort: &Sort,
    limit: Option<usize>,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let sorter = Sorter::compile(sort, &environment.context)?;
    let mut budget = Budget::new("Sort", environment);
    Ok(deferred(move || {
        let mut held: Vec<(SortValues, RawDocumentBuf)> = Vec::new();
        // Documents beyond the limit are dropped in batches, which costs less than a heap.
        let batch = limit.map(|limit| limit.saturating_mul(2).max(1024));
        for document in input {
            let document = document?;
            let key = sorter.key(&document)?;
            budget.take(weight(&key, &document))?;
            held.push((key, document));
            if let (Some(limit), Some(batch)) = (limit, batch)
                && held.len() >= batch
            {
                held.sort_by(|(left, _), (right, _)| sorter.compare(left, right));
                for (key, document) in held.drain(limit..) {
                    budget.give_back(weight(&key, &document));
                }
            }
        }
        held.sort_by(|(left, _), (right, _)| sorter.compare(left, right));
        Ok(listed(held.into_iter().map(|(_, document)| document).collect()))
    }))
}

fn weight(key: &SortValues, document: &RawDocumentBuf) -> usize {
    document.as_bytes().len() + key.iter().map(size_of).sum::<usize>()
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
