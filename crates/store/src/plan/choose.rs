//! Choosing an index.
//!
//! Each usable index is judged by what its bounds leave: how many of its first fields are fixed to
//! single values, whether the next one is limited, whether it brings the order asked for, and
//! whether its keys have all that the answer needs. The best one wins; among equals the one with
//! fewer fields, then the older one.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use bson::raw::{RawBson, RawBsonRef, RawDocument};
use fieldveil_query::dependencies::Dependencies;
use fieldveil_query::filter::{ElemMatch, Filter, Predicate};
use fieldveil_query::sort::{Sort, SortOrder};
use fieldveil_query::value::compare_documents;
use fieldveil_query::{FieldPath, has_position};

use super::exact::{are_exact, is_exact_value};
use super::implies::implies;
use super::ranges::{RANGES_MAX, ranges};
use super::spans::{self, SpanSet, Strings};
use super::{Access, Cover, IndexScan, Plan, Wish};
use crate::catalog::{Data, Index};
use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::index_key;
use crate::tables::KeyRange;

pub(super) fn choose(data: &Data, wish: Wish<'_>) -> Result<Plan> {
    let natural = wish.sort.and_then(Sort::natural);
    match wish.hint {
        Some(hint) => hinted(data, wish, hint),
        None if wish.min.is_some() || wish.max.is_some() => Err(StoreError::new(
            Code::location(51173),
            "When using min()/max() a hint of which index to use must be provided",
        )),
        None if natural.is_some() => {
            Ok(Plan { is_sorted: true, ..collection_scan(natural == Some(-1)) })
        }
        None => Ok(unhinted(data, wish)?),
    }
}

fn collection_scan(descending: bool) -> Plan {
    Plan { access: Access::Collection { descending }, is_sorted: false, is_exact: false }
}

fn unhinted(data: &Data, wish: Wish<'_>) -> Result<Plan> {
    let conjuncts = conjuncts(wish.filter);
    if let Some(plan) = by_id(data, &conjuncts, wish)? {
        return Ok(plan);
    }
    if let Some(candidate) = best_index(data, &conjuncts, wish)? {
        return Ok(candidate.into_plan());
    }
    if let Some(scans) = branches(data, &conjuncts, wish)? {
        let is_sorted = wish.sort.is_none();
        return Ok(Plan { access: Access::Union(scans), is_sorted, is_exact: false });
    }
    Ok(Plan { is_sorted: wish.sort.is_none_or(Sort::is_empty), ..collection_scan(false) })
}

fn hinted(data: &Data, wish: Wish<'_>, hint: &RawBson) -> Result<Plan> {
    let found = match hint.as_raw_bson_ref() {
        RawBsonRef::Document(document) if document.is_empty() => return unhinted(data, wish),
        RawBsonRef::Document(document) => {
            if let Some(direction) = document.get("$natural")? {
                let descending = crate::catalog::whole_number(direction).is_some_and(|n| n < 0);
                let is_sorted = wish.sort.is_none_or(Sort::is_empty);
                return Ok(Plan { is_sorted, ..collection_scan(descending) });
            }
            let has_key =
                |index: &&Arc<Index>| compare_documents(&index.spec.key, document).is_eq();
            let agrees = |index: &&Arc<Index>| has_key(index) && wish.agrees_with(index);
            data.indexes.iter().find(agrees).or_else(|| data.indexes.iter().find(has_key))
        }
        RawBsonRef::String(name) => data.index_by_name(name),
        _ => None,
    };
    let index = found.filter(|index| !index.spec.hidden).ok_or_else(|| {
        StoreError::bad_value(
            "error processing query: planner returned error :: caused by :: hint provided does \
             not correspond to an existing index",
        )
    })?;
    if !covers(index, wish) {
        return Err(StoreError::new(
            Code::NO_QUERY_EXECUTION_PLANS,
            "error processing query: planner returned error :: caused by :: No query solutions: \
             the hinted partial index does not cover the filter",
        ));
    }
    if wish.min.is_some() || wish.max.is_some() {
        return between(index, wish);
    }
    let candidate = Candidate::new(index, &conjuncts(wish.filter), wish)?;
    Ok(candidate.into_plan())
}

