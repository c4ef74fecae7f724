//! Compiled filters.

use std::sync::Arc;

use bson::raw::{RawBson, RawBsonRef, RawDocument};
use fieldveil_query::QueryError;
use fieldveil_query::document::as_document;
use fieldveil_query::filter::{AllItem, ElemMatch, Filter, Predicate};

use super::expression::{Compiled, truthy};
use super::path::{AtEnd, Found, Path};
use super::{Context, SchemaPredicate, random_fraction};

mod bits;
mod leaf;

use leaf::Leaf;

/// A filter ready to be applied to documents.
#[derive(Clone)]
pub struct Matcher {
    root: Arc<Node>,
}

/// A compiled filter node.
enum Node {
    And(Vec<Self>),
    Or(Vec<Self>),
    Nor(Vec<Self>),
    Field(Path, Test),
    Expression(Compiled, Box<Context>),
    Schema(SchemaPredicate),
    Sample(f64),
    Constant(bool),
}

/// A compiled predicate.
enum Test {
    /// On single values; arrays at the end of the path stand for their elements too.
    Leaf(Leaf),
    /// The conjunction does not hold.
    Not(Vec<Self>),
    /// Each holds, for one value or another.
    All(Vec<Self>),
    /// An element of the array matches a filter.
    ElementObject(Box<Node>),
    /// An element of the array satisfies all of these.
    ElementValue(Vec<Self>),
    /// The array has that many elements.
    Size(i64),
    /// A shape lies in another. Shapes are not here, but what cannot be one lies nowhere.
    Geo(String),
    /// Says nothing.
    True,
}

/// Where a match was found, for the positional `$`: the index in the outermost array.
type Position = Option<usize>;

impl Matcher {
    /// Compiles a filter.
    ///
    /// # Errors
    /// For operators this server does not have (`$where`, `$text`), by name, for `$near`, and for
    /// regular expressions and schemas that do not compile.
    pub fn compile(filter: &Filter, context: &Context) -> Result<Self, QueryError> {
        Ok(Self { root: Arc::new(node(filter, context)?) })
    }

    /// Whether the document matches.
    ///
    /// # Errors
    /// `InvalidBSON`, and what an `$expr` comes to.
    pub fn matches(&self, document: &RawDocument) -> Result<bool, QueryError> {
        self.root.matches(document, &mut None)
    }

    /// Like [`Matcher::matches`]; for a match, also the array index that the positional `$` means.
    pub fn find_position(&self, document: &RawDocument) -> Result<Option<Position>, QueryError> {
        let mut position = None;
        Ok(self.root.matches(document, &mut position)?.then_some(position))
    }
}

fn nodes(filters: &[Filter], context: &Context) -> Result<Vec<Node>, QueryError> {
    filters.iter().map(|filter| node(filter, context)).collect()
}

fn node(filter: &Filter, context: &Context) -> Result<Node, QueryError> {
    Ok(match filter {
        Filter::And(parts) => Node::And(nodes(parts, context)?),
        Filter::Or(parts) => Node::Or(nodes(parts, context)?),
        Filter::Nor(parts) => Node::Nor(nodes(parts, context)?),
        Filter::Field { path, predicate } => {
            Node::Field(Path::new(path.as_str()), test(predicate, context)?)
        }
        Filter::Expr(expression) => {
            Node::Expression(Compiled::compile(expression, context)?, Box::new(context.clone()))
        }
        Filter::JsonSchema(schema) => match context.schema_compiler {
            Some(compile) => Node::Schema(compile(schema)?),
            None => return Err(QueryError::not_supported("$jsonSchema here")),
        },
        Filter::Text(_) => return Err(QueryError::not_supported("$text")),
        Filter::Where(_) => return Err(QueryError::not_supported("$where")),
        Filter::Comment(_) | Filter::AlwaysTrue => Node::Constant(true),
        Filter::AlwaysFalse => Node::Constant(false),
        Filter::SampleRate(rate) => Node::Sample(*rate),
    })
}

fn tests(predicates: &[Predicate], context: &Context) -> Result<Vec<Test>, QueryError> {
    predicates.iter().map(|predicate| test(predicate, context)).collect()
}

fn test(predicate: &Predicate, context: &Context) -> Result<Test, QueryError> {
    let collation = context.collation.clone();
    Ok(match predicate {
        Predicate::Ne(value) => Test::Not(vec![Test::Leaf(Leaf::equal(value, collation))]),
        Predicate::Nin(values) => Test::Not(vec![Test::Leaf(Leaf::one_of(values, collation)?)]),
        Predicate::Exists(true) => Test::Leaf(Leaf::Exists),
        Predicate::Exists(false) => Test::Not(vec![Test::Leaf(Leaf::Exists)]),
        Predicate::Not(inner) => Test::Not(tests(inner, context)?),
        Predicate::All(items) => Test::All(all(items, context)?),
        Predicate::ElemMatch(inner) => element(inner, context)?,
        Predicate::Size(size) => Test::Size(*size),
        Predicate::Geo { operator, .. } => match operator.as_str() {
            "$geoWithin" | "$geoIntersects" | "$within" => Test::Geo(operator.clone()),
            _ => return Err(no_geo_index()),
        },
        Predicate::Comment(_) => Test::True,
        other => Test::Leaf(Leaf::compile(other, collation)?),
    })
}

