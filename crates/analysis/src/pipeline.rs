//! Aggregation pipelines: the shape of the documents flows from stage to stage, and constants
//! that meet encrypted fields on the way are marked.

use bson::{
    raw::{RawBsonRef, RawDocument},
    spec::ElementType,
};
use fieldveil_query::{expression::Expression, pipeline::Pipeline};

use crate::{
    AnalyzeError, RequestError, SchemaSet,
    expression::{mark_condition, mark_expression},
    marking::Marker,
    raw::{self, Element, Elements, write_document, write_name},
    shape::Shape,
    types::type_name,
};

mod foreign;
mod group;
mod join;
mod project;
mod simple;

pub(crate) use foreign::check_namespaces;

/// How deeply pipelines may be nested in `$lookup`.
const DEPTH_LIMIT: usize = 20;

/// The collection that a pipeline reads, and all that it may join.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) db: &'a str,
    pub(crate) collection: &'a str,
    pub(crate) schemas: &'a SchemaSet,
    /// How many pipelines are around this one.
    pub(crate) depth: usize,
}

impl Source<'_> {
    /// The shape of the documents in a collection.
    fn documents(&self, collection: &str) -> Result<Shape, AnalyzeError> {
        let namespace = format!("{}.{collection}", self.db);
        match self.schemas.find(&namespace) {
            Some(schema) => Ok(schema.root.clone()),
            None => Err(RequestError::MissingSchema { namespace }.into()),
        }
    }
}

/// Writes a pipeline, and tells the shape of the documents at its end.
///
/// # Errors
/// For stages that are not allowed, and those that cannot work on ciphertext.
pub(crate) fn mark_pipeline(
    marker: &mut Marker,
    source: Source<'_>,
    stages: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<Shape, AnalyzeError> {
    let array = stages.array().ok_or_else(|| wrong_type(stages, "array"))?;
    let mut shape = Shape::Plain;
    write_name(out, stages.kind, stages.name);
    write_document(out, |out| {
        shape = mark_stages(marker, source, array, out)?;
        Ok(())
    })?;
    if source.depth == 0 {
        // Nothing passes that is not of the language, even if it were harmless.
        stages.with_value(|value| match value {
            RawBsonRef::Array(array) => Ok(Pipeline::parse(array).map(drop)?),
            _ => Err(wrong_type(stages, "array")),
        })?;
    }
    Ok(shape)
}

fn mark_stages(
    marker: &mut Marker,
    source: Source<'_>,
    stages: Elements<'_>,
    out: &mut Vec<u8>,
) -> Result<Shape, AnalyzeError> {
    if source.depth > DEPTH_LIMIT {
        return Err(RequestError::TooDeep { limit: DEPTH_LIMIT }.into());
    }
    let mut shape = source.documents(source.collection)?;
    for item in stages {
        let item = item?;
        let outer = marker.enter(item.name);
        let document = item.document().ok_or(AnalyzeError::StageForm)?;
        let mut elements = Elements::new(document.as_bytes())?;
        let (Some(stage), None) = (elements.next(), elements.next()) else {
            return Err(AnalyzeError::StageForm);
        };
        let stage = stage?;
        let work = find_stage(stage.name)?;
        write_name(out, item.kind, item.name);
        let place = marker.enter(stage.name);
        write_document(out, |out| {
            let mut context = Stage { marker, source, shape: shape.clone(), out };
            shape = work(&mut context, &stage)?;
            Ok(())
        })?;
        marker.leave(place);
        marker.leave(outer);
    }
    Ok(shape)
}

/// A stage in work. Its function writes the stage's element and tells the shape of what flows out.
struct Stage<'a> {
    marker: &'a mut Marker,
    source: Source<'a>,
    /// The shape of what flows in.
    shape: Shape,
    out: &'a mut Vec<u8>,
}

type Work = fn(&mut Stage<'_>, &Element<'_>) -> Result<Shape, AnalyzeError>;

impl Stage<'_> {
    /// Writes the stage as it is.
    fn keep(&mut self, stage: &Element<'_>) {
        self.out.extend(stage.whole);
    }

    /// Writes an element with another document as its value.
    fn replace(&mut self, element: &Element<'_>, value: &RawDocument) {
        write_name(self.out, ElementType::EmbeddedDocument, element.name);
        self.out.extend(value.as_bytes());
    }

    /// Writes an element that is an expression, whose result must be plain.
    fn plain_expression(&mut self, element: &Element<'_>) -> Result<(), AnalyzeError> {
        let place = self.marker.enter(element.name);
        let shape = &self.shape;
        let (expression, is_marked, ()) = marked_expression(self.marker, element, |marker, it| {
            mark_condition(marker, shape, it)
        })?;
        write_marked(element, is_marked.then_some(&expression), self.out)?;
        self.marker.leave(place);
        Ok(())
    }
}

