//! `$densify`: documents for the steps of a series that nothing stands at.

use std::cmp::Ordering;

use bson::DateTime;
use bson::raw::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::value::{Number, compare};
use fieldveil_query::{FieldPath, QueryError};

use super::accumulator::Ordered;
use super::unwind::{nested, set};
use super::{Budget, Documents, Environment, deferred, listed};
use crate::eval::arithmetic::{Outcome, add, multiply};
use crate::eval::expression::move_date;

/// How many documents the stage may make, as MongoDB has it.
const MAX_MADE: usize = 500_000;

/// The stage's argument, read.
struct Densify {
    field: Vec<String>,
    partition_by: Vec<Vec<String>>,
    step: Number,
    unit: Option<String>,
    bounds: Bounds,
}

enum Bounds {
    /// From the least to the greatest value of all documents, in each partition.
    Full,
    /// The same, for each partition by itself.
    Partition,
    /// From the first, up to but not at the second.
    Explicit(RawBson, RawBson),
}

struct Row {
    partition: Ordered,
    value: RawBson,
    document: RawDocumentBuf,
}

pub(super) fn densify(
    input: Documents,
    argument: &RawBson,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let stage = parse(argument)?;
    let mut budget = Budget::new("$densify", environment);
    Ok(deferred(move || {
        let mut documents = Vec::new();
        let mut rows = Vec::new();
        for document in input {
            let document = document?;
            budget.take(document.as_bytes().len())?;
            let value = nested(&document, &stage.field)?.map(RawBson::from);
            match value {
                // Without a value, a document stands outside of the series, in front.
                None | Some(RawBson::Null | RawBson::Undefined) => documents.push(document),
                Some(value) => {
                    stage.check(&value)?;
                    rows.push(Row { partition: stage.partition(&document)?, value, document });
                }
            }
        }
        rows.sort_by(|left, right| {
            left.partition.cmp(&right.partition).then_with(|| order(&left.value, &right.value))
        });
        let all = extremes(&rows);
        let mut made = 0;
        if let (true, Bounds::Explicit(..)) = (rows.is_empty(), &stage.bounds) {
            stage.fill(&[], all.as_ref(), &mut documents, &mut made)?;
        }
        for partition in rows.chunk_by(|left, right| left.partition == right.partition) {
            stage.fill(partition, all.as_ref(), &mut documents, &mut made)?;
        }
        Ok(listed(documents))
    }))
}

fn order(left: &RawBson, right: &RawBson) -> Ordering {
    compare(left.as_raw_bson_ref(), right.as_raw_bson_ref())
}

fn extremes(rows: &[Row]) -> Option<(RawBson, RawBson)> {
    let mut values = rows.iter().map(|row| &row.value);
    let first = values.next()?;
    let (low, high) = values.fold((first, first), |(low, high), value| {
        let low = if order(value, low).is_lt() { value } else { low };
        let high = if order(value, high).is_gt() { value } else { high };
        (low, high)
    });
    Some((low.clone(), high.clone()))
}

impl Densify {
    fn check(&self, value: &RawBson) -> Result<(), QueryError> {
        match (value, &self.unit) {
            (RawBson::DateTime(_), Some(_)) => Ok(()),
            (RawBson::DateTime(_), None) => {
                Err(QueryError::new(6053600, "$densify requires a unit for a field with dates"))
            }
            (value, unit) if Number::new(value.as_raw_bson_ref()).is_some() => match unit {
                None => Ok(()),
                Some(_) => Err(QueryError::new(
                    6053600,
                    "Encountered numeric densify value in collection when step has a date unit.",
                )),
            },
            _ => Err(QueryError::new(5733201, "Densify field type must be numeric or a date")),
        }
    }

    fn partition(&self, document: &RawDocument) -> Result<Ordered, QueryError> {
        let mut key = bson::RawArrayBuf::new();
        for path in &self.partition_by {
            key.push(nested(document, path)?.unwrap_or(RawBsonRef::Null));
        }
        Ok(Ordered { value: Some(RawBson::Array(key)), collation: None })
    }

    /// The value so many steps on.
    fn at(&self, start: &RawBson, steps: i64) -> Result<RawBson, QueryError> {
        if let (RawBson::DateTime(start), Some(unit)) = (start, &self.unit) {
            let amount = self.step.to_i64_exact().and_then(|step| step.checked_mul(steps));
            let amount = amount.ok_or_else(|| QueryError::new(15, "date overflow"))?;
            let millis = move_date(start.timestamp_millis(), unit, amount)?;
            return Ok(RawBson::DateTime(DateTime::from_millis(millis)));
        }
        let start = Number::new(start.as_raw_bson_ref()).unwrap_or(Number::Int32(0));
        let moved = match multiply(self.step, Number::narrow(steps)) {
            Outcome::Value(distance) => add(start, distance),
            Outcome::Overflow => Outcome::Overflow,
        };
        match moved {
            Outcome::Value(value) => Ok(value.to_bson()),
            Outcome::Overflow => Err(QueryError::new(15, "number overflow in $densify")),
        }
    }

