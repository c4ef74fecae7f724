//! Evaluation of aggregation expressions.
//!
//! An expression is compiled once: operators become functions, variables are checked, and what this
//! server cannot evaluate is refused by name before any document is looked at. A value is
//! `Option<RawBson>`; `None` is a missing field, which is not the same as null.

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::document::{append, field};
use fieldveil_query::expression::{Arguments, Call, Expression};
use fieldveil_query::value::is_truthy;

use super::Context;

mod accumulate;
mod arithmetic;
mod array;
mod compare;
mod control;
mod convert;
mod date;
mod object;
mod pattern;
mod sets;
mod strings;
mod trigonometry;
mod values;

pub(crate) use accumulate::{
    Sum, Variance, check_method, collected, percentile_points, percentiles,
};
pub(crate) use array::count_argument;
pub(crate) use compare::compare_values;
pub(crate) use date::move_date;
pub(crate) use object::merge_into;
pub(crate) use values::type_name;

use control::Control;
use pattern::{LastPattern, PatternFunction};
use values::Named;

/// The result of an expression; `None` is missing.
pub type Value = Option<RawBson>;

/// An expression ready to be evaluated.
pub struct Compiled {
    node: Node,
}

/// What an expression sees.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// `$$ROOT`
    root: &'a RawDocument,
    /// `$$CURRENT`, where it is not the root.
    current: Option<&'a RawBson>,
    bindings: Option<&'a Binding<'a>>,
    context: &'a Context,
}

/// A variable and those around it.
struct Binding<'a> {
    name: &'a str,
    value: &'a Value,
    outer: Option<&'a Self>,
}

enum Node {
    Constant(RawBson),
    /// A path of the current document.
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Document(Vec<(String, Self)>),
    Array(Vec<Self>),
    /// A function of the values of all arguments.
    Positional(PositionalFunction, Vec<Self>),
    /// A function of arguments by name.
    Named(NamedFunction, Vec<(String, Self)>),
    /// One that matches a pattern, which is mostly the same each time.
    Pattern(PatternFunction, Vec<(String, Self)>, LastPattern),
    /// What decides itself which arguments to evaluate.
    Control(Box<Control>),
}