/// Writes an element whose value is an expression; tells the shape of its result.
fn write_expression(
    marker: &mut Marker,
    shape: &Shape,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<Shape, AnalyzeError> {
    let (expression, is_marked, result) =
        marked_expression(marker, element, |marker, it| mark_expression(marker, shape, it))?;
    write_marked(element, is_marked.then_some(&expression), out)?;
    Ok(result)
}

/// Parses an element as an expression and marks it; with whether that changed anything, and what
/// `mark` tells.
fn marked_expression<T>(
    marker: &mut Marker,
    element: &Element<'_>,
    mark: impl FnOnce(&mut Marker, &mut Expression) -> Result<T, AnalyzeError>,
) -> Result<(Expression, bool, T), AnalyzeError> {
    let mut expression = parse_expression(element)?;
    let before = marker.count();
    let result = mark(marker, &mut expression)?;
    Ok((expression, marker.count() > before, result))
}

/// Parses the value of an element as an expression.
fn parse_expression(element: &Element<'_>) -> Result<Expression, AnalyzeError> {
    element.with_value(|value| Ok(Expression::parse(value)?))
}

/// Writes an element, with the expression in place of its value if there is one.
fn write_marked(
    element: &Element<'_>,
    expression: Option<&Expression>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let Some(expression) = expression else {
        out.extend(element.whole);
        return Ok(());
    };
    raw::write_value(out, element.name, expression.to_raw().as_raw_bson_ref())
}

/// A document of options that a stage takes as its argument, each of them once.
fn options<'a>(stage: &Element<'a>) -> Result<&'a RawDocument, AnalyzeError> {
    let options = document(stage)?;
    raw::check_names(options, stage.name)?;
    Ok(options)
}

/// A document that a stage takes as its argument.
fn document<'a>(stage: &Element<'a>) -> Result<&'a RawDocument, AnalyzeError> {
    stage.document().ok_or_else(|| wrong_type(stage, "object"))
}

fn wrong_type(element: &Element<'_>, expected: &'static str) -> AnalyzeError {
    RequestError::WrongType {
        field: element.name.to_owned(),
        expected,
        found: type_name(element.kind),
    }
    .into()
}

fn find_stage(name: &str) -> Result<Work, AnalyzeError> {
    if let Some((_, work)) = STAGES.iter().find(|(known, _)| *known == name) {
        return Ok(*work);
    }
    let stage = name.to_owned();
    if REFUSED.contains(&name) || name.starts_with("$_internal") {
        return Err(AnalyzeError::StageNotAllowed { stage });
    }
    Err(AnalyzeError::UnknownStage { stage })
}

/// The stages that are allowed.
const STAGES: [(&str, Work); 23] = [
    ("$addFields", project::add_fields),
    ("$bucket", group::bucket),
    ("$bucketAuto", group::bucket),
    ("$collStats", simple::statistics),
    ("$count", simple::count),
    ("$geoNear", simple::geo_near),
    ("$graphLookup", join::graph_lookup),
    ("$group", group::group),
    ("$indexStats", simple::statistics),
    ("$limit", simple::pass),
    ("$lookup", join::lookup),
    ("$match", simple::filter),
    ("$project", project::project),
    ("$redact", simple::redact),
    ("$replaceRoot", simple::replace_root),
    ("$replaceWith", simple::replace_with),
    ("$sample", simple::pass),
    ("$set", project::add_fields),
    ("$skip", simple::pass),
    ("$sort", simple::sort),
    ("$sortByCount", group::sort_by_count),
    ("$unset", project::unset),
    ("$unwind", simple::unwind),
];

/// Stages of MongoDB that are not allowed where anything is encrypted.
const REFUSED: [&str; 29] = [
    "$changeStream",
    "$changeStreamSplitLargeEvent",
    "$currentOp",
    "$densify",
    "$documents",
    "$facet",
    "$fill",
    "$listClusterCatalog",
    "$listLocalSessions",
    "$listSampledQueries",
    "$listSearchIndexes",
    "$listSessions",
    "$merge",
    "$mergeCursors",
    "$out",
    "$planCacheStats",
    "$querySettings",
    "$queryStats",
    "$rankFusion",
    "$score",
    "$scoreFusion",
    "$search",
    "$searchBeta",
    "$searchMeta",
    "$setVariableFromSubPipeline",
    "$setWindowFields",
    "$shardedDataDistribution",
    "$unionWith",
    "$vectorSearch",
];

#[cfg(test)]
mod tests;
