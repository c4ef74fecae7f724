//! Accumulators of `$group`, `$bucket` and `$setWindowFields`.

use bson::raw::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::QueryError;
use crate::document::single;
use crate::expression::{Expression, print_arguments};
use crate::value::BsonType;

/// An accumulator with its argument.
///
/// Accumulators with arguments by name (`$topN`, `$firstN`, `$percentile`, ...) have a
/// [`Expression::Document`] of them, in which `sortBy` is a literal.
#[derive(Debug, Clone, PartialEq)]
pub struct Accumulator {
    /// With its `$`.
    pub operator: &'static str,
    /// What each document contributes.
    pub argument: Expression,
}

/// Functions that exist in `$setWindowFields` only.
pub const WINDOW_ONLY: &[&str] = &[
    "$rank",
    "$denseRank",
    "$documentNumber",
    "$shift",
    "$derivative",
    "$integral",
    "$expMovingAvg",
    "$covariancePop",
    "$covarianceSamp",
    "$linearFill",
    "$locf",
    "$minMaxScaler",
];

const ACCUMULATORS: &[&str] = &[
    "$accumulator",
    "$addToSet",
    "$avg",
    "$bottom",
    "$bottomN",
    "$concatArrays",
    "$count",
    "$first",
    "$firstN",
    "$last",
    "$lastN",
    "$max",
    "$maxN",
    "$median",
    "$mergeObjects",
    "$min",
    "$minN",
    "$percentile",
    "$push",
    "$setUnion",
    "$stdDevPop",
    "$stdDevSamp",
    "$sum",
    "$top",
    "$topN",
];

impl Accumulator {
    /// Parses `{ $operator: argument }` of a group's field.
    ///
    /// # Errors
    /// 40234, 40238 and 15952 with the server's texts.
    pub fn parse(field: &str, value: RawBsonRef<'_>) -> Result<Self, QueryError> {
        let not_one =
            || QueryError::new(40234, format!("The field '{field}' must be an accumulator object"));
        let RawBsonRef::Document(document) = value else { return Err(not_one()) };
        let mut elements = document.iter();
        let (operator, argument) = match elements.next() {
            Some(element) => element?,
            None => return Err(not_one()),
        };
        if !operator.as_str().starts_with('$') {
            return Err(not_one());
        }
        if elements.next().is_some() {
            return Err(QueryError::new(
                40238,
                format!("The field '{field}' must specify one accumulator"),
            ));
        }
        Self::with_argument(operator.as_str(), argument, ACCUMULATORS)
    }

    /// Parses a function of `$setWindowFields`.
    ///
    /// # Errors
    /// 15952 for an unknown function.
    pub(super) fn parse_window(
        operator: &str,
        argument: RawBsonRef<'_>,
    ) -> Result<Self, QueryError> {
        let list = if WINDOW_ONLY.contains(&operator) { WINDOW_ONLY } else { ACCUMULATORS };
        Self::with_argument(operator, argument, list)
    }

    fn with_argument(
        operator: &str,
        argument: RawBsonRef<'_>,
        list: &[&'static str],
    ) -> Result<Self, QueryError> {
        let Some(operator) = list.iter().find(|name| **name == operator) else {
            return Err(QueryError::new(15952, format!("unknown group operator '{operator}'")));
        };
        let argument = match (*operator, argument) {
            (
                "$top" | "$topN" | "$bottom" | "$bottomN" | "$firstN" | "$lastN" | "$maxN"
                | "$minN" | "$percentile" | "$median" | "$accumulator" | "$shift" | "$derivative"
                | "$integral" | "$expMovingAvg" | "$minMaxScaler",
                RawBsonRef::Document(document),
            ) => named(document)?,
            (
                "$top" | "$topN" | "$bottom" | "$bottomN" | "$firstN" | "$lastN" | "$maxN"
                | "$minN" | "$percentile" | "$median",
                other,
            ) => {
                return Err(QueryError::new(
                    5787900,
                    format!(
                        "specification must be an object; found {operator}: {}",
                        BsonType::of(other).name()
                    ),
                ));
            }
            ("$count" | "$rank" | "$denseRank" | "$documentNumber", argument) => {
                if argument.as_document().is_none_or(|document| !document.is_empty()) {
                    return Err(QueryError::type_mismatch(format!(
                        "{operator} takes no arguments, i.e. {operator}:{{}}"
                    )));
                }
                Expression::Document(Vec::new())
            }
            // An array of one is that one, as with expressions; more are refused.
            ("$covariancePop" | "$covarianceSamp" | "$push" | "$addToSet", argument) => {
                Expression::parse(argument)?
            }
            (_, RawBsonRef::Array(array)) => {
                let mut items = array.into_iter();
                match (items.next(), items.next()) {
                    (Some(item), None) => Expression::parse(item?)?,
                    _ => {
                        return Err(QueryError::new(
                            40237,
                            format!("The {operator} accumulator is a unary operator"),
                        ));
                    }
                }
            }
            (_, argument) => Expression::parse(argument)?,
        };
        Ok(Self { operator, argument })
    }

    /// An argument by name.
    pub fn named(&self, name: &str) -> Option<&Expression> {
        match &self.argument {
            Expression::Document(fields) => {
                fields.iter().find(|(known, _)| known == name).map(|(_, field)| field)
            }
            _ => None,
        }
    }

    /// Prints `{ $operator: argument }`.
    pub fn to_raw(&self) -> RawDocumentBuf {
        match &self.argument {
            Expression::Document(fields) => {
                single(self.operator, &RawBson::Document(print_arguments(fields)))
            }
            other => single(self.operator, &other.to_raw()),
        }
    }
}

fn named(document: &RawDocument) -> Result<Expression, QueryError> {
    let mut fields = Vec::new();
    for element in document.iter() {
        let (name, value) = element?;
        let expression = match (name.as_str(), value) {
            ("sortBy", RawBsonRef::Document(_)) => Expression::Literal(RawBson::from(value)),
            _ => Expression::parse(value)?,
        };
        fields.push((name.as_str().to_owned(), expression));
    }
    Ok(Expression::Document(fields))
}
