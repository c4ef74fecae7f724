//! Stages that filter, order, or change the document as a whole.

use bson::raw::RawDocument;

use super::{Stage, document, options, parse_expression, write_expression, wrong_type};
use crate::{
    AnalyzeError, RequestError,
    command::part::{check_sort, named},
    expression::mark_condition,
    filter::mark_filter,
    raw::{Element, Elements, write_document, write_name},
    shape::{PathState, Shape},
};

/// `$skip`, `$limit`, `$sample`: documents pass as they are.
pub(super) fn pass(stage: &mut Stage<'_>, element: &Element<'_>) -> Result<Shape, AnalyzeError> {
    stage.keep(element);
    Ok(stage.shape.clone())
}

/// `$collStats`, `$indexStats`: what flows out are no documents of the collection.
pub(super) fn statistics(
    stage: &mut Stage<'_>,
    element: &Element<'_>,
) -> Result<Shape, AnalyzeError> {
    stage.keep(element);
    Ok(Shape::Plain)
}

/// `$count`
pub(super) fn count(stage: &mut Stage<'_>, element: &Element<'_>) -> Result<Shape, AnalyzeError> {
    if element.text().is_none() {
        return Err(wrong_type(element, "string"));
    }
    stage.keep(element);
    Ok(Shape::Plain)
}

/// `$match`
pub(super) fn filter(stage: &mut Stage<'_>, element: &Element<'_>) -> Result<Shape, AnalyzeError> {
    write_filter(stage, element)?;
    Ok(stage.shape.clone())
}

fn write_filter(stage: &mut Stage<'_>, element: &Element<'_>) -> Result<(), AnalyzeError> {
    match mark_filter(stage.marker, &stage.shape, document(element)?)? {
        Some(marked) => stage.replace(element, &marked),
        None => stage.keep(element),
    }
    Ok(())
}

/// `$sort`
pub(super) fn sort(stage: &mut Stage<'_>, element: &Element<'_>) -> Result<Shape, AnalyzeError> {
    check_sort(stage.marker, &stage.shape, document(element)?)?;
    stage.keep(element);
    Ok(stage.shape.clone())
}

/// `$redact`, whose condition is asked again for every document inside the document.
pub(super) fn redact(stage: &mut Stage<'_>, element: &Element<'_>) -> Result<Shape, AnalyzeError> {
    let expression = parse_expression(element)?;
    let mut levels = vec![stage.shape.clone()];
    while let Some(level) = levels.pop() {
        match &level {
            Shape::Object(object) => levels.extend(object.inner_shapes().cloned()),
            Shape::Array(elements) => {
                levels.push(elements.as_ref().clone());
                continue;
            }
            Shape::Unknown(path) => {
                return Err(AnalyzeError::UnknownUntilRuntime { path: path.to_string() });
            }
            Shape::Plain | Shape::Encrypted(_) => continue,
        }
        let before = stage.marker.count();
        mark_condition(stage.marker, &level, &mut expression.clone())?;
        if stage.marker.count() > before {
            let path = stage.shape.example().unwrap_or_default();
            return Err(AnalyzeError::InvalidReference { path });
        }
    }
    stage.keep(element);
    Ok(stage.shape.clone())
}

/// `$replaceRoot: { newRoot: <expression> }`
pub(super) fn replace_root(
    stage: &mut Stage<'_>,
    element: &Element<'_>,
) -> Result<Shape, AnalyzeError> {
    let argument = options(element)?;
    let mut shape = None;
    write_name(stage.out, element.kind, element.name);
    let Stage { marker, shape: inflow, out, .. } = stage;
    write_document(out, |out| {
        for field in Elements::new(argument.as_bytes())? {
            let field = field?;
            if field.name != "newRoot" {
                return Err(RequestError::unknown_field("$replaceRoot", field.name).into());
            }
            let place = marker.enter(field.name);
            shape = Some(new_root(write_expression(marker, inflow, &field, out)?)?);
            marker.leave(place);
        }
        Ok(())
    })?;
    shape.ok_or_else(|| {
        RequestError::MissingField { field: "$replaceRoot.newRoot".to_owned() }.into()
    })
}

