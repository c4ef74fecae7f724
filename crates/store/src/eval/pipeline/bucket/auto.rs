//! `$bucketAuto`.
//!
//! All documents are sorted, on disk if they do not fit into memory, and then read in order, so that
//! one bucket is held at a time.

use bson::raw::{RawBson, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::document::append;
use fieldveil_query::expression::Expression;
use fieldveil_query::pipeline::Accumulator;
use fieldveil_query::sort::Sort;
use fieldveil_query::value::compare_with;

use super::granularity::Granularity;
use super::outputs;
use crate::eval::expression::Compiled;
use crate::eval::pipeline::group::Fields;
use crate::eval::pipeline::packed::{self, Rows};
use crate::eval::pipeline::{Budget, Documents, Environment, deferred};

/// Buckets of about equal size; equal values share one. With a granularity, bounds are numbers of its
/// series.
pub(in crate::eval::pipeline) fn bucket_auto(
    input: Documents,
    group_by: &Expression,
    buckets: i64,
    output: Option<&[(String, Accumulator)]>,
    granularity: Option<&str>,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let group_by = Compiled::compile(group_by, &environment.context)?;
    let fields = Fields::compile("$bucketAuto", &outputs(output), environment)?;
    let granularity = granularity.map(Granularity::named).transpose()?;
    let wanted = usize::try_from(buckets).unwrap_or(usize::MAX);
    let environment = environment.clone();
    Ok(deferred(move || {
        let mut sorter = packed::sorter(&Sort::default(), environment.memory_limit, &environment)?;
        let mut count = 0_usize;
        for document in input {
            let document = document?;
            let value = group_by.evaluate(&document, &environment.context)?;
            let value = value.unwrap_or(RawBson::Null);
            if granularity.is_some() {
                Granularity::check(&value)?;
            }
            sorter.add(0, packed::pack(&value, &document)?)?;
            count += 1;
        }
        let size = (count as f64 / wanted as f64).round().max(1.0) as usize;
        let rows = Rows::new(sorter.finish()?, environment)?;
        let buckets = Buckets { rows, fields, wanted, size, granularity, made: 0, low: None };
        Ok(Box::new(buckets))
    }))
}

/// Makes the buckets.
struct Buckets {
    rows: Rows,
    fields: Fields,
    /// How many buckets there may be.
    wanted: usize,
    /// How many documents a bucket has unless values are equal or bounds are rounded.
    size: usize,
    granularity: Option<Granularity>,
    made: usize,
    /// Where the next bucket begins, if one came before it.
    low: Option<RawBson>,
}

impl Buckets {
    fn next_bucket(&mut self) -> Result<Option<RawDocumentBuf>, QueryError> {
        let Some((mut last, first)) = self.rows.take()? else { return Ok(None) };
        self.made += 1;
        let low = match (self.low.take(), &self.granularity) {
            (Some(low), _) => low,
            (None, Some(granularity)) => granularity.below(&last),
            (None, None) => last.clone(),
        };
        let mut states = self.fields.start(&first)?;
        let mut budget = Budget::new("$bucketAuto", self.rows.environment());
        let mut add = |document: &RawDocumentBuf| {
            self.fields.add(&mut states, document, &mut budget)?;
            budget.check()
        };
        add(&first)?;
        let size = if self.made == self.wanted { usize::MAX } else { self.size };
        for _ in 1..size {
            let Some((value, document)) = self.rows.take()? else { break };
            add(&document)?;
            last = value;
        }
        let collation = self.rows.environment().context.collation.clone();
        let order = |left: &RawBson, right: &RawBson| {
            compare_with(left.as_raw_bson_ref(), right.as_raw_bson_ref(), collation.as_deref())
        };
        let rounded = self.granularity.as_ref().and_then(|granularity| granularity.above(&last));
        // What is below the bound belongs here; without a bound, what equals the last value.
        let belongs = |value: &RawBson| match &rounded {
            Some(bound) => order(value, bound).is_lt(),
            None => order(value, &last).is_eq(),
        };
        while let Some((_, document)) = self.rows.take_if(belongs)? {
            add(&document)?;
        }
        let high = match (rounded, self.rows.peek(), &self.granularity) {
            (Some(bound), _, _) => bound,
            (None, Some(next), Some(granularity)) => granularity.below(next),
            (None, Some(next), None) => next.clone(),
            (None, None, _) => last,
        };
        self.low = Some(high.clone());
        let mut id = RawDocumentBuf::new();
        append(&mut id, "min", &low)?;
        append(&mut id, "max", &high)?;
        self.fields.finish(Some(RawBson::Document(id)), states).map(Some)
    }
}

impl Iterator for Buckets {
    type Item = Result<RawDocumentBuf, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_bucket().transpose()
    }
}
