//! `$lookup`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::collation::Collation;
use fieldveil_query::filter::{Filter, Predicate};
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

/// The other collection as far as it is known.
enum Other {
    Unread,
    /// In memory.
    Held(Foreign),
    /// Too large to hold, so it is asked again for each document.
    Large,
}

struct Join {
    from: Option<Namespace>,
    as_path: Vec<String>,
    local: Option<Path>,
    foreign_field: Option<FieldPath>,
    variables: Vec<(String, Compiled)>,
    pipeline: Option<Pipeline>,
    environment: Environment,
    foreign: Other,
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
        foreign: Other::Unread,
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
        let joined = self.joined(document)?;
        let mut found = RawArrayBuf::new();
        match &self.pipeline {
            None => {
                for document in joined {
                    found.push(document?);
                }
            }
            Some(pipeline) => {
                let mut values = Vec::new();
                for (name, expression) in &self.variables {
                    let value = expression.evaluate(document, &self.environment.context)?;
                    values.push((name.clone(), value.unwrap_or(RawBson::Undefined)));
                }
                let environment = self.environment.with_variables(values);
                for document in run(pipeline, joined, &environment)? {
                    found.push(document?);
                }
            }
        }
        if self.local.is_none() && self.variables.is_empty() {
            self.constant = Some(found.clone());
        }
        Ok(found)
    }

    /// The other collection's documents that join by the fields, or all of them.
    fn joined(&mut self, document: &RawDocument) -> Result<Documents, QueryError> {
        if let Other::Unread = self.foreign {
            let field = self.foreign_field.as_ref();
            let read = Foreign::read("$lookup", self.from.as_ref(), field, &self.environment);
            self.foreign = match read {
                Ok(foreign) => Other::Held(foreign),
                Err(error) if error.code() == 292 => Other::Large,
                Err(error) => return Err(error),
            };
        }
        let values = match &self.local {
            None => None,
            Some(path) => Some(join_values(document, path)?),
        };
        let source = &self.environment.source;
        Ok(match (&self.foreign, values, &self.from, &self.foreign_field) {
            (Other::Held(foreign), None, ..) => listed(foreign.documents.clone()),
            (Other::Held(foreign), Some(values), ..) => listed(
                foreign
                    .find(&values)
                    .into_iter()
                    .filter_map(|place| foreign.documents.get(place).cloned())
                    .collect(),
            ),
            (_, Some(values), Some(namespace), Some(field)) => {
                source.find(namespace, &any_of(field, values), &self.environment.context)?
            }
            (_, _, Some(namespace), _) => source.documents(namespace)?,
            _ => listed(Vec::new()),
        })
    }
}

/// The filter for equality with one of the values. `$in` would match by regular expressions.
fn any_of(field: &FieldPath, values: Vec<RawBson>) -> Filter {
    let (patterns, plain): (Vec<_>, Vec<_>) =
        values.into_iter().partition(|value| matches!(value, RawBson::RegularExpression(_)));
    let at_field = |predicate| Filter::Field { path: field.clone(), predicate };
    let mut parts = vec![at_field(Predicate::In(plain))];
    parts.extend(patterns.into_iter().map(|value| at_field(Predicate::Eq(value))));
    Filter::Or(parts)
}
