//! Reading stages.

use bson::raw::{RawArray, RawBson, RawBsonRef, RawDocument};

use super::{Group, Pipeline, Stage};
use crate::expression::Expression;
use crate::filter::Filter;
use crate::projection::Projection;
use crate::sort::Sort;
use crate::value::{BsonType, Number};
use crate::{FieldPath, QueryError};

mod bucket;
mod join;
mod shape;
mod window;

/// How deep pipelines may stand in pipelines.
const MAX_SUB_PIPELINES: usize = 20;

/// Stages that are known by name and not parsed.
const OTHER: &[&str] = &[
    "$changeStream",
    "$changeStreamSplitLargeEvent",
    "$collStats",
    "$currentOp",
    "$densify",
    "$fill",
    "$geoNear",
    "$indexStats",
    "$listCatalog",
    "$listClusterCatalog",
    "$listLocalSessions",
    "$listSampledQueries",
    "$listSearchIndexes",
    "$listSessions",
    "$planCacheStats",
    "$queryStats",
    "$querySettings",
    "$rankFusion",
    "$score",
    "$scoreFusion",
    "$search",
    "$searchMeta",
    "$shardedDataDistribution",
    "$vectorSearch",
];

pub(super) fn pipeline(stages: &RawArray, depth: usize) -> Result<Pipeline, QueryError> {
    if depth > MAX_SUB_PIPELINES {
        return Err(QueryError::new(
            232,
            format!(
                "Maximum number of nested sub-pipelines exceeded. Limit is {MAX_SUB_PIPELINES}"
            ),
        ));
    }
    let mut list = Vec::new();
    for item in stages {
        list.push(stage(item?, depth)?);
    }
    for (index, stage) in list.iter().enumerate() {
        let name = stage.name();
        if matches!(name, "$out" | "$merge") && index + 1 < list.len() {
            return Err(QueryError::new(
                40601,
                format!("{name} can only be the final stage in the pipeline"),
            ));
        }
        let first_only = matches!(
            name,
            "$collStats"
                | "$indexStats"
                | "$geoNear"
                | "$currentOp"
                | "$documents"
                | "$changeStream"
                | "$planCacheStats"
                | "$search"
        );
        if first_only && index > 0 {
            return Err(QueryError::new(
                40602,
                format!("{name} is only valid as the first stage in a pipeline"),
            ));
        }
    }
    Ok(Pipeline { stages: list })
}

pub(super) fn stage(value: RawBsonRef<'_>, depth: usize) -> Result<Stage, QueryError> {
    let RawBsonRef::Document(document) = value else {
        return Err(QueryError::type_mismatch(
            "Each element of the 'pipeline' array must be an object",
        ));
    };
    let mut elements = document.iter();
    let (Some(element), None) = (elements.next(), elements.next()) else {
        return Err(QueryError::new(
            40323,
            "A pipeline stage specification object must contain exactly one field.",
        ));
    };
    let (name, value) = element?;
    match name.as_str() {
        "$match" => match value {
            RawBsonRef::Document(filter) => Ok(Stage::Match(Filter::parse(filter)?)),
            _ => Err(QueryError::new(15959, "the match filter must be an expression in an object")),
        },
        "$project" => match value {
            RawBsonRef::Document(projection) => {
                Ok(Stage::Project(Projection::parse_stage(projection)?))
            }
            _ => Err(QueryError::new(15969, "$project specification must be an object")),
        },
        "$addFields" => shape::add_fields("$addFields", value),
        "$set" => shape::add_fields("$set", value),
        "$unset" => shape::unset(value),
        "$group" => group(value),
        "$sort" => match value {
            RawBsonRef::Document(pattern) if pattern.is_empty() => {
                Err(QueryError::new(15976, "$sort stage must have at least one sort key"))
            }
            RawBsonRef::Document(pattern) => Ok(Stage::Sort(Sort::parse(pattern)?)),
            _ => Err(QueryError::new(15973, "the $sort key specification must be an object")),
        },
        "$skip" => match count("$skip", value, 5107200)? {
            negative if negative < 0 => Err(QueryError::new(
                5107200,
                format!(
                    "invalid argument to $skip stage: Expected a non-negative number in: $skip: {negative}"
                ),
            )),
            skip => Ok(Stage::Skip(skip)),
        },
        "$limit" => match count("$limit", value, 5107201)? {
            0 => Err(QueryError::new(15958, "the limit must be positive")),
            negative if negative < 0 => Err(QueryError::new(
                5107201,
                format!(
                    "invalid argument to $limit stage: Expected a non-negative number in: $limit: {negative}"
                ),
            )),
            limit => Ok(Stage::Limit(limit)),
        },
        "$sample" => shape::sample(value),
        "$unwind" => shape::unwind(value),
        "$replaceRoot" => shape::replace_root(value),
        "$replaceWith" => {
            Ok(Stage::ReplaceRoot { name: "$replaceWith", new_root: Expression::parse(value)? })
        }
        "$redact" => Ok(Stage::Redact(Expression::parse(value)?)),
        "$count" => shape::count(value),
        "$sortByCount" => shape::sort_by_count(value),
        "$bucket" => bucket::bucket(value),
        "$bucketAuto" => bucket::bucket_auto(value),
        "$facet" => join::facet(value, depth),
        "$unionWith" => join::union_with(value, depth),
        "$lookup" => join::lookup(value, depth),
        "$graphLookup" => join::graph_lookup(value),
        "$out" => join::out(value),
        "$merge" => join::merge(value, depth),
        "$setWindowFields" => window::set_window_fields(value),
        "$documents" => Ok(Stage::Documents(Expression::parse(value)?)),
        name => match OTHER.iter().find(|known| **known == name) {
            Some(name) => Ok(Stage::Other { name, value: RawBson::from(value) }),
            None => {
                Err(QueryError::new(40324, format!("Unrecognized pipeline stage name: '{name}'")))
            }
        },
    }
}

