//! Stages that read or write other collections, or run several pipelines.

use bson::raw::RawBsonRef;

use super::{count, missing_option, object, path, pipeline, text, type_name, unknown_option};
use crate::QueryError;
use crate::expression::{Expression, check_variable_name};
use crate::filter::Filter;
use crate::pipeline::{GraphLookup, Lookup, Merge, Namespace, Pipeline, Stage, WhenMatched};

pub(super) fn facet(value: RawBsonRef<'_>, depth: usize) -> Result<Stage, QueryError> {
    let document = match value {
        RawBsonRef::Document(document) if !document.is_empty() => document,
        _ => {
            return Err(QueryError::new(
                40169,
                "the $facet specification must be a non-empty object",
            ));
        }
    };
    let mut facets: Vec<(String, Pipeline)> = Vec::new();
    for element in document.iter() {
        let (name, value) = element?;
        path(name.as_str())?;
        if name.as_str().contains('.') {
            return Err(QueryError::new(
                16412,
                format!("FieldPath field names may not contain '.'. Field: '{name}'"),
            ));
        }
        let RawBsonRef::Array(stages) = value else {
            return Err(QueryError::new(
                40170,
                format!("arguments to $facet must be arrays, {name} is type {}", type_name(value)),
            ));
        };
        let inner = pipeline(stages, depth + 1)?;
        if let Some(stage) = inner.stages.iter().find(|stage| {
            matches!(
                stage.name(),
                "$facet"
                    | "$out"
                    | "$merge"
                    | "$geoNear"
                    | "$indexStats"
                    | "$collStats"
                    | "$planCacheStats"
                    | "$changeStream"
                    | "$documents"
                    | "$search"
            )
        }) {
            return Err(QueryError::new(
                40600,
                format!("{} is not allowed to be used within a $facet stage", stage.name()),
            ));
        }
        facets.push((name.as_str().to_owned(), inner));
    }
    Ok(Stage::Facet(facets))
}

pub(super) fn union_with(value: RawBsonRef<'_>, depth: usize) -> Result<Stage, QueryError> {
    let mut from = None;
    let mut inner = Pipeline::default();
    match value {
        RawBsonRef::String(collection) => from = Some(local(collection)),
        RawBsonRef::Document(document) => {
            for element in document.iter() {
                let (name, value) = element?;
                match name.as_str() {
                    "coll" => from = Some(local(&text("$unionWith", "coll", value)?)),
                    "pipeline" => inner = sub_pipeline("$unionWith", value, depth)?,
                    other => {
                        return Err(QueryError::new(
                            40415,
                            format!("BSON field '$unionWith.{other}' is an unknown field."),
                        ));
                    }
                }
            }
        }
        other => {
            return Err(QueryError::failed_to_parse(format!(
                "the $unionWith stage specification must be an object or string, but found {}",
                type_name(other)
            )));
        }
    }
    if from.is_none() && !matches!(inner.stages.first(), Some(Stage::Documents(_))) {
        return Err(QueryError::failed_to_parse(
            "$unionWith stage without explicit collection must have a pipeline with $documents as first stage",
        ));
    }
    Ok(Stage::UnionWith { from, pipeline: inner })
}

