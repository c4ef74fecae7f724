//! `$group`, `$count`, `$sortByCount`.
//!
//! When the groups fill the memory that they may have, they stay as they are, and documents that
//! belong to no group or would make one grow go to disk, sorted by the id of their group. At the end
//! they are read in that order, so that only one more group is held at a time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::iter::Peekable;

use bson::raw::{RawBson, RawDocument, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::document::append;
use fieldveil_query::expression::Expression;
use fieldveil_query::pipeline::{Accumulator, Group};
use fieldveil_query::sort::Sort;

use super::accumulator::{Ordered, Plan, State};
use super::{
    Budget, DOCUMENTS_PER_CHECK, Documents, Environment, deferred, listed, order, packed, size_of,
};
use crate::eval::expression::{Compiled, Scope, Value};
use crate::eval::projection::whole_number;
use crate::order::{Sorted, Sorter};

/// What of a stage's memory a sort of the documents without room may take.
const SORT_SHARE: usize = 4;

/// Accumulators by field, and the groups they have filled.
pub(super) struct Grouper {
    fields: Fields,
    groups: BTreeMap<Ordered, Vec<State>>,
    budget: Budget,
    /// The documents without room, from when there was none.
    rest: Option<Sorter>,
}

/// The accumulators of a stage.
pub(super) struct Fields {
    stage: &'static str,
    plans: Vec<(String, Plan)>,
    environment: Environment,
}

impl Grouper {
    pub(super) fn new(
        stage: &'static str,
        fields: &[(String, Accumulator)],
        environment: &Environment,
    ) -> Result<Self, QueryError> {
        Ok(Self {
            fields: Fields::compile(stage, fields, environment)?,
            groups: BTreeMap::new(),
            budget: Budget::new(stage, environment),
            rest: None,
        })
    }

    /// Adds a document to the group of an id.
    ///
    /// # Errors
    /// Those of the accumulators; code 292 without room, in memory or on disk.
    pub(super) fn add(&mut self, id: Value, document: &RawDocument) -> Result<(), QueryError> {
        let key = self.fields.key(id);
        if let Some(rest) = &mut self.rest
            && (self.fields.can_grow() || !self.groups.contains_key(&key))
        {
            let id = key.value.as_ref().unwrap_or(&RawBson::Null);
            return Ok(rest.add(0, packed::pack(id, document)?)?);
        }
        let states = match self.groups.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.budget.add(self.fields.overhead(entry.key()).cast_signed());
                entry.insert(self.fields.start(document)?)
            }
        };
        self.fields.add(states, document, &mut self.budget)?;
        if self.rest.is_none() && self.budget.is_exceeded() {
            self.rest = Some(self.fields.sorter(&self.budget)?);
        }
        Ok(())
    }

    /// One document for each group: in the order of the ids if all had room.
    ///
    /// # Errors
    /// Those of the temporary file, here and later.
    pub(super) fn finish(self) -> Result<Documents, QueryError> {
        let Self { fields, groups, rest, .. } = self;
        let Some(rest) = rest else {
            return Ok(Box::new(
                groups.into_iter().map(move |(id, states)| fields.finish(id.value, states)),
            ));
        };
        let rows = rest.finish()?.peekable();
        Ok(Box::new(Remaining { fields, groups, rows, count: 0 }))
    }
}

impl Fields {
    pub(super) fn compile(
        stage: &'static str,
        fields: &[(String, Accumulator)],
        environment: &Environment,
    ) -> Result<Self, QueryError> {
        let plans = fields
            .iter()
            .map(|(name, accumulator)| {
                Ok((name.clone(), Plan::compile(accumulator, &environment.context)?))
            })
            .collect::<Result<_, QueryError>>()?;
        Ok(Self { stage, plans, environment: environment.clone() })
    }

    fn key(&self, id: Value) -> Ordered {
        let collation = self.environment.context.collation.clone();
        Ordered { value: Some(id.unwrap_or(RawBson::Null)), collation }
    }

    /// Whether a group can come to need more memory than it began with.
    fn can_grow(&self) -> bool {
        self.plans.iter().any(|(_, plan)| plan.can_grow())
    }

    /// About how many bytes a group takes that has gathered nothing.
    fn overhead(&self, key: &Ordered) -> usize {
        key.value.as_ref().map_or(0, size_of) + 64 * self.plans.len()
    }

    /// What a group has gathered before its first document.
    pub(super) fn start(&self, first: &RawDocument) -> Result<Vec<State>, QueryError> {
        let context = &self.environment.context;
        self.plans.iter().map(|(_, plan)| plan.start(first, context)).collect()
    }

