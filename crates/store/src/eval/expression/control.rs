//! Operators that evaluate only some of their arguments, or with variables.

use bson::raw::{RawArrayBuf, RawBson};
use fieldveil_query::QueryError;
use fieldveil_query::expression::{Arguments, Call, Expression};

use super::values::{boolean, elements, int32, is_nullish, null, number, type_name};
use super::{Compiler, Node, Scope, Value};

pub(super) enum Control {
    And(Vec<Node>),
    Or(Vec<Node>),
    Cond(Node, Node, Node),
    IfNull(Vec<Node>),
    Switch(Vec<(Node, Node)>, Option<Node>),
    Let(Vec<(String, Node)>, Node),
    Map { input: Node, variable: String, body: Node },
    Filter { input: Node, variable: String, condition: Node, limit: Option<Node> },
    Reduce { input: Node, initial: Node, body: Node },
    Random,
}

/// Compiles an operator of this file, if it is one.
pub(super) fn compile(compiler: &mut Compiler, call: &Call) -> Result<Option<Control>, QueryError> {
    let items = match &call.arguments {
        Arguments::Positional(items) => items.as_slice(),
        Arguments::Named(_) => &[],
    };
    let named = |name: &str| {
        call.named(name).ok_or_else(|| {
            QueryError::failed_to_parse(format!("Missing '{name}' parameter to {}", call.operator))
        })
    };
    Ok(Some(match call.operator {
        "$and" => Control::And(compiler.list(items)?),
        "$or" => Control::Or(compiler.list(items)?),
        "$ifNull" => Control::IfNull(compiler.list(items)?),
        "$rand" => Control::Random,
        "$cond" => {
            let part = |index, name| call.argument(index).map_or_else(|| named(name), Ok);
            Control::Cond(
                compiler.node(part(0, "if")?)?,
                compiler.node(part(1, "then")?)?,
                compiler.node(part(2, "else")?)?,
            )
        }
        "$switch" => {
            let default = call.named("default").map(|node| compiler.node(node)).transpose()?;
            Control::Switch(branches(compiler, named("branches")?)?, default)
        }
        "$let" => {
            let Expression::Document(variables) = named("vars")? else { return Ok(None) };
            let bindings = compiler.fields(variables)?;
            let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
            Control::Let(bindings, compiler.with(&names, named("in")?)?)
        }
        "$map" => {
            let variable = variable(call);
            Control::Map {
                input: compiler.node(named("input")?)?,
                body: compiler.with(&[&variable], named("in")?)?,
                variable,
            }
        }
        "$filter" => {
            let variable = variable(call);
            Control::Filter {
                input: compiler.node(named("input")?)?,
                condition: compiler.with(&[&variable], named("cond")?)?,
                limit: call.named("limit").map(|node| compiler.node(node)).transpose()?,
                variable,
            }
        }
        "$reduce" => Control::Reduce {
            input: compiler.node(named("input")?)?,
            initial: compiler.node(named("initialValue")?)?,
            body: compiler.with(&["this", "value"], named("in")?)?,
        },
        _ => return Ok(None),
    }))
}

fn variable(call: &Call) -> String {
    match call.named("as").and_then(Expression::as_constant) {
        Some(RawBson::String(name)) => name.clone(),
        _ => "this".to_owned(),
    }
}

fn branches(
    compiler: &mut Compiler,
    expression: &Expression,
) -> Result<Vec<(Node, Node)>, QueryError> {
    let Expression::Array(items) = expression else { return Ok(Vec::new()) };
    let mut list = Vec::new();
    for item in items {
        let Expression::Document(fields) = item else {
            return Err(QueryError::new(40062, "$switch expected each branch to be an object"));
        };
        let part = |name: &str| fields.iter().find(|(known, _)| known == name);
        if let Some((unknown, _)) =
            fields.iter().find(|(name, _)| !matches!(name.as_str(), "case" | "then"))
        {
            return Err(QueryError::new(
                40063,
                format!("$switch found an unknown argument to a branch: {unknown}"),
            ));
        }
        match (part("case"), part("then")) {
            (Some((_, case)), Some((_, then))) => {
                list.push((compiler.node(case)?, compiler.node(then)?));
            }
            (None, _) => {
                return Err(QueryError::new(
                    40064,
                    "$switch requires each branch have a 'case' expression",
                ));
            }
            (_, None) => {
                return Err(QueryError::new(
                    40065,
                    "$switch requires each branch have a 'then' expression.",
                ));
            }
        }
    }
    if list.is_empty() {
        return Err(QueryError::new(40068, "$switch requires at least one branch."));
    }
    Ok(list)
}