pub(super) fn lookup(value: RawBsonRef<'_>, depth: usize) -> Result<Stage, QueryError> {
    let RawBsonRef::Document(document) = value else {
        return Err(QueryError::failed_to_parse(format!(
            "the $lookup stage specification must be an object, but found {}",
            type_name(value)
        )));
    };
    let (mut from, mut as_field, mut local_field, mut foreign_field) = (None, None, None, None);
    let (mut variables, mut inner) = (None, None);
    for element in document.iter() {
        let (name, value) = element?;
        match name.as_str() {
            "from" => from = Some(namespace("$lookup", value)?),
            "as" => as_field = Some(path(&text("$lookup", "as", value)?)?),
            "localField" => local_field = Some(path(&text("$lookup", "localField", value)?)?),
            "foreignField" => foreign_field = Some(path(&text("$lookup", "foreignField", value)?)?),
            "let" => variables = Some(bindings("$lookup", value)?),
            "pipeline" => inner = Some(sub_pipeline("$lookup", value, depth)?),
            other => {
                return Err(QueryError::failed_to_parse(format!(
                    "unknown argument to $lookup: {other}"
                )));
            }
        }
    }
    let as_field = as_field
        .ok_or_else(|| QueryError::failed_to_parse("must specify 'as' field for a $lookup"))?;
    if local_field.is_some() != foreign_field.is_some() {
        return Err(QueryError::failed_to_parse(
            "$lookup requires both or neither of 'localField' and 'foreignField' to be specified",
        ));
    }
    if local_field.is_none() && inner.is_none() {
        return Err(QueryError::failed_to_parse(
            "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified",
        ));
    }
    if inner.is_none() && variables.is_some() {
        return Err(QueryError::failed_to_parse(
            "$lookup with a 'let' argument must also specify 'pipeline'",
        ));
    }
    let begins_with_documents = inner
        .as_ref()
        .is_some_and(|inner| matches!(inner.stages.first(), Some(Stage::Documents(_))));
    if from.is_none() && !begins_with_documents {
        return Err(QueryError::failed_to_parse("must specify 'from' field for a $lookup"));
    }
    if let Some(stage) = inner
        .iter()
        .flat_map(|inner| &inner.stages)
        .find(|stage| matches!(stage.name(), "$out" | "$merge"))
    {
        return Err(QueryError::new(
            51047,
            format!("{} is not allowed within a $lookup's sub-pipeline", stage.name()),
        ));
    }
    Ok(Stage::Lookup(Lookup {
        from,
        as_field,
        local_field,
        foreign_field,
        variables,
        pipeline: inner,
    }))
}

pub(super) fn graph_lookup(value: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    let document = object("$graphLookup", value, 40327)?;
    let (mut from, mut start_with, mut as_field) = (None, None, None);
    let (mut connect_from, mut connect_to) = (None, None);
    let (mut max_depth, mut depth_field, mut restrict) = (None, None, None);
    for element in document.iter() {
        let (name, value) = element?;
        let field = |name: &str| path(&text("$graphLookup", name, value)?);
        match name.as_str() {
            "from" => from = Some(namespace("$graphLookup", value)?),
            "startWith" => start_with = Some(Expression::parse(value)?),
            "connectFromField" => connect_from = Some(field("connectFromField")?),
            "connectToField" => connect_to = Some(field("connectToField")?),
            "as" => as_field = Some(field("as")?),
            "depthField" => depth_field = Some(field("depthField")?),
            "maxDepth" => {
                let depth = count("$graphLookup", value, 40100)?;
                if depth < 0 {
                    return Err(QueryError::new(
                        40101,
                        format!("maxDepth requires a nonnegative argument, found: {depth}"),
                    ));
                }
                max_depth = Some(depth);
            }
            "restrictSearchWithMatch" => match value {
                RawBsonRef::Document(filter) => restrict = Some(Filter::parse(filter)?),
                _ => {
                    return Err(QueryError::new(
                        40185,
                        "restrictSearchWithMatch must be an object",
                    ));
                }
            },
            other => return Err(unknown_option("$graphLookup", other, 40104)),
        }
    }
    match (from, start_with, connect_from, connect_to, as_field) {
        (
            Some(from),
            Some(start_with),
            Some(connect_from_field),
            Some(connect_to_field),
            Some(as_field),
        ) => Ok(Stage::GraphLookup(GraphLookup {
            from,
            start_with,
            connect_from_field,
            connect_to_field,
            as_field,
            max_depth,
            depth_field,
            restrict,
        })),
        _ => Err(QueryError::new(
            40105,
            "$graphLookup requires 'from', 'as', 'startWith', 'connectFromField', and 'connectToField' to be specified.",
        )),
    }
}

pub(super) fn out(value: RawBsonRef<'_>) -> Result<Stage, QueryError> {
    match value {
        RawBsonRef::String(_) | RawBsonRef::Document(_) => {
            Ok(Stage::Out(namespace("$out", value)?))
        }
        other => Err(QueryError::new(
            16990,
            format!(
                "$out only supports a string or object argument, but found {}",
                type_name(other)
            ),
        )),
    }
}

