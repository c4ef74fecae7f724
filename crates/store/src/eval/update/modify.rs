//! What single operators do to a value.

use bson::raw::{RawBson, RawBsonRef};
use fieldveil_query::update::{BitOperator, CurrentDate, Operation, Push};
use fieldveil_query::value::{BsonType, Number, compare_with};
use fieldveil_query::{FieldPath, QueryError};

use super::Scope;
use super::array;
use super::plan::find;
use super::tree::Tree;
use super::walk::Effect;
use crate::eval::Context;
use crate::eval::arithmetic::{self, Outcome};
use crate::eval::describe::{describe, describe_id};

/// A compiled operation.
pub(super) enum Action {
    Set(RawBson),
    SetOnInsert(RawBson),
    Unset,
    Inc(RawBson),
    Mul(RawBson),
    Min(RawBson),
    Max(RawBson),
    CurrentDate(CurrentDate),
    /// The source of a `$rename`.
    RenameFrom,
    /// The target of a `$rename`, with the source's path.
    RenameTo(FieldPath),
    Push(Push),
    AddToSet(Vec<RawBson>),
    Pop {
        first: bool,
    },
    Pull(array::Condition),
    PullAll(Vec<RawBson>),
    Bit(Vec<(BitOperator, RawBson)>),
}

impl Action {
    pub(super) fn compile(operation: &Operation, context: &Context) -> Result<Self, QueryError> {
        Ok(match operation {
            Operation::Set(value) => Self::Set(value.clone()),
            Operation::SetOnInsert(value) => Self::SetOnInsert(value.clone()),
            Operation::Unset(_) => Self::Unset,
            Operation::Inc(value) => Self::Inc(value.clone()),
            Operation::Mul(value) => Self::Mul(value.clone()),
            Operation::Min(value) => Self::Min(value.clone()),
            Operation::Max(value) => Self::Max(value.clone()),
            Operation::CurrentDate(kind) => Self::CurrentDate(*kind),
            Operation::Rename(target) => Self::RenameTo(target.clone()),
            Operation::Push(push) => Self::Push(push.clone()),
            Operation::AddToSet { values, .. } => Self::AddToSet(values.clone()),
            Operation::Pop { first } => Self::Pop { first: *first },
            Operation::Pull(condition) => {
                Self::Pull(array::Condition::compile(condition, context)?)
            }
            Operation::PullAll(values) => Self::PullAll(values.clone()),
            Operation::Bit(operations) => Self::Bit(operations.clone()),
        })
    }

    /// Changes a value that is there.
    pub(super) fn change(
        &self,
        value: &mut Tree,
        path: &str,
        scope: &Scope<'_>,
    ) -> Result<Effect, QueryError> {
        let replacement = match self {
            Self::Set(new) => new.clone(),
            Self::SetOnInsert(new) if scope.is_insert => new.clone(),
            Self::SetOnInsert(_) => return Ok(Effect::Keep),
            Self::Unset => return Ok(Effect::Remove),
            Self::RenameFrom => return Ok(Effect::Remove),
            Self::RenameTo(source) => match find(scope.original, source)? {
                Some(moved) => RawBson::from(moved),
                None => return Ok(Effect::Keep),
            },
            Self::Inc(operand) => calculate("$inc", value, operand, path, scope)?,
            Self::Mul(operand) => calculate("$mul", value, operand, path, scope)?,
            Self::Min(new) | Self::Max(new) => {
                let current = value.to_bson()?;
                let order = compare_with(
                    new.as_raw_bson_ref(),
                    current.as_raw_bson_ref(),
                    scope.collation.as_deref(),
                );
                let better =
                    if matches!(self, Self::Min(_)) { order.is_lt() } else { order.is_gt() };
                if !better {
                    return Ok(Effect::Keep);
                }
                new.clone()
            }
            Self::CurrentDate(kind) => date(*kind, scope),
            Self::Bit(operations) => bits(value, operations, path, scope)?,
            Self::Push(push) => {
                let kind = value_type(value);
                let items = array::items(value, || array_wanted(kind, path, scope))?;
                array::push(items, push, scope)?;
                return Ok(Effect::Keep);
            }
            Self::AddToSet(values) => {
                let kind = value_type(value);
                let items = array::items(value, || {
                    QueryError::bad_value(format!(
                        "Cannot apply $addToSet to non-array field. Field named '{}' has non-array \
                         type {kind}",
                        path.rsplit('.').next().unwrap_or(path)
                    ))
                })?;
                array::add_to_set(items, values, scope)?;
                return Ok(Effect::Keep);
            }
            Self::Pop { first } => {
                let kind = value_type(value);
                let items = array::items(value, || {
                    QueryError::type_mismatch(format!(
                        "Path '{path}' contains an element of non-array type '{kind}'"
                    ))
                })?;
                if *first && !items.is_empty() {
                    items.remove(0);
                } else {
                    items.pop();
                }
                return Ok(Effect::Keep);
            }
            Self::Pull(condition) => {
                let items = array::items(value, pull_wants_array)?;
                array::pull(items, condition, scope)?;
                return Ok(Effect::Keep);
            }
            Self::PullAll(values) => {
                let items = array::items(value, pull_wants_array)?;
                array::pull_all(items, values, scope)?;
                return Ok(Effect::Keep);
            }
        };
        *value = Tree::Raw(replacement);
        Ok(Effect::Keep)
    }