/// From `min` on, up to but without `max`, in the order of the index.
fn between(index: &Arc<Index>, wish: Wish<'_>) -> Result<Plan> {
    let mut candidate = Candidate::new(index, &[], wish)?;
    let key = |bound: &RawDocument| -> Result<Vec<u8>> {
        let mut key = Vec::new();
        let mut given = bound.iter();
        for field in &index.spec.fields {
            let value = match given.next().transpose()? {
                Some((name, value)) if name.as_str() == field.path => value,
                _ => return Err(unfit_bound()),
            };
            let start = key.len();
            index_key::encode(value, index.spec.collation.as_deref(), &mut key)?;
            if field.descending {
                index_key::invert(key.get_mut(start..).unwrap_or_default());
            }
        }
        if given.next().is_some() { Err(unfit_bound()) } else { Ok(key) }
    };
    let lower = wish.min.map(key).transpose()?;
    let upper = wish.max.map(key).transpose()?;
    // The bounds come from elsewhere, so that they say nothing of the filter.
    candidate.is_exact = false;
    candidate.scan.cover = cover(index, false, wish);
    candidate.scan.ranges = vec![KeyRange {
        lower: lower.map_or(Bound::Unbounded, Bound::Included),
        upper: upper.map_or(Bound::Unbounded, Bound::Excluded),
    }];
    Ok(candidate.into_plan())
}

fn unfit_bound() -> StoreError {
    StoreError::new(
        Code::location(51174),
        "The index chosen is not compatible with min/max: its fields have to be given in order",
    )
}

