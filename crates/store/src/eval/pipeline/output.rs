//! `$out` and `$merge`.

use std::sync::Arc;

use bson::raw::{RawBson, RawDocument, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::document::append;
use fieldveil_query::pipeline::{Merge, Namespace, Stage, WhenMatched};

use super::transform::Transform;
use super::unwind::nested;
use super::{Decide, Documents, Environment, Merging, Write, deferred, listed};
use crate::eval::expression::{Compiled, merge_into};

/// How many documents `$merge` writes at a time.
const BATCH_MAX: usize = 1000;

/// It writes when it holds more bytes than these.
const BATCH_MAX_BYTES: usize = 16 * 1024 * 1024;

pub(super) fn out(input: Documents, target: &Namespace, environment: &Environment) -> Documents {
    let (target, source) = (target.clone(), environment.source.clone());
    deferred(move || {
        source.replace(&target, input)?;
        Ok(listed(Vec::new()))
    })
}

/// What `$merge` does with a document that is there.
enum Matched {
    Replace,
    Keep,
    Merge,
    Fail,
    Update(Vec<Stage>),
}

pub(super) fn merge(
    input: Documents,
    stage: &Merge,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let context = environment.context.clone();
    let matched = match &stage.when_matched {
        None => Matched::Merge,
        Some(WhenMatched::Action(action)) => match action.as_str() {
            "replace" => Matched::Replace,
            "keepExisting" => Matched::Keep,
            "fail" => Matched::Fail,
            _ => Matched::Merge,
        },
        Some(WhenMatched::Pipeline(pipeline)) => Matched::Update(pipeline.stages.clone()),
    };
    let mut variables = Vec::new();
    for (name, expression) in stage.variables.iter().flatten() {
        variables.push((name.clone(), Compiled::compile(expression, &context)?));
    }
    if let Matched::Update(stages) = &matched {
        let mut names: Vec<(String, RawBson)> =
            variables.iter().map(|(name, _)| (name.clone(), RawBson::Null)).collect();
        names.push(("new".to_owned(), RawBson::Null));
        let inner = environment.with_variables(names);
        for stage in stages {
            Transform::compile(stage, &inner.context)?;
        }
    }
    let on: Vec<Vec<String>> = match &stage.on {
        None => vec![vec!["_id".to_owned()]],
        Some(paths) => {
            paths.iter().map(|path| path.components().map(str::to_owned).collect()).collect()
        }
    };
    let not_matched = stage.when_not_matched.clone().unwrap_or_else(|| "insert".to_owned());
    let target = stage.into.clone();
    let environment = environment.clone();
    let source = environment.source.clone();
    let decide: Decide = Arc::new(move |merging: &Merging, existing: Option<&RawDocument>| {
        let document = &merging.document;
        let Some(existing) = existing else {
            return match not_matched.as_str() {
                "discard" => Ok(Write::Nothing),
                "fail" => Err(QueryError::new(
                    13113,
                    "$merge could not find a matching document in the target collection for at \
                     least one document in the source collection",
                )),
                _ => Ok(Write::Insert(document.clone())),
            };
        };
        let mut bound = Vec::new();
        for (name, expression) in &variables {
            let value = expression.evaluate(document, &environment.context)?;
            bound.push((name.clone(), value.unwrap_or(RawBson::Undefined)));
        }
        bound.push(("new".to_owned(), RawBson::Document(document.clone())));
        when_matched(&matched, existing, document, &environment.with_variables(bound))
    });
    Ok(deferred(move || {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for document in input {
            let document = document?;
            bytes += document.as_bytes().len();
            batch.push(Merging { key: key_of(&document, &on)?, document });
            if batch.len() == BATCH_MAX || bytes > BATCH_MAX_BYTES {
                source.merge(&target, std::mem::take(&mut batch), Arc::clone(&decide))?;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            source.merge(&target, batch, decide)?;
        }
        Ok(listed(Vec::new()))
    }))
}

/// The fields that identify a document, by dotted path.
fn key_of(document: &RawDocument, on: &[Vec<String>]) -> Result<RawDocumentBuf, QueryError> {
    let mut key = RawDocumentBuf::new();
    for path in on {
        match nested(document, path)? {
            Some(value) => append(&mut key, &path.join("."), value)?,
            // A document without `_id` gets one when it is inserted.
            None if path.len() == 1 && path.iter().all(|name| name == "_id") => {}
            None => {
                return Err(QueryError::new(
                    51132,
                    "$merge write error: 'on' field cannot be missing, null, undefined or an array",
                ));
            }
        }
    }
    Ok(key)
}

fn when_matched(
    matched: &Matched,
    existing: &RawDocument,
    document: &RawDocument,
    environment: &Environment,
) -> Result<Write, QueryError> {
    Ok(match matched {
        Matched::Replace => Write::Replace(document.to_owned()),
        Matched::Keep => Write::Nothing,
        // Which says by itself what stands in its way.
        Matched::Fail => Write::Insert(document.to_owned()),
        Matched::Merge => {
            let mut merged = existing.to_owned();
            merge_into(&mut merged, &Some(RawBson::Document(document.to_owned())))?;
            Write::Replace(merged)
        }
        Matched::Update(stages) => {
            let mut updated = existing.to_owned();
            for stage in stages {
                updated = Transform::compile(stage, &environment.context)?.apply(&updated)?;
            }
            Write::Replace(updated)
        }
    })
}
