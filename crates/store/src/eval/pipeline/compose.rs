//! `$facet`, `$unionWith`, `$documents`.

use bson::raw::{RawArrayBuf, RawBson, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::document::append;
use fieldveil_query::expression::Expression;
use fieldveil_query::pipeline::{Namespace, Pipeline};

use super::{Budget, Documents, Environment, check, deferred, listed, run};
use crate::eval::Context;
use crate::eval::expression::{Compiled, type_name};

/// Each pipeline on the same documents; their results side by side in one document.
pub(super) fn facet(
    input: Documents,
    facets: &[(String, Pipeline)],
    environment: &Environment,
) -> Result<Documents, QueryError> {
    // Faults of the pipelines show before anything is read.
    for (_, pipeline) in facets {
        check(pipeline, environment)?;
    }
    let facets = facets.to_vec();
    let environment = environment.clone();
    Ok(deferred(move || {
        let mut budget = Budget::new("$facet", &environment);
        let mut held = Vec::new();
        for document in input {
            let document = document?;
            budget.take(document.as_bytes().len())?;
            held.push(document);
        }
        let mut result = RawDocumentBuf::new();
        for (name, pipeline) in &facets {
            let mut array = RawArrayBuf::new();
            for document in run(pipeline, listed(held.clone()), &environment)? {
                array.push(document?);
            }
            append(&mut result, name, &array)?;
        }
        Ok(listed(vec![result]))
    }))
}

pub(super) fn union_with(
    input: Documents,
    from: Option<&Namespace>,
    pipeline: &Pipeline,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    check(pipeline, environment)?;
    let (from, pipeline) = (from.cloned(), pipeline.clone());
    let environment = environment.clone();
    let second = deferred(move || {
        let documents = match &from {
            Some(namespace) => environment.source.documents(namespace)?,
            None => listed(Vec::new()),
        };
        run(&pipeline, documents, &environment)
    });
    Ok(Box::new(input.chain(second)))
}

pub(super) fn documents(
    expression: &Expression,
    context: &Context,
) -> Result<Documents, QueryError> {
    let compiled = Compiled::compile(expression, context)?;
    let value = compiled.evaluate(fieldveil_query::document::empty(), context)?;
    let Some(RawBson::Array(array)) = value else {
        return Err(QueryError::new(
            5858203,
            format!("an array is expected for $documents, got {}", type_name(&value)),
        ));
    };
    let mut list = Vec::new();
    for item in &array {
        match RawBson::from(item?) {
            RawBson::Document(document) => list.push(document),
            other => {
                return Err(QueryError::new(
                    40228,
                    format!("$documents expects objects, but found {}", type_name(&Some(other))),
                ));
            }
        }
    }
    Ok(listed(list))
}