    /// The value made where there was none.
    pub(super) fn create(&self, scope: &Scope<'_>) -> Result<Option<Tree>, QueryError> {
        let value = match self {
            Self::Set(value) | Self::Inc(value) | Self::Min(value) | Self::Max(value) => {
                value.clone()
            }
            Self::SetOnInsert(value) if scope.is_insert => value.clone(),
            Self::Mul(operand) => match Number::new(operand.as_raw_bson_ref()) {
                Some(operand) => match arithmetic::multiply(operand, Number::Int32(0)) {
                    Outcome::Value(zero) => zero.to_bson(),
                    Outcome::Overflow => RawBson::Int32(0),
                },
                None => RawBson::Int32(0),
            },
            Self::CurrentDate(kind) => date(*kind, scope),
            Self::RenameTo(source) => match find(scope.original, source)? {
                Some(moved) => RawBson::from(moved),
                None => return Ok(None),
            },
            Self::Bit(operations) => apply_bits(Number::Int32(0), operations),
            Self::Push(push) => {
                let mut items = Vec::new();
                array::push(&mut items, push, scope)?;
                return Ok(Some(Tree::Array(items)));
            }
            Self::AddToSet(values) => {
                let mut items = Vec::new();
                array::add_to_set(&mut items, values, scope)?;
                return Ok(Some(Tree::Array(items)));
            }
            Self::SetOnInsert(_)
            | Self::Unset
            | Self::RenameFrom
            | Self::Pop { .. }
            | Self::Pull(_)
            | Self::PullAll(_) => return Ok(None),
        };
        Ok(Some(Tree::Raw(value)))
    }
}

fn value_type(value: &Tree) -> &'static str {
    match value {
        Tree::Document(_) => "object",
        Tree::Array(_) => "array",
        Tree::Raw(value) => BsonType::of(value.as_raw_bson_ref()).name(),
    }
}

fn array_wanted(kind: &str, path: &str, scope: &Scope<'_>) -> QueryError {
    QueryError::bad_value(format!(
        "The field '{path}' must be an array but is of type {kind} in document {}",
        describe_id(scope.original)
    ))
}

fn pull_wants_array() -> QueryError {
    QueryError::bad_value("Cannot apply $pull to a non-array value")
}

fn date(kind: CurrentDate, scope: &Scope<'_>) -> RawBson {
    match kind {
        CurrentDate::Date => RawBson::DateTime(scope.now),
        CurrentDate::Timestamp => RawBson::Timestamp(scope.timestamp()),
    }
}

fn calculate(
    operator: &str,
    value: &Tree,
    operand: &RawBson,
    path: &str,
    scope: &Scope<'_>,
) -> Result<RawBson, QueryError> {
    let current = value.as_raw().and_then(Number::new);
    let (Some(current), Some(operand)) = (current, Number::new(operand.as_raw_bson_ref())) else {
        return Err(QueryError::type_mismatch(format!(
            "Cannot apply {operator} to a value of non-numeric type. {} has the field '{}' of \
             non-numeric type {}",
            describe_id(scope.original),
            path.rsplit('.').next().unwrap_or(path),
            value_type(value)
        )));
    };
    let outcome = if operator == "$inc" {
        arithmetic::add(current, operand)
    } else {
        arithmetic::multiply(current, operand)
    };
    match outcome {
        Outcome::Value(number) => Ok(number.to_bson()),
        Outcome::Overflow => Err(QueryError::bad_value(format!(
            "Failed to apply {operator} operations to current value ((NumberLong){}) for document {}",
            describe(current.to_bson().as_raw_bson_ref()),
            describe_id(scope.original)
        ))),
    }
}

fn bits(
    value: &Tree,
    operations: &[(BitOperator, RawBson)],
    path: &str,
    scope: &Scope<'_>,
) -> Result<RawBson, QueryError> {
    match value.as_raw() {
        Some(RawBsonRef::Int32(current)) => Ok(apply_bits(Number::Int32(current), operations)),
        Some(RawBsonRef::Int64(current)) => Ok(apply_bits(Number::Int64(current), operations)),
        _ => Err(QueryError::bad_value(format!(
            "Cannot apply $bit to a value of non-integral type.{} has the field {} of non-integer \
             type {}",
            describe_id(scope.original),
            path.rsplit('.').next().unwrap_or(path),
            value_type(value)
        ))),
    }
}

fn apply_bits(current: Number, operations: &[(BitOperator, RawBson)]) -> RawBson {
    let mut wide = matches!(current, Number::Int64(_));
    let mut value = current.to_i64_exact().unwrap_or(0);
    for (operator, operand) in operations {
        wide |= matches!(operand, RawBson::Int64(_));
        let operand = Number::new(operand.as_raw_bson_ref()).and_then(Number::to_i64_exact);
        let operand = operand.unwrap_or(0);
        value = match operator {
            BitOperator::And => value & operand,
            BitOperator::Or => value | operand,
            BitOperator::Xor => value ^ operand,
        };
    }
    match i32::try_from(value) {
        Ok(narrow) if !wide => RawBson::Int32(narrow),
        _ => RawBson::Int64(value),
    }
}