/// `$replaceWith: <expression>`
pub(super) fn replace_with(
    stage: &mut Stage<'_>,
    element: &Element<'_>,
) -> Result<Shape, AnalyzeError> {
    new_root(write_expression(stage.marker, &stage.shape, element, stage.out)?)
}

fn new_root(shape: Shape) -> Result<Shape, AnalyzeError> {
    match shape {
        Shape::Plain | Shape::Object(_) => Ok(shape),
        other => Err(AnalyzeError::InvalidReference { path: other.example().unwrap_or_default() }),
    }
}

/// `$unwind`
pub(super) fn unwind(stage: &mut Stage<'_>, element: &Element<'_>) -> Result<Shape, AnalyzeError> {
    let (path, index) = match element.text() {
        Some(path) => (path, None),
        None => {
            let argument = options(element)?;
            for field in Elements::new(argument.as_bytes())? {
                let field = field?;
                if !matches!(
                    field.name,
                    "path" | "includeArrayIndex" | "preserveNullAndEmptyArrays"
                ) {
                    return Err(RequestError::unknown_field("$unwind", field.name).into());
                }
            }
            let path = argument
                .get_str("path")
                .map_err(|_| RequestError::MissingField { field: "$unwind.path".to_owned() })?;
            (path, argument.get_str("includeArrayIndex").ok())
        }
    };
    let path = path.strip_prefix('$').ok_or(AnalyzeError::UnwindPath)?;
    let refused = || AnalyzeError::InvalidReference { path: path.to_owned() };
    let mut shape = stage.shape.clone();
    match shape.at(path)? {
        PathState::Plain | PathState::Prefix(Shape::Object(_)) => {}
        PathState::Prefix(Shape::Array(elements)) => {
            shape = shape.with(path, elements.as_ref().clone()).ok_or_else(refused)?;
        }
        PathState::Below { encrypted } => {
            return Err(AnalyzeError::BelowEncrypted { path: path.to_owned(), encrypted });
        }
        PathState::Encrypted(_) | PathState::Prefix(_) | PathState::Unknown => {
            return Err(refused());
        }
    }
    if let Some(index) = index {
        shape = shape.with(index, Shape::Plain).ok_or_else(|| AnalyzeError::BelowEncrypted {
            path: index.to_owned(),
            encrypted: index.to_owned(),
        })?;
    }
    stage.keep(element);
    Ok(shape)
}

/// `$geoNear`
pub(super) fn geo_near(
    stage: &mut Stage<'_>,
    element: &Element<'_>,
) -> Result<Shape, AnalyzeError> {
    let argument = options(element)?;
    check_paths(stage, argument, &["key", "distanceField", "includeLocs"])?;
    write_name(stage.out, element.kind, element.name);
    let Stage { marker, shape, out, .. } = stage;
    write_document(out, |out| {
        for field in Elements::new(argument.as_bytes())? {
            let field = field?;
            match field.name {
                "query" => {
                    let place = marker.enter(field.name);
                    match mark_filter(marker, shape, document(&field)?)? {
                        Some(marked) => {
                            write_name(out, field.kind, field.name);
                            out.extend(marked.as_bytes());
                        }
                        None => out.extend(field.whole),
                    }
                    marker.leave(place);
                }
                "near" | "distanceField" | "key" | "includeLocs" | "spherical" | "maxDistance"
                | "minDistance" | "distanceMultiplier" => out.extend(field.whole),
                name => return Err(RequestError::unknown_field("$geoNear", name).into()),
            }
        }
        Ok(())
    })?;
    Ok(stage.shape.clone())
}

/// Refuses options that name an encrypted field, or one on the way to it.
fn check_paths(
    stage: &Stage<'_>,
    argument: &RawDocument,
    options: &[&str],
) -> Result<(), AnalyzeError> {
    for option in options {
        let Ok(path) = argument.get_str(option) else { continue };
        match stage.shape.at(path)? {
            PathState::Plain => {}
            state => {
                let option = (*option).to_owned();
                return Err(AnalyzeError::UnsupportedOption { option, path: named(path, &state) });
            }
        }
    }
    Ok(())
}