    /// Adds a document to what a group has gathered; what that takes is counted and not checked.
    pub(super) fn add(
        &self,
        states: &mut [State],
        document: &RawDocument,
        budget: &mut Budget,
    ) -> Result<(), QueryError> {
        let scope = Scope::new(document, &self.environment.context);
        for ((_, plan), state) in self.plans.iter().zip(states) {
            budget.add(plan.add(state, document, &scope)?);
        }
        Ok(())
    }

    /// The document of a group.
    pub(super) fn finish(
        &self,
        id: Value,
        states: Vec<State>,
    ) -> Result<RawDocumentBuf, QueryError> {
        let mut document = RawDocumentBuf::new();
        append(&mut document, "_id", &id.unwrap_or(RawBson::Null))?;
        for ((name, plan), state) in self.plans.iter().zip(states) {
            append(&mut document, name, &plan.finish(state))?;
        }
        Ok(document)
    }

    /// Sorts documents by the id of their group, on disk.
    fn sorter(&self, exceeded: &Budget) -> Result<Sorter, QueryError> {
        let environment = &self.environment;
        if environment.spill.is_none() {
            exceeded.check()?;
        }
        packed::sorter(&Sort::default(), environment.memory_limit / SORT_SHARE, environment)
    }
}

/// Makes the groups of which documents are on disk, and then the others.
struct Remaining {
    fields: Fields,
    groups: BTreeMap<Ordered, Vec<State>>,
    rows: Peekable<Sorted>,
    count: u32,
}

impl Remaining {
    /// The group of the next documents on disk.
    fn next_group(&mut self) -> Result<Option<RawDocumentBuf>, QueryError> {
        let mut current: Option<(Ordered, Vec<State>)> = None;
        let mut budget = Budget::new(self.fields.stage, &self.fields.environment);
        while let Some(row) = self.rows.peek() {
            let Ok((_, packed)) = row else {
                self.rows.next().transpose()?;
                break;
            };
            let key = self.fields.key(Some(packed::value(packed)?));
            let document = packed::document(packed)?;
            let (_, states) = match &mut current {
                Some((id, _)) if *id != key => break,
                Some(current) => current,
                none => none.insert(match self.groups.remove_entry(&key) {
                    Some(held) => held,
                    None => (key, self.fields.start(document)?),
                }),
            };
            self.fields.add(states, document, &mut budget)?;
            budget.check()?;
            self.rows.next();
            self.count = self.count.wrapping_add(1);
            if self.count.is_multiple_of(DOCUMENTS_PER_CHECK) {
                self.fields.environment.source.go_on()?;
            }
        }
        current.map(|(id, states)| self.fields.finish(id.value, states)).transpose()
    }
}

impl Iterator for Remaining {
    type Item = Result<RawDocumentBuf, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_group().transpose().or_else(|| {
            let (id, states) = self.groups.pop_first()?;
            Some(self.fields.finish(id.value, states))
        })
    }
}

pub(super) fn group(
    input: Documents,
    stage: &Group,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let id = Compiled::compile(&stage.id, &environment.context)?;
    let mut grouper = Grouper::new("$group", &stage.fields, environment)?;
    let context = environment.context.clone();
    Ok(deferred(move || {
        for document in input {
            let document = document?;
            grouper.add(id.evaluate(&document, &context)?, &document)?;
        }
        grouper.finish()
    }))
}

/// Nothing at all counts as no document, not as zero.
pub(super) fn count(input: Documents, field: &str) -> Documents {
    let field = field.to_owned();
    deferred(move || {
        let mut count = 0;
        for document in input {
            document?;
            count += 1;
        }
        let mut documents = Vec::new();
        if count > 0 {
            let mut document = RawDocumentBuf::new();
            append(&mut document, &field, &whole_number(count))?;
            documents.push(document);
        }
        Ok(listed(documents))
    })
}

pub(super) fn sort_by_count(
    input: Documents,
    expression: &Expression,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let grouped = group(
        input,
        &Group { id: expression.clone(), fields: vec![("count".to_owned(), counting())] },
        environment,
    )?;
    let pattern = Sort::parse(&bson::rawdoc! { "count": -1 })?;
    order::sort(grouped, &pattern, None, environment)
}

/// `{ $sum: 1 }`
pub(super) fn counting() -> Accumulator {
    Accumulator { operator: "$sum", argument: Expression::Constant(RawBson::Int32(1)) }
}
