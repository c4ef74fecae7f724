//! Stages that make one document of one: `$project`, `$addFields`, `$unset`, `$replaceRoot`, `$redact`.

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::expression::Expression;
use fieldveil_query::pipeline::Stage;

use super::Documents;
use crate::eval::Context;
use crate::eval::describe::describe;
use crate::eval::expression::{Compiled, Scope};
use crate::eval::projection::Projector;

/// A compiled stage that needs one document only; updates by pipeline are made of these.
pub struct Transform {
    kind: Kind,
}

enum Kind {
    Project(Projector),
    Replace(Compiled, Context),
}

impl Transform {
    /// Compiles a stage.
    ///
    /// # Errors
    /// Those of compiling expressions; 72 for other stages.
    pub fn compile(stage: &Stage, context: &Context) -> Result<Self, QueryError> {
        let kind = match stage {
            Stage::Project(projection) => Kind::Project(Projector::compile(projection, context)?),
            Stage::AddFields { fields, .. } => {
                Kind::Project(Projector::add_fields(fields, context)?)
            }
            Stage::Unset(paths) => Kind::Project(Projector::unset(paths, context)),
            Stage::ReplaceRoot { new_root, .. } => {
                Kind::Replace(Compiled::compile(new_root, context)?, context.clone())
            }
            other => {
                return Err(QueryError::new(
                    72,
                    format!("{} is not allowed to be used within an update", other.name()),
                ));
            }
        };
        Ok(Self { kind })
    }

    /// Makes the new document.
    ///
    /// # Errors
    /// Those of expressions; 40228 if a new root is no document.
    pub fn apply(&self, document: &RawDocument) -> Result<RawDocumentBuf, QueryError> {
        match &self.kind {
            Kind::Project(projector) => projector.apply(document, None),
            Kind::Replace(expression, context) => match expression.evaluate(document, context)? {
                Some(RawBson::Document(root)) => Ok(root),
                other => Err(QueryError::new(
                    40228,
                    format!(
                        "'newRoot' expression must evaluate to an object, but resulting value was: {}",
                        other.map_or_else(
                            || "MISSING".to_owned(),
                            |v| describe(v.as_raw_bson_ref())
                        )
                    ),
                )),
            },
        }
    }
}

pub(super) fn redact(
    input: Documents,
    expression: &Expression,
    context: &Context,
) -> Result<Documents, QueryError> {
    let expression = Compiled::compile(expression, context)?;
    let context = context.clone();
    Ok(Box::new(input.filter_map(move |document| {
        let document = match document {
            Ok(document) => document,
            Err(error) => return Some(Err(error)),
        };
        let scope = Scope::new(&document, &context);
        redacted(&document, &expression, &scope).transpose()
    })))
}

/// What remains of a document at one level; `None` if nothing does.
fn redacted(
    document: &RawDocument,
    expression: &Compiled,
    scope: &Scope<'_>,
) -> Result<Option<RawDocumentBuf>, QueryError> {
    let current = Some(RawBson::Document(document.to_owned()));
    let verdict = scope.with("CURRENT", &current, |inner| expression.evaluate_in(inner))?;
    match &verdict {
        Some(RawBson::String(word)) if word == "keep" => Ok(Some(document.to_owned())),
        Some(RawBson::String(word)) if word == "prune" => Ok(None),
        Some(RawBson::String(word)) if word == "descend" => {
            let mut out = RawDocumentBuf::new();
            for element in document.iter() {
                let (name, value) = element?;
                if let Some(value) = descended(value, expression, scope)? {
                    out.append(name, value);
                }
            }
            Ok(Some(out))
        }
        _ => Err(QueryError::new(
            17053,
            "$redact's expression should not return anything aside from the variables $$KEEP, \
             $$DESCEND, and $$PRUNE",
        )),
    }
}

fn descended(
    value: RawBsonRef<'_>,
    expression: &Compiled,
    scope: &Scope<'_>,
) -> Result<Option<RawBson>, QueryError> {
    match value {
        RawBsonRef::Document(inner) => {
            Ok(redacted(inner, expression, scope)?.map(RawBson::Document))
        }
        RawBsonRef::Array(array) => {
            let mut out = RawArrayBuf::new();
            for item in array {
                if let Some(item) = descended(item?, expression, scope)? {
                    out.push(item);
                }
            }
            Ok(Some(RawBson::Array(out)))
        }
        other => Ok(Some(RawBson::from(other))),
    }
}
