//! `$group`, `$count`, `$sortByCount`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bson::raw::{RawBson, RawDocument, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::document::append;
use fieldveil_query::expression::Expression;
use fieldveil_query::pipeline::{Accumulator, Group};
use fieldveil_query::sort::Sort;

use super::accumulator::{Ordered, Plan, State};
use super::{Budget, Documents, Environment, deferred, listed, order, size_of};
use crate::eval::Context;
use crate::eval::expression::{Compiled, Scope, Value};
use crate::eval::projection::whole_number;

/// Accumulators by field, and the groups they have filled.
pub(super) struct Grouper {
    plans: Vec<(String, Plan)>,
    groups: BTreeMap<Ordered, Vec<State>>,
    context: Context,
    budget: Budget,
}

impl Grouper {
    pub(super) fn new(
        stage: &'static str,
        fields: &[(String, Accumulator)],
        environment: &Environment,
    ) -> Result<Self, QueryError> {
        let context = environment.context.clone();
        let plans = fields
            .iter()
            .map(|(name, accumulator)| Ok((name.clone(), Plan::compile(accumulator, &context)?)))
            .collect::<Result<_, QueryError>>()?;
        Ok(Self {
            plans,
            groups: BTreeMap::new(),
            context,
            budget: Budget::new(stage, environment),
        })
    }

    /// Adds a document to the group of an id.
    pub(super) fn add(&mut self, id: Value, document: &RawDocument) -> Result<(), QueryError> {
        let id = id.unwrap_or(RawBson::Null);
        let bytes = size_of(&id);
        let key = Ordered { value: Some(id), collation: self.context.collation.clone() };
        let states = match self.groups.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.budget.take(bytes + 64 * self.plans.len())?;
                let states = self
                    .plans
                    .iter()
                    .map(|(_, plan)| plan.start(document, &self.context))
                    .collect::<Result<_, _>>()?;
                entry.insert(states)
            }
        };
        let scope = Scope::new(document, &self.context);
        for ((_, plan), state) in self.plans.iter().zip(states) {
            let grown = plan.add(state, document, &scope)?;
            self.budget.take(grown)?;
        }
        Ok(())
    }

    /// One document for each group, in the order of the ids.
    pub(super) fn finish(self) -> Result<Vec<RawDocumentBuf>, QueryError> {
        let mut documents = Vec::with_capacity(self.groups.len());
        for (id, states) in self.groups {
            let mut document = RawDocumentBuf::new();
            append(&mut document, "_id", &id.value.unwrap_or(RawBson::Null))?;
            for ((name, plan), state) in self.plans.iter().zip(states) {
                append(&mut document, name, &plan.finish(state))?;
            }
            documents.push(document);
        }
        Ok(documents)
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
        Ok(listed(grouper.finish()?))
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