/// The parts of a filter that all have to hold.
fn conjuncts(filter: &Filter) -> Vec<&Filter> {
    match filter {
        Filter::And(parts) => parts.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// `{_id: value}` needs one look-up.
fn by_id(data: &Data, conjuncts: &[&Filter], wish: Wish<'_>) -> Result<Option<Plan>> {
    let Some(index) = data.indexes.first().filter(|index| index.spec.is_id_index()) else {
        return Ok(None);
    };
    for conjunct in conjuncts {
        let Filter::Field { path, predicate: Predicate::Eq(value) } = conjunct else { continue };
        let value = value.as_raw_bson_ref();
        let is_plain = match value {
            RawBsonRef::Array(_)
            | RawBsonRef::Null
            | RawBsonRef::Undefined
            | RawBsonRef::RegularExpression(_) => false,
            RawBsonRef::String(_) | RawBsonRef::Symbol(_) | RawBsonRef::Document(_) => {
                wish.agrees_with(index)
            }
            _ => true,
        };
        if path.as_str() == "_id" && is_plain {
            let key = index_key::encoded(value, index.spec.collation.as_deref())?;
            let access = Access::Id { index: Arc::clone(index), key };
            let is_exact = conjuncts.len() == 1 && is_exact_value(value);
            return Ok(Some(Plan { access, is_sorted: true, is_exact }));
        }
    }
    Ok(None)
}

fn best_index(data: &Data, conjuncts: &[&Filter], wish: Wish<'_>) -> Result<Option<Candidate>> {
    let mut best: Option<Candidate> = None;
    for index in &data.indexes {
        if index.spec.hidden || !covers(index, wish) {
            continue;
        }
        let candidate = Candidate::new(index, conjuncts, wish)?;
        if !candidate.is_worthwhile() {
            continue;
        }
        if best.as_ref().is_none_or(|best| candidate.score() > best.score()) {
            best = Some(candidate);
        }
    }
    Ok(best)
}

/// Whether every document that is wanted has entries in the index. What a filter implies is found
/// out by bytes, so that collations keep a partial index out of it.
fn covers(index: &Index, wish: Wish<'_>) -> bool {
    index.spec.partial.as_ref().is_none_or(|partial| {
        wish.collation.is_none()
            && index.spec.collation.is_none()
            && implies(wish.filter, partial.filter())
    })
}

/// One scan for each branch of an `$or` that stands among the conjuncts.
fn branches(data: &Data, conjuncts: &[&Filter], wish: Wish<'_>) -> Result<Option<Vec<IndexScan>>> {
    'next: for conjunct in conjuncts {
        let Filter::Or(branches) = conjunct else { continue };
        let mut scans = Vec::with_capacity(branches.len());
        for branch in branches {
            let wish = Wish { filter: branch, sort: None, hint: None, ..wish };
            match best_index(data, &self::conjuncts(branch), wish)? {
                Some(candidate) => scans.push(candidate.scan),
                None => continue 'next,
            }
        }
        if !scans.is_empty() {
            return Ok(Some(scans));
        }
    }
    Ok(None)
}

/// An index and what it would do.
struct Candidate {
    scan: IndexScan,
    /// How many of the first fields are fixed to single values.
    fixed: usize,
    /// Whether the field after those is limited.
    is_limited: bool,
    is_sorted: bool,
    /// Whether the filter selects every document of the ranges.
    is_exact: bool,
    /// Whether documents may be missing from it that the filter selects.
    misses_some: bool,
    was_sort_asked: bool,
}

impl Candidate {
    fn new(index: &Arc<Index>, conjuncts: &[&Filter], wish: Wish<'_>) -> Result<Self> {
        let spec = &index.spec;
        let collation = spec.collation.as_deref();
        let strings = Strings { collation, is_shared: wish.agrees_with(index) };
        let mut bounds = Vec::with_capacity(spec.fields.len());
        for (position, field) in spec.fields.iter().enumerate() {
            let is_multikey = index.multikey.get(position).copied().unwrap_or(true);
            bounds.push(field_spans(conjuncts, &field.path, is_multikey, strings)?);
        }
        let misses_some = spec.sparse && bounds.iter().all(SpanSet::has_null);
        let fixed = bounds.iter().take_while(|spans| is_fixed(spans)).count();
        let is_limited = bounds.get(fixed).is_some_and(|spans| !spans.is_full());
        let direction = match wish.sort {
            Some(sort) if strings.is_shared => order(index, &bounds, sort),
            Some(_) => None,
            None => Some(false),
        };
        let ranges = ranges(index, &bounds);
        let is_exact = ranges.are_complete && are_exact(conjuncts, index, strings);
        let scan = IndexScan {
            index: Arc::clone(index),
            ranges: ranges.list,
            descending: direction.unwrap_or(false),
            cover: cover(index, is_exact, wish),
            bounds,
        };
        Ok(Self {
            scan,
            fixed,
            is_limited,
            is_sorted: direction.is_some(),
            is_exact,
            misses_some,
            was_sort_asked: wish.sort.is_some_and(|sort| !sort.is_empty()),
        })
    }

    /// Whether the index is better than reading all records.
    fn is_worthwhile(&self) -> bool {
        let narrows = self.fixed > 0 || self.is_limited;
        !self.misses_some && (narrows || (self.was_sort_asked && self.is_sorted))
    }

    fn score(&self) -> (usize, bool, bool, bool, usize) {
        let fields = self.scan.index.spec.fields.len();
        let is_covered = self.scan.cover.is_some();
        (self.fixed, self.is_limited, self.is_sorted, is_covered, usize::MAX - fields)
    }

    fn into_plan(self) -> Plan {
        if self.scan.ranges.is_empty() {
            return Plan::nothing();
        }
        Plan {
            access: Access::Index(self.scan),
            is_sorted: self.is_sorted,
            is_exact: self.is_exact,
        }
    }
}

/// How the index answers alone, if it does. A filter that its bounds do not apply has to be applied
/// to what its keys give.
fn cover(index: &Index, is_exact: bool, wish: Wish<'_>) -> Option<Arc<Cover>> {
    let needs = wish.needs?;
    let mut filtered = Dependencies::default();
    if !is_exact {
        filtered.add_filter(wish.filter)?;
    }
    let needed: BTreeSet<&FieldPath> = needs.paths.iter().chain(&filtered.paths).collect();
    Cover::new(index, &needed).map(Arc::new)
}

/// Whether a field is one of a few single values.
fn is_fixed(spans: &SpanSet) -> bool {
    spans.are_points() && spans.spans.len() <= RANGES_MAX
}

/// The values of one field that the conjuncts leave.
fn field_spans(
    conjuncts: &[&Filter],
    path: &str,
    is_multikey: bool,
    strings: Strings<'_>,
) -> Result<SpanSet> {
    let mut spans = SpanSet::full();
    for conjunct in conjuncts {
        for predicate in predicates(conjunct, path) {
            let one = spans::of_predicate(predicate, strings)?;
            // A number in a path picks an element, or is a field of every element. Where elements do
            // not have it, the filter finds null, and the index has nothing of that.
            if has_position(path) && one.has_null() {
                continue;
            }
            // Different elements of an array may satisfy different predicates; then only one of
            // them limits the entries.
            spans = match is_multikey {
                false => spans.intersection(&one),
                true => narrower(spans, one),
            };
        }
    }
    Ok(spans)
}

/// The predicates of a conjunct on a path, also those inside `$elemMatch` on a parent.
fn predicates<'a>(conjunct: &'a Filter, path: &str) -> Vec<&'a Predicate> {
    let Filter::Field { path: found, predicate } = conjunct else { return Vec::new() };
    if found.as_str() == path {
        return vec![predicate];
    }
    let Predicate::ElemMatch(ElemMatch::Object(inner)) = predicate else { return Vec::new() };
    let rest = path.strip_prefix(found.as_str()).and_then(|rest| rest.strip_prefix('.'));
    match rest {
        Some(rest) if !has_position(rest) => {
            conjuncts(inner).into_iter().flat_map(|part| predicates(part, rest)).collect()
        }
        _ => Vec::new(),
    }
}