fn group(value: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    let RawBsonRef::Document(document) = value else {
        return Err(QueryError::new(15947, "a group's fields must be specified in an object"));
    };
    let mut id = None;
    let mut fields = Vec::new();
    for element in document.iter() {
        let (name, value) = element?;
        match name.as_str() {
            "_id" if id.is_some() => {
                return Err(QueryError::new(15948, "a group's _id may only be specified once"));
            }
            "_id" => id = Some(Expression::parse(value)?),
            name => bucket::accumulator(&mut fields, name, value)?,
        }
    }
    match id {
        Some(id) => Ok(Stage::Group(Group { id, fields })),
        None => Err(QueryError::new(15955, "a group specification must include an _id")),
    }
}

/// A whole number; doubles and decimals with a fraction are refused.
fn count(name: &str, value: RawBsonRef<'_>, code: i32) -> Result<i64, QueryError> {
    Number::new(value).and_then(Number::to_i64_exact).ok_or_else(|| {
        let what = if Number::new(value).is_some() { "an integer" } else { "a number" };
        QueryError::new(
            code,
            format!(
                "invalid argument to {name} stage: Expected {what} in: {name}: {}",
                type_name(value)
            ),
        )
    })
}

/// A string option.
fn text(stage: &str, name: &str, value: RawBsonRef<'_>) -> Result<String, QueryError> {
    match value {
        RawBsonRef::String(text) => Ok(text.to_owned()),
        _ => Err(QueryError::failed_to_parse(format!(
            "{stage} argument '{name}' must be a string, is type {}",
            type_name(value)
        ))),
    }
}

fn path(value: &str) -> Result<FieldPath, QueryError> {
    FieldPath::parse_strict(value)
}

fn object<'a>(
    stage: &str,
    value: RawBsonRef<'a>,
    code: i32,
) -> Result<&'a RawDocument, QueryError> {
    match value {
        RawBsonRef::Document(document) => Ok(document),
        _ => Err(QueryError::new(
            code,
            format!(
                "the {stage} stage specification must be an object, but found {}",
                type_name(value)
            ),
        )),
    }
}

fn unknown_option(stage: &str, name: &str, code: i32) -> QueryError {
    QueryError::new(code, format!("Unrecognized option to {stage}: {name}"))
}

fn missing_option(stage: &str, name: &str, code: i32) -> QueryError {
    QueryError::new(code, format!("{stage} requires '{name}' to be specified"))
}

fn type_name(value: RawBsonRef<'_>) -> &'static str {
    BsonType::of(value).name()
}
