//! Aggregation expressions.
//!
//! The tree is uniform: an operator is a [`Call`] with positional or named arguments, so a walker
//! needs no knowledge of single operators, and one that has some (`$eq`, `$in`, `$cond`) looks at
//! the name. Which operators exist and what arguments they take is the table in
//! [`operators`].

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocumentBuf};

use crate::document::{put, single};
use crate::{FieldPath, QueryError};

mod faults;
pub mod operators;
mod parse;

pub(crate) use parse::check_variable_name;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// A value written as such; never a document or array, nor a string that begins with `$`.
    Constant(RawBson),
    /// `{ $literal: value }`; any value.
    Literal(RawBson),
    /// `"$a.b"`: a path of the current document.
    Field(FieldPath),
    /// `"$$name"` or `"$$name.a.b"`.
    Variable {
        /// The variable, without `$$`.
        name: String,
        /// The path below it.
        path: Option<FieldPath>,
    },
    /// `{ a: .., b: .. }`, a document built of expressions.
    Document(Vec<(String, Self)>),
    /// `[ .., .. ]`
    Array(Vec<Self>),
    /// `{ $operator: arguments }`
    Call(Call),
}

/// An operator with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The operator's name with its `$`.
    pub operator: &'static str,
    /// What it is applied to.
    pub arguments: Arguments,
}

/// The two forms of arguments.
#[derive(Debug, Clone, PartialEq)]
pub enum Arguments {
    /// `[ a, b ]`, or one expression alone.
    Positional(Vec<Expression>),
    /// `{ input: a, in: b }`, in the order written. Arguments that are no expressions (`as`,
    /// `sortBy`) are held as constants.
    Named(Vec<(String, Expression)>),
}

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    /// MongoDB's, among them 168 for an unknown operator and 16020 for a wrong number of arguments.
    pub fn parse(value: RawBsonRef<'_>) -> Result<Self, QueryError> {
        parse::expression(value, 0)
    }

    /// The value, if the expression is one constant.
    pub fn as_constant(&self) -> Option<&RawBson> {
        match self {
            Self::Constant(value) | Self::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The value for replacement, if the expression is one constant.
    pub fn as_constant_mut(&mut self) -> Option<&mut RawBson> {
        match self {
            Self::Constant(value) | Self::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// The value this expression always has, whatever the document: constants, and documents and
    /// arrays of constants.
    pub fn constant_value(&self) -> Option<RawBson> {
        match self {
            Self::Constant(value) | Self::Literal(value) => Some(value.clone()),
            Self::Document(fields) => {
                let mut document = RawDocumentBuf::new();
                for (name, field) in fields {
                    put(&mut document, name, &field.constant_value()?);
                }
                Some(RawBson::Document(document))
            }
            Self::Array(items) => {
                let mut array = RawArrayBuf::new();
                for item in items {
                    array.push(item.constant_value()?);
                }
                Some(RawBson::Array(array))
            }
            _ => None,
        }
    }

    /// The expressions directly inside this one.
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Constant(_) | Self::Literal(_) | Self::Field(_) | Self::Variable { .. } => {
                Vec::new()
            }
            Self::Document(fields) => fields.iter().map(|(_, field)| field).collect(),
            Self::Array(items) => items.iter().collect(),
            Self::Call(call) => call.children(),
        }
    }

    /// The expressions directly inside this one, for replacement.
    pub fn children_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Constant(_) | Self::Literal(_) | Self::Field(_) | Self::Variable { .. } => {
                Vec::new()
            }
            Self::Document(fields) => fields.iter_mut().map(|(_, field)| field).collect(),
            Self::Array(items) => items.iter_mut().collect(),
            Self::Call(call) => match &mut call.arguments {
                Arguments::Positional(items) => items.iter_mut().collect(),
                Arguments::Named(fields) => fields.iter_mut().map(|(_, field)| field).collect(),
            },
        }
    }

    /// Prints the expression; reading it again gives this tree.
    pub fn to_raw(&self) -> RawBson {
        match self {
            Self::Constant(value) if is_plain(value) => value.clone(),
            Self::Constant(value) | Self::Literal(value) => {
                RawBson::Document(single("$literal", value))
            }
            Self::Field(path) => RawBson::String(format!("${path}")),
            Self::Variable { name, path: None } => RawBson::String(format!("$${name}")),
            Self::Variable { name, path: Some(path) } => {
                RawBson::String(format!("$${name}.{path}"))
            }
            Self::Document(fields) => RawBson::Document(print_fields(fields)),
            Self::Array(items) => RawBson::Array(print_items(items)),
            Self::Call(call) => RawBson::Document(call.to_raw()),
        }
    }
}

impl Call {
    /// A positional argument.
    pub fn argument(&self, index: usize) -> Option<&Expression> {
        match &self.arguments {
            Arguments::Positional(items) => items.get(index),
            Arguments::Named(_) => None,
        }
    }

    /// A named argument.
    pub fn named(&self, name: &str) -> Option<&Expression> {
        match &self.arguments {
            Arguments::Positional(_) => None,
            Arguments::Named(fields) => {
                fields.iter().find(|(known, _)| known == name).map(|(_, field)| field)
            }
        }
    }

    /// All arguments in order.
    pub fn children(&self) -> Vec<&Expression> {
        match &self.arguments {
            Arguments::Positional(items) => items.iter().collect(),
            Arguments::Named(fields) => fields.iter().map(|(_, field)| field).collect(),
        }
    }

    fn to_raw(&self) -> RawDocumentBuf {
        match &self.arguments {
            // One argument stands alone, unless it is an array itself: `{ $size: [ [ 1 ] ] }`.
            Arguments::Positional(items) => match items.as_slice() {
                [] if self.operator == "$rand" => {
                    single(self.operator, &RawBson::Document(RawDocumentBuf::new()))
                }
                [Expression::Constant(value)] if self.operator == "$meta" => {
                    single(self.operator, value)
                }
                [item] if !matches!(item, Expression::Array(_)) && !looks_named(item) => {
                    single(self.operator, &item.to_raw())
                }
                items => single(self.operator, &RawBson::Array(print_items(items))),
            },
            Arguments::Named(fields) => {
                single(self.operator, &RawBson::Document(print_arguments(fields)))
            }
        }
    }
}

/// Prints arguments by name; a sort pattern is no expression and prints as it is.
pub(crate) fn print_arguments(fields: &[(String, Expression)]) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    for (name, field) in fields {
        match field {
            Expression::Literal(pattern) if name == "sortBy" => put(&mut document, name, pattern),
            _ => put(&mut document, name, &field.to_raw()),
        }
    }
    document
}

/// Whether a lone argument would be read as named arguments by operators that have both forms.
fn looks_named(item: &Expression) -> bool {
    matches!(item, Expression::Document(_))
}

fn print_fields(fields: &[(String, Expression)]) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    for (name, field) in fields {
        put(&mut document, name, &field.to_raw());
    }
    document
}

fn print_items(items: &[Expression]) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    for item in items {
        array.push(item.to_raw());
    }
    array
}

/// Whether a value means itself when it stands in an expression.
fn is_plain(value: &RawBson) -> bool {
    match value {
        RawBson::String(text) => !text.starts_with('$'),
        RawBson::Document(_) | RawBson::Array(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
