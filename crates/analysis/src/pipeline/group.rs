//! Stages that group documents.

use bson::{RawDocumentBuf, cstr, raw::RawBsonRef};
use fieldveil_query::expression::Expression;

use super::{
    Stage, document, marked_expression, options, project::assign, write_expression, write_marked,
    wrong_type,
};
use crate::{
    AnalyzeError, RequestError,
    command::part::check_sort,
    expression::mark_expression,
    marking::Marker,
    raw::{self, Element, Elements, write_document, write_name},
    shape::{Algorithm, Shape},
};

/// `$group`
pub(super) fn group(stage: &mut Stage<'_>, element: &Element<'_>) -> Result<Shape, AnalyzeError> {
    let argument = options(element)?;
    let mut result = Shape::Plain;
    write_name(stage.out, element.kind, element.name);
    let Stage { marker, shape, out, .. } = stage;
    write_document(out, |out| {
        for field in Elements::new(argument.as_bytes())? {
            let field = field?;
            let place = marker.enter(field.name);
            let value = if field.name == "_id" {
                write_key(marker, shape, &field, out)?
            } else {
                accumulator(marker, shape, &field, out)?
            };
            result = assign(&result, field.name, value)?;
            marker.leave(place);
        }
        Ok(())
    })?;
    Ok(result)
}

/// `$sortByCount`, which groups by an expression and orders by the number of each.
pub(super) fn sort_by_count(
    stage: &mut Stage<'_>,
    element: &Element<'_>,
) -> Result<Shape, AnalyzeError> {
    let key = write_key(stage.marker, &stage.shape, element, stage.out)?;
    assign(&Shape::Plain, "_id", key)
}

/// `$bucket` and `$bucketAuto`, which need the order of what they group by.
pub(super) fn bucket(stage: &mut Stage<'_>, element: &Element<'_>) -> Result<Shape, AnalyzeError> {
    let argument = options(element)?;
    let mut result = Shape::Plain;
    write_name(stage.out, element.kind, element.name);
    write_document_of(stage, |stage| {
        for field in Elements::new(argument.as_bytes())? {
            let field = field?;
            match field.name {
                "groupBy" => stage.plain_expression(&field)?,
                "output" => {
                    let outputs = options(&field)?;
                    let outer = stage.marker.enter(field.name);
                    write_name(stage.out, field.kind, field.name);
                    write_document_of(stage, |stage| {
                        for output in Elements::new(outputs.as_bytes())? {
                            let output = output?;
                            let place = stage.marker.enter(output.name);
                            let value =
                                accumulator(stage.marker, &stage.shape, &output, stage.out)?;
                            result = assign(&result, output.name, value)?;
                            stage.marker.leave(place);
                        }
                        Ok(())
                    })?;
                    stage.marker.leave(outer);
                }
                "boundaries" | "default" | "buckets" | "granularity" => {
                    stage.plain_expression(&field)?;
                }
                name => return Err(RequestError::unknown_field(element.name, name).into()),
            }
        }
        Ok(())
    })?;
    Ok(result)
}

