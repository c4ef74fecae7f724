//! `$lookup`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::collation::Collation;
use fieldveil_query::pipeline::{Lookup, Namespace, Pipeline};
use fieldveil_query::{FieldPath, QueryError};

use super::accumulator::Ordered;
use super::unwind::set;
use super::{Budget, Documents, Environment, check, listed, run};
use crate::eval::expression::Compiled;
use crate::eval::path::{AtEnd, Found, Path};

/// The other collection, read once, with an index on one path.
pub(super) struct Foreign {
    pub(super) documents: Vec<RawDocumentBuf>,
    by_value: BTreeMap<Ordered, Vec<usize>>,
    collation: Option<Arc<Collation>>,
}

impl Foreign {
    pub(super) fn read(
        stage: &'static str,
        namespace: Option<&Namespace>,
        field: Option<&FieldPath>,
        environment: &Environment,
    ) -> Result<Self, QueryError> {
        let mut budget = Budget::new(stage, environment);
        let mut foreign = Self {
            documents: Vec::new(),
            by_value: BTreeMap::new(),
            collation: environment.context.collation.clone(),
        };
        let Some(namespace) = namespace else { return Ok(foreign) };
        let path = field.map(|field| Path::new(field.as_str()));
        for document in environment.source.documents(namespace)? {
            let document = document?;
            budget.take(document.as_bytes().len())?;
            if let Some(path) = &path {
                foreign.index(&document, path)?;
            }
            foreign.documents.push(document);
        }
        Ok(foreign)
    }

    /// A document is found by each element of an array, by the array, and by null if it has nothing.
    fn index(&mut self, document: &RawDocument, path: &Path) -> Result<(), QueryError> {
        let place = self.documents.len();
        let mut values = Vec::new();
        path.visit(document, AtEnd::Elements, &mut |found: Found<'_>| {
            values.push(match found.value {
                None | Some(RawBsonRef::Undefined) => RawBson::Null,
                Some(value) => RawBson::from(value),
            });
            Ok(false)
        })?;
        for value in values {
            let key = Ordered { value: Some(value), collation: self.collation.clone() };
            let places = self.by_value.entry(key).or_default();
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
        Ok(())
    }

    /// The places of documents that have one of the values, in the collection's order.
    pub(super) fn find(&self, values: &[RawBson]) -> Vec<usize> {
        let mut places: Vec<usize> = values
            .iter()
            .filter_map(|value| {
                let key = Ordered { value: Some(value.clone()), collation: self.collation.clone() };
                self.by_value.get(&key)
            })
            .flatten()
            .copied()
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// The values a document joins by: elements of an array, or null for nothing.
pub(super) fn join_values(document: &RawDocument, path: &Path) -> Result<Vec<RawBson>, QueryError> {
    let mut values = Vec::new();
    path.visit(document, AtEnd::Whole, &mut |found: Found<'_>| {
        match found.value {
            Some(RawBsonRef::Array(array)) => {
                for item in array {
                    values.push(RawBson::from(item?));
                }
            }
            Some(RawBsonRef::Undefined) | None => values.push(RawBson::Null),
            Some(value) => values.push(RawBson::from(value)),
        }
        Ok(false)
    })?;
    if values.is_empty() {
        values.push(RawBson::Null);
    }
    Ok(values)
}

struct Join {
    from: Option<Namespace>,
    as_path: Vec<String>,
    local: Option<Path>,
    foreign_field: Option<FieldPath>,
    variables: Vec<(String, Compiled)>,
    pipeline: Option<Pipeline>,
    environment: Environment,
    foreign: Option<Foreign>,
    /// The result for every document, where it depends on none.
    constant: Option<RawArrayBuf>,
}

pub(super) fn lookup(
    input: Documents,
    stage: &Lookup,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let mut variables = Vec::new();
    for (name, expression) in stage.variables.iter().flatten() {
        variables.push((name.clone(), Compiled::compile(expression, &environment.context)?));
    }
    if let Some(pipeline) = &stage.pipeline {
        // Faults of the pipeline show before anything is read.
        let unknown = variables.iter().map(|(name, _)| (name.clone(), RawBson::Null)).collect();
        check(pipeline, &environment.with_variables(unknown))?;
    }
    let mut join = Join {
        from: stage.from.clone(),
        as_path: stage.as_field.components().map(str::to_owned).collect(),
        local: stage.local_field.as_ref().map(|path| Path::new(path.as_str())),
        foreign_field: stage.foreign_field.clone(),
        variables,
        pipeline: stage.pipeline.clone(),
        environment: environment.clone(),
        foreign: None,
        constant: None,
    };
    Ok(Box::new(input.map(move |document| join.apply(&document?))))
}

impl Join {
    fn apply(&mut self, document: &RawDocument) -> Result<RawDocumentBuf, QueryError> {
        let found = self.found(document)?;
        set(document, &self.as_path, Some(RawBsonRef::Array(&found)))
    }

    fn found(&mut self, document: &RawDocument) -> Result<RawArrayBuf, QueryError> {
        if let Some(constant) = &self.constant {
            return Ok(constant.clone());
        }
        let foreign = match self.foreign.take() {
            Some(foreign) => foreign,
            None => Foreign::read(
                "$lookup",
                self.from.as_ref(),
                self.foreign_field.as_ref(),
                &self.environment,
            )?,
        };
        let joined: Vec<RawDocumentBuf> = match &self.local {
            None => foreign.documents.clone(),
            Some(path) => foreign
                .find(&join_values(document, path)?)
                .into_iter()
                .filter_map(|place| foreign.documents.get(place).cloned())
                .collect(),
        };
        self.foreign = Some(foreign);
        let mut found = RawArrayBuf::new();
        match &self.pipeline {
            None => joined.into_iter().for_each(|document| found.push(document)),
            Some(pipeline) => {
                let mut values = Vec::new();
                for (name, expression) in &self.variables {
                    let value = expression.evaluate(document, &self.environment.context)?;
                    values.push((name.clone(), value.unwrap_or(RawBson::Undefined)));
                }
                let environment = self.environment.with_variables(values);
                for document in run(pipeline, listed(joined), &environment)? {
                    found.push(document?);
                }
            }
        }
        if self.local.is_none() && self.variables.is_empty() {
            self.constant = Some(found.clone());
        }
        Ok(found)
    }
}