type PositionalFunction = fn(&[Value], &Scope<'_>) -> Result<Value, QueryError>;
type NamedFunction = fn(&Named, &Scope<'_>) -> Result<Value, QueryError>;

impl Compiled {
    /// Compiles an expression.
    ///
    /// # Errors
    /// 17276 for a variable nobody defined, `NotImplemented` for an operator this server lacks.
    pub fn compile(expression: &Expression, context: &Context) -> Result<Self, QueryError> {
        Self::compile_with(expression, &[], context)
    }

    /// Compiles an expression in which further variables are known.
    ///
    /// # Errors
    /// As [`Compiled::compile`].
    pub fn compile_with(
        expression: &Expression,
        variables: &[&str],
        context: &Context,
    ) -> Result<Self, QueryError> {
        let mut known: Vec<String> =
            context.variables.iter().map(|(name, _)| name.clone()).collect();
        known.extend(variables.iter().map(|name| (*name).to_owned()));
        let mut compiler = Compiler { known };
        Ok(Self { node: compiler.node(expression)? })
    }

    /// Evaluates the expression on a document.
    ///
    /// # Errors
    /// Those of the operators, with the server's codes and texts.
    pub fn evaluate(&self, document: &RawDocument, context: &Context) -> Result<Value, QueryError> {
        self.evaluate_in(&Scope::new(document, context))
    }

    pub(crate) fn evaluate_in(&self, scope: &Scope<'_>) -> Result<Value, QueryError> {
        self.node.evaluate(scope)
    }
}

impl<'a> Scope<'a> {
    /// The scope of a whole document.
    pub fn new(root: &'a RawDocument, context: &'a Context) -> Self {
        Self { root, current: None, bindings: None, context }
    }

    /// The command's fixed things.
    pub(crate) fn context(&self) -> &'a Context {
        self.context
    }

    /// Evaluates with one more variable.
    pub(crate) fn with<T>(
        &self,
        name: &str,
        value: &Value,
        evaluate: impl FnOnce(&Scope<'_>) -> T,
    ) -> T {
        let binding = Binding { name, value, outer: self.bindings };
        let mut inner = Scope {
            root: self.root,
            current: self.current,
            bindings: Some(&binding),
            context: self.context,
        };
        if name == "CURRENT" {
            inner.current = value.as_ref();
        }
        evaluate(&inner)
    }

    fn field(&self, path: &[String]) -> Result<Value, QueryError> {
        match self.current {
            None => walk(RawBsonRef::Document(self.root), path),
            Some(current) => walk(current.as_raw_bson_ref(), path),
        }
    }

    fn variable(&self, name: &str, path: &[String]) -> Result<Value, QueryError> {
        let mut binding = self.bindings;
        while let Some(known) = binding {
            if known.name == name {
                return match known.value {
                    Some(value) => walk(value.as_raw_bson_ref(), path),
                    None => Ok(None),
                };
            }
            binding = known.outer;
        }
        match name {
            "ROOT" => walk(RawBsonRef::Document(self.root), path),
            "CURRENT" => self.field(path),
            "NOW" => walk(RawBsonRef::DateTime(self.context.now), path),
            "REMOVE" => Ok(None),
            // The three outcomes of $redact are told apart by their names.
            "DESCEND" | "PRUNE" | "KEEP" => Ok(Some(RawBson::String(name.to_ascii_lowercase()))),
            _ => match self.context.variables.iter().find(|(known, _)| known == name) {
                Some((_, value)) => walk(value.as_raw_bson_ref(), path),
                None => Err(undefined(name)),
            },
        }
    }
}

/// The value at a path; an array on the way gives the array of its elements' values.
fn walk(value: RawBsonRef<'_>, path: &[String]) -> Result<Value, QueryError> {
    let Some((first, rest)) = path.split_first() else {
        return Ok(Some(RawBson::from(value)));
    };
    match value {
        RawBsonRef::Document(document) => match field(document, first)? {
            Some(inner) => walk(inner, rest),
            None => Ok(None),
        },
        RawBsonRef::Array(array) => {
            let mut found = RawArrayBuf::new();
            for item in array {
                let item = item?;
                if matches!(item, RawBsonRef::Document(_) | RawBsonRef::Array(_))
                    && let Some(value) = walk(item, path)?
                {
                    found.push(value);
                }
            }
            Ok(Some(RawBson::Array(found)))
        }
        _ => Ok(None),
    }
}

fn undefined(name: &str) -> QueryError {
    QueryError::new(17276, format!("Use of undefined variable: {name}"))
}

struct Compiler {
    known: Vec<String>,
}

impl Compiler {
    fn node(&mut self, expression: &Expression) -> Result<Node, QueryError> {
        Ok(match expression {
            Expression::Constant(value) | Expression::Literal(value) => {
                Node::Constant(value.clone())
            }
            Expression::Field(path) => Node::Field(path.components().map(str::to_owned).collect()),
            Expression::Variable { name, path } => {
                self.check(name)?;
                let path = path
                    .as_ref()
                    .map(|path| path.components().map(str::to_owned).collect())
                    .unwrap_or_default();
                Node::Variable(name.clone(), path)
            }
            Expression::Document(fields) => Node::Document(self.fields(fields)?),
            Expression::Array(items) => Node::Array(self.list(items)?),
            Expression::Call(call) => self.call(call)?,
        })
    }

    fn list(&mut self, items: &[Expression]) -> Result<Vec<Node>, QueryError> {
        items.iter().map(|item| self.node(item)).collect()
    }

    fn fields(
        &mut self,
        fields: &[(String, Expression)],
    ) -> Result<Vec<(String, Node)>, QueryError> {
        fields.iter().map(|(name, field)| Ok((name.clone(), self.node(field)?))).collect()
    }

    fn call(&mut self, call: &Call) -> Result<Node, QueryError> {
        if let Some(control) = control::compile(self, call)? {
            return Ok(Node::Control(Box::new(control)));
        }
        match &call.arguments {
            Arguments::Positional(items) => match positional(call.operator) {
                Some(function) => Ok(Node::Positional(function, self.list(items)?)),
                None => Err(QueryError::not_supported(call.operator)),
            },
            Arguments::Named(fields) => {
                let fields = self.fields(fields)?;
                match (named(call.operator), pattern::find(call.operator)) {
                    (Some(function), _) => Ok(Node::Named(function, fields)),
                    (None, Some(function)) => {
                        Ok(Node::Pattern(function, fields, LastPattern::default()))
                    }
                    (None, None) => Err(QueryError::not_supported(call.operator)),
                }
            }
        }
    }

    /// Compiles with further variables known.
    fn with(&mut self, names: &[&str], expression: &Expression) -> Result<Node, QueryError> {
        let before = self.known.len();
        self.known.extend(names.iter().map(|name| (*name).to_owned()));
        let node = self.node(expression);
        self.known.truncate(before);
        node
    }

    fn check(&self, name: &str) -> Result<(), QueryError> {
        match name {
            "ROOT" | "CURRENT" | "NOW" | "REMOVE" | "DESCEND" | "PRUNE" | "KEEP" => Ok(()),
            "CLUSTER_TIME" | "USER_ROLES" | "SEARCH_META" | "JS_SCOPE" => {
                Err(QueryError::not_supported(format!("the variable $${name}")))
            }
            _ if self.known.iter().any(|known| known == name) => Ok(()),
            _ => Err(undefined(name)),
        }
    }
}

fn positional(operator: &str) -> Option<PositionalFunction> {
    arithmetic::find(operator)
        .or_else(|| compare::find(operator))
        .or_else(|| array::find(operator))
        .or_else(|| strings::find(operator))
        .or_else(|| sets::find(operator))
        .or_else(|| object::find(operator))
        .or_else(|| convert::find(operator))
        .or_else(|| date::find(operator))
        .or_else(|| trigonometry::find(operator))
        .or_else(|| accumulate::find(operator))
}

fn named(operator: &str) -> Option<NamedFunction> {
    array::find_named(operator)
        .or_else(|| strings::find_named(operator))
        .or_else(|| object::find_named(operator))
        .or_else(|| convert::find_named(operator))
        .or_else(|| date::find_named(operator))
        .or_else(|| accumulate::find_named(operator))
}

impl Node {
    fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, QueryError> {
        match self {
            Self::Constant(value) => Ok(Some(value.clone())),
            Self::Field(path) => scope.field(path),
            Self::Variable(name, path) => scope.variable(name, path),
            Self::Document(fields) => {
                let mut document = RawDocumentBuf::new();
                for (name, field) in fields {
                    if let Some(value) = field.evaluate(scope)? {
                        append(&mut document, name, &value)?;
                    }
                }
                Ok(Some(RawBson::Document(document)))
            }
            Self::Array(items) => {
                let mut array = RawArrayBuf::new();
                for item in items {
                    array.push(item.evaluate(scope)?.unwrap_or(RawBson::Null));
                }
                Ok(Some(RawBson::Array(array)))
            }
            Self::Positional(function, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(argument.evaluate(scope)?);
                }
                function(&values, scope)
            }
            Self::Named(function, arguments) => function(&by_name(arguments, scope)?, scope),
            Self::Pattern(function, arguments, last) => function(&by_name(arguments, scope)?, last),
            Self::Control(control) => control.evaluate(scope),
        }
    }

    fn is_true(&self, scope: &Scope<'_>) -> Result<bool, QueryError> {
        Ok(truthy(&self.evaluate(scope)?))
    }
}

fn by_name<'a>(
    arguments: &'a [(String, Node)],
    scope: &Scope<'_>,
) -> Result<Named<'a>, QueryError> {
    let mut values = Vec::with_capacity(arguments.len());
    for (name, argument) in arguments {
        values.push((name.as_str(), argument.evaluate(scope)?));
    }
    Ok(Named::new(values))
}

/// Whether a value counts as true; a missing one does not.
pub(crate) fn truthy(value: &Value) -> bool {
    value.as_ref().is_some_and(|value| is_truthy(value.as_raw_bson_ref()))
}

#[cfg(test)]
mod tests;