/// Queries by distance need an index, of a kind that no collection has here.
fn no_geo_index() -> QueryError {
    QueryError::new(291, "unable to find index for $geoNear query")
}

fn all(items: &[AllItem], context: &Context) -> Result<Vec<Test>, QueryError> {
    let collation = || context.collation.clone();
    items
        .iter()
        .map(|item| match item {
            AllItem::Value(value @ RawBson::RegularExpression(_)) => {
                Ok(Test::Leaf(Leaf::one_of(std::slice::from_ref(value), collation())?))
            }
            AllItem::Value(value) => Ok(Test::Leaf(Leaf::equal(value, collation()))),
            AllItem::ElemMatch(inner) => element(inner, context),
        })
        .collect()
}

fn element(elem_match: &ElemMatch, context: &Context) -> Result<Test, QueryError> {
    Ok(match elem_match {
        ElemMatch::Object(filter) => Test::ElementObject(Box::new(node(filter, context)?)),
        ElemMatch::Value(predicates) => Test::ElementValue(tests(predicates, context)?),
    })
}

impl Node {
    fn matches(&self, document: &RawDocument, position: &mut Position) -> Result<bool, QueryError> {
        match self {
            Self::And(parts) => {
                for part in parts {
                    if !part.matches(document, position)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(parts) => {
                for part in parts {
                    if part.matches(document, position)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Nor(parts) => {
                for part in parts {
                    if part.matches(document, &mut None)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Field(path, test) => test.matches_at(document, path, position),
            Self::Expression(expression, context) => {
                Ok(truthy(&expression.evaluate(document, context)?))
            }
            Self::Schema(predicate) => Ok(predicate(document)),
            Self::Sample(rate) => Ok(random_fraction() < *rate),
            Self::Constant(value) => Ok(*value),
        }
    }
}

impl Test {
    /// Whether the predicate holds for what is at a path.
    fn matches_at(
        &self,
        document: &RawDocument,
        path: &Path,
        position: &mut Position,
    ) -> Result<bool, QueryError> {
        match self {
            Self::True => Ok(true),
            Self::Not(inner) => {
                for test in inner {
                    if !test.matches_at(document, path, &mut None)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::All(inner) => {
                for test in inner {
                    if !test.matches_at(document, path, position)? {
                        return Ok(false);
                    }
                }
                Ok(!inner.is_empty())
            }
            Self::Leaf(leaf) => path.visit(document, AtEnd::Elements, &mut |found: Found<'_>| {
                let matched = leaf.matches(found.value);
                if matched && found.position.is_some() {
                    *position = found.position;
                }
                Ok(matched)
            }),
            Self::Geo(operator) => path.visit(document, AtEnd::Whole, &mut |found: Found<'_>| {
                found.value.map_or(Ok(false), |value| lies_within(operator, value))
            }),
            Self::Size(_) | Self::ElementObject(_) | Self::ElementValue(_) => {
                path.visit(document, AtEnd::Whole, &mut |found: Found<'_>| {
                    let Some(value) = found.value else { return Ok(false) };
                    let mut inner = None;
                    let matched = self.matches_array(value, &mut inner)?;
                    if matched {
                        *position = found.position.or(inner).or(*position);
                    }
                    Ok(matched)
                })
            }
        }
    }

    /// Whether the predicate holds for one value, taken as it is.
    fn matches_value(&self, value: RawBsonRef<'_>) -> Result<bool, QueryError> {
        match self {
            Self::True => Ok(true),
            Self::Leaf(leaf) => Ok(leaf.matches(Some(value))),
            Self::Not(inner) => {
                for test in inner {
                    if !test.matches_value(value)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::All(inner) => {
                for test in inner {
                    if !test.matches_value(value)? {
                        return Ok(false);
                    }
                }
                Ok(!inner.is_empty())
            }
            Self::Geo(operator) => lies_within(operator, value),
            Self::Size(_) | Self::ElementObject(_) | Self::ElementValue(_) => {
                self.matches_array(value, &mut None)
            }
        }
    }

    fn matches_array(
        &self,
        value: RawBsonRef<'_>,
        position: &mut Position,
    ) -> Result<bool, QueryError> {
        let RawBsonRef::Array(array) = value else { return Ok(false) };
        if let Self::Size(size) = self {
            return Ok(i64::try_from(array.into_iter().count()) == Ok(*size));
        }
        for (index, element) in array.into_iter().enumerate() {
            let element = element?;
            let matched = match (self, element) {
                (Self::ElementObject(node), RawBsonRef::Document(inner)) => {
                    node.matches(inner, &mut None)?
                }
                (Self::ElementObject(node), RawBsonRef::Array(inner)) => {
                    node.matches(as_document(inner), &mut None)?
                }
                (Self::ElementValue(tests), _) => {
                    let mut all = true;
                    for test in tests {
                        all = all && test.matches_value(element)?;
                    }
                    all
                }
                _ => false,
            };
            if matched {
                *position = Some(index);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Points and shapes are documents and arrays; nothing else is in a region.
fn lies_within(operator: &str, value: RawBsonRef<'_>) -> Result<bool, QueryError> {
    match value {
        RawBsonRef::Document(_) | RawBsonRef::Array(_) => Err(QueryError::not_supported(operator)),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests;
