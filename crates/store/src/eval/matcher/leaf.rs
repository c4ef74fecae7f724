//! Predicates on a single value.

use std::cmp::Ordering;
use std::sync::Arc;

use bson::raw::{RawBson, RawBsonRef};
use fieldveil_query::QueryError;
use fieldveil_query::collation::Collation;
use fieldveil_query::filter::Predicate;
use fieldveil_query::value::{Number, TypeSet, compare_with, rank};

use super::bits::Bits;
use crate::eval::regex::{Regex, compile};

/// A compiled predicate on one value, which may be missing.
pub(super) enum Leaf {
    Compare(Comparison),
    OneOf(Set),
    Exists,
    Type(TypeSet),
    Pattern(Pattern),
    Modulo { divisor: i64, remainder: i64 },
    Bits(Bits),
}

/// `$eq`, `$gt`, `$gte`, `$lt`, `$lte`.
pub(super) struct Comparison {
    accepts: fn(Ordering) -> bool,
    operand: RawBson,
    /// What of the operand is looked at for each value.
    rank: u8,
    is_nan: bool,
    collation: Option<Arc<Collation>>,
}

/// `$in`, sorted for searching.
pub(super) struct Set {
    values: Vec<RawBson>,
    patterns: Vec<Pattern>,
    has_null: bool,
    collation: Option<Arc<Collation>>,
}

/// A regular expression, which also equals itself as a value.
pub(super) struct Pattern {
    regex: Regex,
    pattern: String,
    options: String,
}

impl Leaf {
    pub(super) fn compile(
        predicate: &Predicate,
        collation: Option<Arc<Collation>>,
    ) -> Result<Self, QueryError> {
        let comparison = |accepts, operand: &RawBson| {
            Self::Compare(Comparison::new(accepts, operand, collation.clone()))
        };
        Ok(match predicate {
            Predicate::Eq(value) => comparison(Ordering::is_eq, value),
            Predicate::Gt(value) => comparison(Ordering::is_gt, value),
            Predicate::Gte(value) => comparison(Ordering::is_ge, value),
            Predicate::Lt(value) => comparison(Ordering::is_lt, value),
            Predicate::Lte(value) => comparison(Ordering::is_le, value),
            Predicate::In(values) => Self::one_of(values, collation)?,
            Predicate::Type(types) => Self::Type(types.clone()),
            Predicate::Regex { pattern, options } => {
                Self::Pattern(Pattern::compile(pattern, options)?)
            }
            Predicate::Mod { divisor, remainder } => {
                Self::Modulo { divisor: *divisor, remainder: *remainder }
            }
            Predicate::Bits { test, mask } => Self::Bits(Bits::new(*test, mask)),
            other => return Err(QueryError::not_supported(other.operator())),
        })
    }

    pub(super) fn equal(value: &RawBson, collation: Option<Arc<Collation>>) -> Self {
        Self::Compare(Comparison::new(Ordering::is_eq, value, collation))
    }

    pub(super) fn one_of(
        list: &[RawBson],
        collation: Option<Arc<Collation>>,
    ) -> Result<Self, QueryError> {
        let mut set = Set { values: Vec::new(), patterns: Vec::new(), has_null: false, collation };
        for value in list {
            match value {
                RawBson::RegularExpression(regex) => {
                    set.patterns
                        .push(Pattern::compile(regex.pattern.as_str(), regex.options.as_str())?);
                }
                RawBson::Null => set.has_null = true,
                other => set.values.push(other.clone()),
            }
        }
        let collation = set.collation.clone();
        set.values.sort_by(|left, right| {
            compare_with(left.as_raw_bson_ref(), right.as_raw_bson_ref(), collation.as_deref())
        });
        Ok(Self::OneOf(set))
    }

    /// Whether the predicate holds; `None` is a missing value.
    pub(super) fn matches(&self, value: Option<RawBsonRef<'_>>) -> bool {
        match self {
            Self::Compare(comparison) => comparison.matches(value),
            Self::OneOf(set) => set.matches(value),
            Self::Exists => value.is_some(),
            Self::Type(types) => value.is_some_and(|value| types.contains(value)),
            Self::Pattern(pattern) => value.is_some_and(|value| pattern.matches(value)),
            Self::Modulo { divisor, remainder } => value
                .and_then(Number::new)
                .and_then(Number::to_i64_truncated)
                .is_some_and(|value| value.wrapping_rem(*divisor) == *remainder),
            Self::Bits(bits) => value.is_some_and(|value| bits.matches(value)),
        }
    }
}

impl Comparison {
    fn new(
        accepts: fn(Ordering) -> bool,
        operand: &RawBson,
        collation: Option<Arc<Collation>>,
    ) -> Self {
        let value = operand.as_raw_bson_ref();
        let (rank, is_nan) = (rank(value), is_nan(value));
        Self { accepts, operand: operand.clone(), rank, is_nan, collation }
    }

    /// Values of other types do not compare, except that a missing value and undefined are null.
    fn matches(&self, value: Option<RawBsonRef<'_>>) -> bool {
        let operand = self.operand.as_raw_bson_ref();
        let Some(value) = value else {
            return match operand {
                RawBsonRef::Null => (self.accepts)(Ordering::Equal),
                RawBsonRef::MinKey => (self.accepts)(Ordering::Greater),
                RawBsonRef::MaxKey => (self.accepts)(Ordering::Less),
                _ => false,
            };
        };
        if matches!((value, operand), (RawBsonRef::Undefined, RawBsonRef::Null)) {
            return (self.accepts)(Ordering::Equal);
        }
        let bounded = matches!(operand, RawBsonRef::MinKey | RawBsonRef::MaxKey);
        // NaN equals NaN and compares with no other number.
        if !bounded && (rank(value) != self.rank || is_nan(value) != self.is_nan) {
            return false;
        }
        (self.accepts)(compare_with(value, operand, self.collation.as_deref()))
    }
}

fn is_nan(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Double(number) => number.is_nan(),
        RawBsonRef::Decimal128(_) => Number::new(value).is_some_and(Number::is_nan),
        _ => false,
    }
}

impl Set {
    fn matches(&self, value: Option<RawBsonRef<'_>>) -> bool {
        let Some(value) = value else { return self.has_null };
        if matches!(value, RawBsonRef::Null | RawBsonRef::Undefined) {
            return self.has_null;
        }
        let found = self.values.binary_search_by(|candidate| {
            compare_with(candidate.as_raw_bson_ref(), value, self.collation.as_deref())
        });
        found.is_ok() || self.patterns.iter().any(|pattern| pattern.matches(value))
    }
}

impl Pattern {
    fn compile(pattern: &str, options: &str) -> Result<Self, QueryError> {
        Ok(Self {
            regex: compile(pattern, options)?,
            pattern: pattern.to_owned(),
            options: options.to_owned(),
        })
    }

    fn matches(&self, value: RawBsonRef<'_>) -> bool {
        match value {
            RawBsonRef::String(text) | RawBsonRef::Symbol(text) => self.regex.is_match(text),
            RawBsonRef::RegularExpression(other) => {
                other.pattern.as_str() == self.pattern && other.options.as_str() == self.options
            }
            _ => false,
        }
    }
}