impl Control {
    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, QueryError> {
        match self {
            Self::And(parts) => {
                for part in parts {
                    if !part.is_true(scope)? {
                        return boolean(false);
                    }
                }
                boolean(true)
            }
            Self::Or(parts) => {
                for part in parts {
                    if part.is_true(scope)? {
                        return boolean(true);
                    }
                }
                boolean(false)
            }
            Self::Cond(condition, yes, no) => {
                if condition.is_true(scope)? {
                    yes.evaluate(scope)
                } else {
                    no.evaluate(scope)
                }
            }
            Self::IfNull(parts) => {
                let mut last = None;
                for part in parts {
                    last = part.evaluate(scope)?;
                    if !is_nullish(&last) {
                        break;
                    }
                }
                Ok(last)
            }
            Self::Switch(branches, default) => {
                for (case, then) in branches {
                    if case.is_true(scope)? {
                        return then.evaluate(scope);
                    }
                }
                match default {
                    Some(default) => default.evaluate(scope),
                    None => Err(QueryError::new(
                        40066,
                        "$switch could not find a matching branch for an input, and no default was \
                         specified.",
                    )),
                }
            }
            Self::Let(bindings, body) => {
                let mut values = Vec::with_capacity(bindings.len());
                for (name, node) in bindings {
                    values.push((name.as_str(), node.evaluate(scope)?));
                }
                bind(scope, &values, body)
            }
            Self::Map { input, variable, body } => {
                let Some(items) = input_array("$map", 16883, &input.evaluate(scope)?)? else {
                    return null();
                };
                let mut out = RawArrayBuf::new();
                for item in items {
                    scope.context.step()?;
                    let value = scope.with(variable, &Some(item), |inner| body.evaluate(inner))?;
                    out.push(value.unwrap_or(RawBson::Null));
                }
                Ok(Some(RawBson::Array(out)))
            }
            Self::Filter { input, variable, condition, limit } => {
                let limit = match limit {
                    Some(limit) => filter_limit(&limit.evaluate(scope)?)?,
                    None => usize::MAX,
                };
                let Some(items) = input_array("$filter", 28651, &input.evaluate(scope)?)? else {
                    return null();
                };
                let mut out = RawArrayBuf::new();
                let mut count = 0;
                for item in items {
                    if count == limit {
                        break;
                    }
                    scope.context.step()?;
                    let value = Some(item.clone());
                    if scope.with(variable, &value, |inner| condition.is_true(inner))? {
                        count += 1;
                        out.push(item);
                    }
                }
                Ok(Some(RawBson::Array(out)))
            }
            Self::Reduce { input, initial, body } => {
                let Some(items) = input_array("$reduce", 40080, &input.evaluate(scope)?)? else {
                    return null();
                };
                let mut value = initial.evaluate(scope)?;
                for item in items {
                    scope.context.step()?;
                    value = scope.with("this", &Some(item), |inner| {
                        inner.with("value", &value, |inner| body.evaluate(inner))
                    })?;
                }
                Ok(value)
            }
            Self::Random => Ok(Some(RawBson::Double(crate::eval::random_fraction()))),
        }
    }
}

/// Evaluates a body with several variables, none of which sees the others.
fn bind(scope: &Scope<'_>, values: &[(&str, Value)], body: &Node) -> Result<Value, QueryError> {
    match values.split_first() {
        None => body.evaluate(scope),
        Some(((name, value), rest)) => scope.with(name, value, |inner| bind(inner, rest, body)),
    }
}

/// The elements of an operator's input; `None` for null.
fn input_array(
    operator: &str,
    code: i32,
    value: &Value,
) -> Result<Option<Vec<RawBson>>, QueryError> {
    match value {
        value if is_nullish(value) => Ok(None),
        Some(RawBson::Array(array)) => elements(array).map(Some),
        other => Err(QueryError::new(
            code,
            format!("input to {operator} must be an array not {}", type_name(other)),
        )),
    }
}

fn filter_limit(value: &Value) -> Result<usize, QueryError> {
    if is_nullish(value) {
        return Ok(usize::MAX);
    }
    if number(value).is_none() || int32(value).is_none() {
        return Err(QueryError::new(
            327391,
            "$filter: limit must be represented as a 32-bit integral value",
        ));
    }
    match int32(value).and_then(|limit| usize::try_from(limit).ok()) {
        Some(limit) if limit > 0 => Ok(limit),
        _ => Err(QueryError::new(327392, "$filter: limit must be greater than 0")),
    }
}