pub(super) fn merge(value: RawBsonRef<'_>, depth: usize) -> Result<Stage, QueryError> {
    let mut merge = Merge {
        into: local(""),
        on: None,
        variables: None,
        when_matched: None,
        when_not_matched: None,
    };
    match value {
        RawBsonRef::String(collection) => merge.into = local(collection),
        RawBsonRef::Document(document) => {
            for element in document.iter() {
                let (name, value) = element?;
                merge_option(&mut merge, name.as_str(), value, depth)?;
            }
        }
        other => {
            return Err(QueryError::new(
                51182,
                format!(
                    "$merge only supports a string or object argument, not {}",
                    type_name(other)
                ),
            ));
        }
    }
    if merge.into.collection.is_empty() {
        return Err(missing_option("$merge", "into", 51178));
    }
    Ok(Stage::Merge(merge))
}

fn merge_option(
    merge: &mut Merge,
    name: &str,
    value: RawBsonRef<'_>,
    depth: usize,
) -> Result<(), QueryError> {
    match (name, value) {
        ("into", _) => merge.into = namespace("$merge", value)?,
        ("on", RawBsonRef::String(field)) => merge.on = Some(vec![path(field)?]),
        ("on", RawBsonRef::Array(fields)) => {
            let mut list = Vec::new();
            for field in fields {
                list.push(path(&text("$merge", "on", field?)?)?);
            }
            if list.is_empty() {
                return Err(QueryError::new(
                    51187,
                    "If explicitly specifying $merge 'on', must include at least one field",
                ));
            }
            merge.on = Some(list);
        }
        ("let", _) => merge.variables = Some(bindings("$merge", value)?),
        ("whenMatched", RawBsonRef::Array(_)) => {
            merge.when_matched = Some(WhenMatched::Pipeline(sub_pipeline("$merge", value, depth)?));
        }
        (
            "whenMatched",
            RawBsonRef::String(action @ ("replace" | "keepExisting" | "merge" | "fail")),
        ) => merge.when_matched = Some(WhenMatched::Action(action.to_owned())),
        ("whenNotMatched", RawBsonRef::String(action @ ("insert" | "discard" | "fail"))) => {
            merge.when_not_matched = Some(action.to_owned());
        }
        ("whenMatched" | "whenNotMatched", _) => {
            return Err(QueryError::bad_value(format!(
                "Enumeration value for field '$merge.{name}' is not a valid value."
            )));
        }
        _ => {
            return Err(QueryError::new(
                40415,
                format!("BSON field '$merge.{name}' is an unknown field."),
            ));
        }
    }
    Ok(())
}

fn sub_pipeline(stage: &str, value: RawBsonRef<'_>, depth: usize) -> Result<Pipeline, QueryError> {
    match value {
        RawBsonRef::Array(stages) => pipeline(stages, depth + 1),
        other => Err(QueryError::type_mismatch(format!(
            "'pipeline' of {stage} must be an array, but found {}",
            type_name(other)
        ))),
    }
}

fn bindings(stage: &str, value: RawBsonRef<'_>) -> Result<Vec<(String, Expression)>, QueryError> {
    let RawBsonRef::Document(document) = value else {
        return Err(QueryError::failed_to_parse(format!(
            "{stage} argument 'let' must be an object, is type {}",
            type_name(value)
        )));
    };
    let mut list = Vec::new();
    for element in document.iter() {
        let (name, value) = element?;
        check_variable_name(name.as_str())?;
        list.push((name.as_str().to_owned(), Expression::parse(value)?));
    }
    Ok(list)
}

fn local(collection: &str) -> Namespace {
    Namespace { database: None, collection: collection.to_owned() }
}

fn namespace(stage: &str, value: RawBsonRef<'_>) -> Result<Namespace, QueryError> {
    match value {
        RawBsonRef::String(collection) => Ok(local(collection)),
        RawBsonRef::Document(document) => {
            let mut namespace = local("");
            for element in document.iter() {
                let (name, value) = element?;
                match name.as_str() {
                    "db" => namespace.database = Some(text(stage, "db", value)?),
                    "coll" => namespace.collection = text(stage, "coll", value)?,
                    other => return Err(unknown_option(stage, other, 40415)),
                }
            }
            if namespace.collection.is_empty() {
                return Err(missing_option(stage, "coll", 40414));
            }
            Ok(namespace)
        }
        other => Err(QueryError::failed_to_parse(format!(
            "{stage} 'from' must be a string or an object, but found {}",
            type_name(other)
        ))),
    }
}