/// The set that promises fewer entries.
fn narrower(left: SpanSet, right: SpanSet) -> SpanSet {
    let rank = |set: &SpanSet| (set.is_full(), !set.are_points(), set.spans.len());
    if rank(&right) < rank(&left) { right } else { left }
}

/// Whether the scan brings the order, and then whether it has to run backwards.
fn order(index: &Index, bounds: &[SpanSet], sort: &Sort) -> Option<bool> {
    let mut fields = index.spec.fields.iter().zip(bounds).zip(&index.multikey).peekable();
    let multikeys = index.multikey.iter().filter(|multikey| **multikey).count();
    let mut backwards = None;
    let mut fixed: Vec<&str> = Vec::new();
    for key in &sort.keys {
        let descending = match key.order {
            SortOrder::Ascending => false,
            SortOrder::Descending => true,
            SortOrder::Meta(_) => return None,
        };
        // Fields with one value do not matter for the order.
        while let Some(((field, _), _)) = fields.next_if(|((field, spans), multikey)| {
            field.path != key.path.as_str()
                && spans.are_points()
                && spans.spans.len() == 1
                && !**multikey
        }) {
            fixed.push(&field.path);
        }
        if fixed.contains(&key.path.as_str()) {
            continue;
        }
        let ((field, spans), multikey) = fields.next()?;
        if field.path != key.path.as_str() {
            return None;
        }
        // The order of documents with arrays goes by all elements.
        if *multikey && !(spans.is_full() && multikeys == 1) {
            return None;
        }
        let runs_backwards = field.descending != descending;
        if *backwards.get_or_insert(runs_backwards) != runs_backwards {
            return None;
        }
    }
    Some(backwards.unwrap_or(false))
}
