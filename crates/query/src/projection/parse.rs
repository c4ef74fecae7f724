//! Reading projections.

use bson::raw::{RawBsonRef, RawDocument};

use super::{Mode, ProjectedField, Projection, Rule, flag};
use crate::document::single;
use crate::expression::Expression;
use crate::filter::{Filter, Predicate};
use crate::path::{Overlap, PathSet};
use crate::value::Number;
use crate::{FieldPath, MAX_DEPTH, QueryError};

struct Parser {
    is_find: bool,
    fields: Vec<ProjectedField>,
}

pub(super) fn projection(document: &RawDocument, is_find: bool) -> Result<Projection, QueryError> {
    let mut parser = Parser { is_find, fields: Vec::new() };
    parser.document(document, None, 0)?;
    check_collisions(&parser.fields)?;
    let mode = mode(&parser.fields)?;
    Ok(Projection { mode, fields: parser.fields })
}

impl Parser {
    fn document(
        &mut self,
        document: &RawDocument,
        prefix: Option<&FieldPath>,
        depth: usize,
    ) -> Result<(), QueryError> {
        if depth > MAX_DEPTH {
            return Err(QueryError::new(15, "projection nesting exceeds the limit of 100 levels"));
        }
        for element in document.iter() {
            let (name, value) = element?;
            self.field(name.as_str(), value, prefix, depth)?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        name: &str,
        value: RawBsonRef<'_>,
        prefix: Option<&FieldPath>,
        depth: usize,
    ) -> Result<(), QueryError> {
        if self.is_find
            && let Some(array) = name.strip_suffix(".$")
        {
            return self.positional(array, value, prefix);
        }
        let path = FieldPath::parse_strict(name)?;
        let path = prefix.map_or_else(|| path.clone(), |prefix| prefix.join(path.as_str()));
        let rule = match value {
            RawBsonRef::Document(inner) => match first_name(inner) {
                None => {
                    return Err(QueryError::new(
                        51270,
                        format!(
                            "An empty sub-projection is not a valid value. Found empty object at path '{path}'"
                        ),
                    ));
                }
                Some(operator) if operator.starts_with('$') => {
                    self.operator(operator, value, inner)?
                }
                Some(_) => return self.document(inner, Some(&path), depth + 1),
            },
            other => match flag(other) {
                Some(true) => Rule::Include,
                Some(false) => Rule::Exclude,
                None => Rule::Computed(Expression::parse(other)?),
            },
        };
        self.fields.push(ProjectedField { path, rule });
        Ok(())
    }

    fn positional(
        &mut self,
        array: &str,
        value: RawBsonRef<'_>,
        prefix: Option<&FieldPath>,
    ) -> Result<(), QueryError> {
        if prefix.is_some() {
            return Err(QueryError::new(
                31271,
                "positional projection not allowed in nested object",
            ));
        }
        if flag(value) != Some(true) {
            return Err(QueryError::new(
                31395,
                "positional projection cannot be used with exclusion",
            ));
        }
        if self.fields.iter().any(|field| field.rule == Rule::Positional) {
            return Err(QueryError::new(
                31276,
                "Cannot specify more than one positional projection per query.",
            ));
        }
        let path = FieldPath::parse_strict(array)
            .map_err(|error| if array.contains('$') { QueryError::new(31394, "As of 4.4, it's illegal to specify positional operator in the middle of a path.") } else { error })?;
        self.fields.push(ProjectedField { path, rule: Rule::Positional });
        Ok(())
    }

    fn operator(
        &self,
        operator: &str,
        value: RawBsonRef<'_>,
        document: &RawDocument,
    ) -> Result<Rule, QueryError> {
        let argument = document.get(operator)?;
        match (operator, argument) {
            ("$meta", Some(RawBsonRef::String(what))) => Ok(Rule::Meta(what.to_owned())),
            ("$elemMatch", Some(RawBsonRef::Document(filter))) if self.is_find => {
                elem_match(filter)
            }
            ("$elemMatch", _) if self.is_find => Err(QueryError::new(
                31274,
                "elemMatch: Invalid argument, object required, but got another type",
            )),
            ("$slice", Some(argument)) if self.is_find => match slice(argument)? {
                Some(rule) => Ok(rule),
                None => Ok(Rule::Computed(Expression::parse(value)?)),
            },
            _ => Ok(Rule::Computed(Expression::parse(value)?)),
        }
    }
}

fn first_name(document: &RawDocument) -> Option<&str> {
    document.iter().next()?.ok().map(|(name, _)| name.as_str())
}

fn elem_match(filter: &RawDocument) -> Result<Rule, QueryError> {
    let wrapped = single("a", &single("$elemMatch", filter));
    match Filter::parse(&wrapped)? {
        Filter::Field { predicate: Predicate::ElemMatch(inner), .. } => Ok(Rule::ElemMatch(inner)),
        _ => Err(QueryError::bad_value("$elemMatch needs an Object")),
    }
}

/// `None` if the argument is that of the aggregation operator.
fn slice(argument: RawBsonRef<'_>) -> Result<Option<Rule>, QueryError> {
    let integer = |value: RawBsonRef<'_>| {
        Number::new(value).and_then(|number| {
            number
                .to_i64_truncated()
                .map(|value| value.clamp(i64::from(i32::MIN), i64::from(i32::MAX)))
        })
    };
    if let Some(limit) = integer(argument) {
        return Ok(Some(Rule::Slice { skip: None, limit }));
    }
    let RawBsonRef::Array(array) = argument else { return Ok(None) };
    let items: Vec<RawBsonRef<'_>> = array.into_iter().collect::<Result<_, _>>()?;
    match items.as_slice() {
        [skip, limit] => match (integer(*skip), integer(*limit)) {
            (Some(_), Some(limit)) if limit <= 0 => Err(QueryError::new(
                28724,
                "First argument to $slice must be an array, but is of type: int",
            )),
            (Some(skip), Some(limit)) => Ok(Some(Rule::Slice { skip: Some(skip), limit })),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

fn check_collisions(fields: &[ProjectedField]) -> Result<(), QueryError> {
    let mut seen = PathSet::default();
    for ProjectedField { path, .. } in fields {
        let rest = match seen.insert(path) {
            Ok(()) => continue,
            Err(Overlap::Below(outer)) => path.as_str().get(outer.len() + 1..).unwrap_or_default(),
            Err(Overlap::Above) => rest_below(path, fields),
            Err(Overlap::Same | Overlap::Mixed(_)) => {
                return Err(QueryError::new(31250, format!("Path collision at {path}")));
            }
        };
        return Err(QueryError::new(
            31249,
            format!("Path collision at {path} remaining portion {rest}"),
        ));
    }
    Ok(())
}

/// What the first path below `outer` adds to it.
fn rest_below<'a>(outer: &FieldPath, fields: &'a [ProjectedField]) -> &'a str {
    let is_below = |path: &&FieldPath| *path != outer && outer.is_prefix_of(path);
    let inner = fields.iter().map(|field| &field.path).find(is_below);
    inner.and_then(|inner| inner.as_str().get(outer.as_str().len() + 1..)).unwrap_or_default()
}

/// The first field other than `_id` that says so decides; the others must agree.
fn mode(fields: &[ProjectedField]) -> Result<Mode, QueryError> {
    let mut mode = None;
    for field in fields {
        let is_id = field.path.as_str() == "_id";
        let wanted = match &field.rule {
            _ if is_id && matches!(field.rule, Rule::Include | Rule::Exclude) => continue,
            Rule::Include | Rule::Positional | Rule::Computed(_) | Rule::ElemMatch(_) => {
                Mode::Inclusion
            }
            Rule::Exclude => Mode::Exclusion,
            Rule::Slice { .. } | Rule::Meta(_) => continue,
        };
        match mode {
            None => mode = Some(wanted),
            Some(known) if known == wanted => {}
            Some(Mode::Exclusion) => {
                // An element match may stand beside exclusions.
                if matches!(field.rule, Rule::ElemMatch(_)) {
                    continue;
                }
                return Err(match &field.rule {
                    Rule::Computed(_) => QueryError::new(
                        31252,
                        "Cannot use expression other than $meta in exclusion projection",
                    ),
                    Rule::Positional => QueryError::new(
                        31395,
                        "positional projection cannot be used with exclusion",
                    ),
                    _ => QueryError::new(
                        31253,
                        format!(
                            "Cannot do inclusion on field {} in exclusion projection",
                            field.path
                        ),
                    ),
                });
            }
            Some(Mode::Inclusion) => {
                if fields.iter().all(|other| {
                    !matches!(other.rule, Rule::Include | Rule::Positional | Rule::Computed(_))
                }) {
                    mode = Some(Mode::Exclusion);
                    continue;
                }
                return Err(QueryError::new(
                    31254,
                    format!("Cannot do exclusion on field {} in inclusion projection", field.path),
                ));
            }
        }
    }
    // Without another field, `_id` decides; what neither keeps nor drops keeps the rest.
    Ok(mode.unwrap_or_else(|| {
        let keeps_id =
            fields.iter().any(|field| field.path.as_str() == "_id" && field.rule == Rule::Include);
        if keeps_id { Mode::Inclusion } else { Mode::Exclusion }
    }))
}
