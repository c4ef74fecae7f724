//! Stages that read other collections, or their own once more.

use bson::raw::RawDocument;

use super::{Source, Stage, document, mark_pipeline, options, project::assign, write_expression};
use crate::{
    AnalyzeError, RequestError,
    expression::check_comparable,
    filter::{check_queryable, mark_filter},
    raw::{Element, Elements, write_document, write_name},
    shape::{PathState, Shape},
};

/// `$lookup`
pub(super) fn lookup(stage: &mut Stage<'_>, element: &Element<'_>) -> Result<Shape, AnalyzeError> {
    let argument = options(element)?;
    let from = collection(argument, "$lookup")?;
    let mut foreign = stage.source.documents(from)?;
    let inflow = stage.shape.clone();
    let is_plain = foreign.is_plain() && inflow.is_plain();
    check_fields(stage, argument, &foreign)?;
    let output = output(argument, "$lookup", &inflow)?;
    write_name(stage.out, element.kind, element.name);
    let Stage { marker, source, out, .. } = stage;
    write_document(out, |out| {
        for field in Elements::new(argument.as_bytes())? {
            let field = field?;
            let place = marker.enter(field.name);
            match field.name {
                "pipeline" => {
                    let source = Source { collection: from, depth: source.depth + 1, ..*source };
                    foreign = mark_pipeline(marker, source, &field, out)?;
                }
                "let" => {
                    let variables = document(&field)?;
                    if !is_plain && !variables.is_empty() {
                        return Err(AnalyzeError::LookupLet);
                    }
                    out.extend(field.whole);
                }
                "from" | "localField" | "foreignField" | "as" => out.extend(field.whole),
                name => return Err(RequestError::unknown_field("$lookup", name).into()),
            }
            marker.leave(place);
        }
        Ok(())
    })?;
    assign(&inflow, output, Shape::array(foreign))
}

/// `$graphLookup`, on the collection of the pipeline itself.
pub(super) fn graph_lookup(
    stage: &mut Stage<'_>,
    element: &Element<'_>,
) -> Result<Shape, AnalyzeError> {
    let argument = options(element)?;
    let from = collection(argument, "$graphLookup")?;
    if from != stage.source.collection {
        return Err(AnalyzeError::GraphLookupFrom { collection: from.to_owned() });
    }
    let documents = stage.source.documents(from)?;
    let inflow = stage.shape.clone();
    let output = output(argument, "$graphLookup", &inflow)?;
    for option in ["connectFromField", "connectToField"] {
        if let Ok(path) = argument.get_str(option) {
            check_plain(&documents, option, path)?;
        }
    }
    let mut found = documents.clone();
    if let Ok(path) = argument.get_str("depthField") {
        found = assign(&found, path, Shape::Plain)?;
    }
    write_name(stage.out, element.kind, element.name);
    let Stage { marker, out, .. } = stage;
    write_document(out, |out| {
        for field in Elements::new(argument.as_bytes())? {
            let field = field?;
            let place = marker.enter(field.name);
            match field.name {
                "startWith" => {
                    let shape = write_expression(marker, &inflow, &field, out)?;
                    if let Some(path) = shape.example() {
                        return Err(AnalyzeError::InvalidReference { path });
                    }
                }
                "restrictSearchWithMatch" => {
                    match mark_filter(marker, &documents, document(&field)?)? {
                        Some(marked) => {
                            write_name(out, field.kind, field.name);
                            out.extend(marked.as_bytes());
                        }
                        None => out.extend(field.whole),
                    }
                }
                "from" | "as" | "connectFromField" | "connectToField" | "depthField"
                | "maxDepth" => out.extend(field.whole),
                name => return Err(RequestError::unknown_field("$graphLookup", name).into()),
            }
            marker.leave(place);
        }
        Ok(())
    })?;
    assign(&inflow, output, Shape::array(found))
}

/// The collection in `from`, which is of the same database.
fn collection<'a>(argument: &'a RawDocument, stage: &str) -> Result<&'a str, AnalyzeError> {
    argument
        .get_str("from")
        .map_err(|_| RequestError::MissingField { field: format!("{stage}.from") }.into())
}

/// The path in `as`, which must not touch anything encrypted.
fn output<'a>(
    argument: &'a RawDocument,
    stage: &str,
    inflow: &Shape,
) -> Result<&'a str, AnalyzeError> {
    let path = argument
        .get_str("as")
        .map_err(|_| RequestError::MissingField { field: format!("{stage}.as") })?;
    match inflow.at(path)? {
        PathState::Plain | PathState::Prefix(Shape::Array(_)) => Ok(path),
        _ => {
            Err(AnalyzeError::UnsupportedOption { option: "as".to_owned(), path: path.to_owned() })
        }
    }
}

fn check_plain(shape: &Shape, option: &str, path: &str) -> Result<(), AnalyzeError> {
    match shape.at(path)? {
        PathState::Plain => Ok(()),
        _ => Err(AnalyzeError::UnsupportedOption {
            option: option.to_owned(),
            path: path.to_owned(),
        }),
    }
}

/// `localField` and `foreignField` are compared with each other: both plain, or alike.
fn check_fields(
    stage: &mut Stage<'_>,
    argument: &RawDocument,
    foreign: &Shape,
) -> Result<(), AnalyzeError> {
    let (Ok(local), Ok(other)) = (argument.get_str("localField"), argument.get_str("foreignField"))
    else {
        // One alone is an error of the server; but it must not name anything encrypted either.
        for (option, shape) in [("localField", &stage.shape), ("foreignField", foreign)] {
            if let Ok(path) = argument.get_str(option) {
                check_plain(shape, option, path)?;
            }
        }
        return Ok(());
    };
    match (stage.shape.at(local)?, foreign.at(other)?) {
        (PathState::Plain, PathState::Plain) => Ok(()),
        (PathState::Encrypted(a), PathState::Encrypted(b)) => {
            check_queryable(local, &a)?;
            check_queryable(other, &b)?;
            check_comparable(&a, &b, local.to_owned())?;
            stage.marker.note_comparison(&a, local);
            Ok(())
        }
        (PathState::Plain, _) => Err(AnalyzeError::UnsupportedOption {
            option: "foreignField".to_owned(),
            path: other.to_owned(),
        }),
        _ => Err(AnalyzeError::UnsupportedOption {
            option: "localField".to_owned(),
            path: local.to_owned(),
        }),
    }
}