/// Writes a document whose elements `write` appends to the stage's output.
fn write_document_of(
    stage: &mut Stage<'_>,
    write: impl FnOnce(&mut Stage<'_>) -> Result<(), AnalyzeError>,
) -> Result<(), AnalyzeError> {
    let Stage { marker, source, shape, out } = stage;
    write_document(out, |out| {
        let mut inner = Stage { marker, source: *source, shape: shape.clone(), out };
        write(&mut inner)
    })
}

/// Writes the expression by which documents are grouped.
fn write_key(
    marker: &mut Marker,
    shape: &Shape,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<Shape, AnalyzeError> {
    let (expression, is_marked, key) =
        marked_expression(marker, element, |marker, it| key(marker, shape, "_id", it))?;
    write_grouped(element, &expression, is_marked, out)?;
    Ok(key)
}

/// Writes an expression of a group. One that is a constant stands there as `{ $const: .. }`, as
/// the specification's tests expect it.
fn write_grouped(
    element: &Element<'_>,
    expression: &Expression,
    is_marked: bool,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    match expression.as_constant() {
        Some(value) => {
            let mut constant = RawDocumentBuf::new();
            constant.append(cstr!("$const"), value.as_raw_bson_ref());
            raw::write_value(out, element.name, RawBsonRef::Document(&constant))
        }
        None => write_marked(element, is_marked.then_some(expression), out),
    }
}

/// Writes the argument of an accumulator; tells the shape of what it gives.
fn write_argument(
    marker: &mut Marker,
    shape: &Shape,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<Shape, AnalyzeError> {
    let (expression, is_marked, result) =
        marked_expression(marker, element, |marker, it| mark_expression(marker, shape, it))?;
    write_grouped(element, &expression, is_marked, out)?;
    Ok(result)
}

/// What documents are grouped by: plain, deterministically encrypted, or an object of such.
fn key(
    marker: &mut Marker,
    shape: &Shape,
    path: &str,
    expression: &mut Expression,
) -> Result<Shape, AnalyzeError> {
    if let Expression::Document(fields) = expression {
        let mut result = Shape::Plain;
        for (name, field) in fields {
            let inner = key(marker, shape, &format!("{path}.{name}"), field)?;
            result = assign(&result, name, inner)?;
        }
        return Ok(result);
    }
    match mark_expression(marker, shape, expression)? {
        Shape::Plain => Ok(Shape::Plain),
        Shape::Encrypted(field) if field.algorithm() == Algorithm::Deterministic => {
            marker.note_comparison(&field, path);
            Ok(Shape::Encrypted(field))
        }
        _ => Err(AnalyzeError::GroupKey { path: path.to_owned() }),
    }
}

/// Writes a field of `$group` that is not `_id`: `{ $accumulator: <argument> }`.
fn accumulator(
    marker: &mut Marker,
    shape: &Shape,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<Shape, AnalyzeError> {
    let mut elements = Elements::new(document(element)?.as_bytes())?;
    let (Some(call), None) = (elements.next(), elements.next()) else {
        return Err(AnalyzeError::AccumulatorForm { field: element.name.to_owned() });
    };
    let call = call?;
    let accumulator = call.name.to_owned();
    let form = ACCUMULATORS
        .iter()
        .find(|(name, _)| *name == call.name)
        .map(|(_, form)| *form)
        .ok_or_else(|| AnalyzeError::UnknownAccumulator { accumulator: accumulator.clone() })?;
    let mut result = Shape::Plain;
    write_name(out, element.kind, element.name);
    let place = marker.enter(call.name);
    write_document(out, |out| {
        let plain = |result: Shape| match result {
            Shape::Plain => Ok(()),
            _ => Err(AnalyzeError::Accumulator { accumulator: accumulator.clone() }),
        };
        match form {
            Form::Nothing => {
                out.extend(call.whole);
                Ok(())
            }
            Form::Plain => plain(write_argument(marker, shape, &call, out)?),
            Form::Collect { compares } => {
                let collected = write_argument(marker, shape, &call, out)?;
                if compares {
                    check_distinct(marker, &collected, call.name)?;
                }
                result = Shape::array(collected);
                Ok(())
            }
            Form::Options => {
                let options = call.document().ok_or_else(|| wrong_type(&call, "object"))?;
                write_name(out, call.kind, call.name);
                write_document(out, |out| {
                    for option in Elements::new(options.as_bytes())? {
                        let option = option?;
                        let place = marker.enter(option.name);
                        match (option.name, option.document()) {
                            ("sortBy", Some(sort)) => {
                                check_sort(marker, shape, sort)?;
                                out.extend(option.whole);
                            }
                            _ => plain(write_expression(marker, shape, &option, out)?)?,
                        }
                        marker.leave(place);
                    }
                    Ok(())
                })
            }
            Form::Refused => {
                Err(AnalyzeError::UnsupportedExpression { operator: accumulator.clone() })
            }
        }
    })?;
    marker.leave(place);
    Ok(result)
}

/// `$addToSet` compares what it collects.
fn check_distinct(marker: &mut Marker, shape: &Shape, name: &str) -> Result<(), AnalyzeError> {
    match shape {
        Shape::Plain => Ok(()),
        Shape::Encrypted(field) if field.algorithm() == Algorithm::Deterministic => {
            marker.note_comparison(field, field.path());
            Ok(())
        }
        _ => Err(AnalyzeError::Accumulator { accumulator: name.to_owned() }),
    }
}

/// What an accumulator takes.
#[derive(Clone, Copy)]
enum Form {
    /// Nothing: `{}`.
    Nothing,
    /// An expression that it computes with.
    Plain,
    /// An expression whose results are put into an array; each of them once if it `compares`.
    Collect { compares: bool },
    /// Options by name, each of them an expression or an order.
    Options,
    /// It is not allowed.
    Refused,
}

const ACCUMULATORS: [(&str, Form); 25] = [
    ("$accumulator", Form::Refused),
    ("$addToSet", Form::Collect { compares: true }),
    ("$avg", Form::Plain),
    ("$bottom", Form::Options),
    ("$bottomN", Form::Options),
    ("$concatArrays", Form::Plain),
    ("$count", Form::Nothing),
    ("$first", Form::Plain),
    ("$firstN", Form::Options),
    ("$last", Form::Plain),
    ("$lastN", Form::Options),
    ("$max", Form::Plain),
    ("$maxN", Form::Options),
    ("$median", Form::Options),
    ("$mergeObjects", Form::Plain),
    ("$min", Form::Plain),
    ("$minN", Form::Options),
    ("$percentile", Form::Options),
    ("$push", Form::Collect { compares: false }),
    ("$setUnion", Form::Plain),
    ("$stdDevPop", Form::Plain),
    ("$stdDevSamp", Form::Plain),
    ("$sum", Form::Plain),
    ("$top", Form::Options),
    ("$topN", Form::Options),
];