    /// The documents of a partition, with those for steps where none is.
    fn fill(
        &self,
        rows: &[Row],
        all: Option<&(RawBson, RawBson)>,
        documents: &mut Vec<RawDocumentBuf>,
        made: &mut usize,
    ) -> Result<(), QueryError> {
        let (low, high, is_open) = match &self.bounds {
            Bounds::Explicit(low, high) => (low.clone(), high.clone(), true),
            Bounds::Full => match all {
                Some((low, high)) => (low.clone(), high.clone(), false),
                None => return Ok(()),
            },
            Bounds::Partition => match extremes(rows) {
                Some((low, high)) => (low, high, false),
                None => return Ok(()),
            },
        };
        let mut rows = rows.iter().peekable();
        let template = rows.peek().map(|row| row.document.clone());
        for steps in 0.. {
            let value = self.at(&low, steps)?;
            let beyond = order(&value, &high);
            if beyond.is_gt() || (is_open && beyond.is_eq()) {
                break;
            }
            while let Some(row) = rows.next_if(|row| order(&row.value, &value).is_lt()) {
                documents.push(row.document.clone());
            }
            let mut is_there = false;
            while let Some(row) = rows.next_if(|row| order(&row.value, &value).is_eq()) {
                documents.push(row.document.clone());
                is_there = true;
            }
            if !is_there {
                *made += 1;
                if *made > MAX_MADE {
                    return Err(QueryError::new(
                        5897900,
                        format!(
                            "Generated {MAX_MADE} documents in $densify, which is over the limit"
                        ),
                    ));
                }
                documents.push(self.make(template.as_deref(), &value)?);
            }
        }
        documents.extend(rows.map(|row| row.document.clone()));
        Ok(())
    }

    /// A document with the partition's fields and the value.
    fn make(
        &self,
        template: Option<&RawDocument>,
        value: &RawBson,
    ) -> Result<RawDocumentBuf, QueryError> {
        let mut document = RawDocumentBuf::new();
        for path in &self.partition_by {
            if let Some(template) = template
                && let Some(part) = nested(template, path)?
            {
                document = set(&document, path, Some(part))?;
            }
        }
        set(&document, &self.field, Some(value.as_raw_bson_ref()))
    }
}

fn parse(argument: &RawBson) -> Result<Densify, QueryError> {
    let RawBson::Document(document) = argument else {
        return Err(QueryError::new(5733401, "The argument to $densify must be an object"));
    };
    let split = |path: &str| -> Result<Vec<String>, QueryError> {
        Ok(FieldPath::parse_strict(path)?.components().map(str::to_owned).collect())
    };
    let missing = |name: &str| {
        QueryError::new(
            40414,
            format!("BSON field '$densify.{name}' is missing but a required field"),
        )
    };
    let (mut field, mut partition_by, mut range) = (None, Vec::new(), None);
    for element in document.iter() {
        let (name, value) = element?;
        match (name.as_str(), value) {
            ("field", RawBsonRef::String(path)) => field = Some(split(path)?),
            ("partitionByFields", RawBsonRef::Array(paths)) => {
                for path in paths {
                    let RawBsonRef::String(path) = path? else {
                        return Err(QueryError::type_mismatch(
                            "'partitionByFields' must be strings",
                        ));
                    };
                    partition_by.push(split(path)?);
                }
            }
            ("range", RawBsonRef::Document(inner)) => range = Some(inner),
            (other, _) => {
                return Err(QueryError::new(
                    40415,
                    format!("BSON field '$densify.{other}' is an unknown field."),
                ));
            }
        }
    }
    let range = range.ok_or_else(|| missing("range"))?;
    let step = range.get("step")?.and_then(Number::new).ok_or_else(|| missing("range.step"))?;
    if step.to_f64() <= 0.0 || step.is_nan() {
        return Err(QueryError::new(
            5733401,
            "The step parameter in a range statement must be a strictly positive numeric value",
        ));
    }
    let unit = match range.get("unit")? {
        None => None,
        Some(RawBsonRef::String(unit)) => {
            // Refuses units that are none, before any document is read.
            move_date(0, unit, 0)?;
            if step.to_i64_exact().is_none() {
                return Err(QueryError::new(
                    6586400,
                    "The step parameter in a range statement must be a whole number when densifying a date range",
                ));
            }
            Some(unit.to_owned())
        }
        Some(_) => return Err(QueryError::type_mismatch("'unit' must be a string")),
    };
    let bounds = match range.get("bounds")?.ok_or_else(|| missing("range.bounds"))? {
        RawBsonRef::String("full") => Bounds::Full,
        RawBsonRef::String("partition") => Bounds::Partition,
        RawBsonRef::Array(array) => {
            let list: Vec<RawBsonRef<'_>> = array.into_iter().collect::<Result<_, _>>()?;
            match list.as_slice() {
                [low, high] => Bounds::Explicit(RawBson::from(*low), RawBson::from(*high)),
                _ => {
                    return Err(QueryError::new(
                        5733403,
                        "a bounding array in a range statement must have exactly two elements",
                    ));
                }
            }
        }
        _ => {
            return Err(QueryError::new(
                5946802,
                "the bounds in a range statement must be the string 'full' or 'partition' or an array",
            ));
        }
    };
    let stage =
        Densify { field: field.ok_or_else(|| missing("field"))?, partition_by, step, unit, bounds };
    if let Bounds::Explicit(low, high) = &stage.bounds {
        stage.check(low)?;
        stage.check(high)?;
        if order(low, high).is_gt() {
            return Err(QueryError::new(
                5733402,
                "the bounds in a range statement must be in ascending order",
            ));
        }
    }
    Ok(stage)
}
