//! Writing stages.

use bson::raw::{RawArrayBuf, RawBson, RawDocumentBuf};

use super::{
    Accumulator, GraphLookup, Lookup, Merge, Namespace, Stage, WhenMatched, WindowFunction,
};
use crate::FieldPath;
use crate::document::{put, single};
use crate::expression::Expression;
use crate::sort::Sort;
use crate::value::Number;

pub(super) fn stage(stage: &Stage) -> RawDocumentBuf {
    single(stage.name(), &argument(stage))
}

fn argument(stage: &Stage) -> RawBson {
    match stage {
        Stage::Match(filter) => RawBson::Document(filter.to_raw()),
        Stage::Project(projection) => RawBson::Document(projection.to_raw()),
        Stage::AddFields { fields, .. } => RawBson::Document(paths(fields)),
        Stage::Unset(list) => RawBson::Array(path_list(list)),
        Stage::Group(group) => {
            let mut document = single("_id", &group.id.to_raw());
            accumulators(&mut document, &group.fields);
            RawBson::Document(document)
        }
        Stage::Sort(sort) => RawBson::Document(sort.to_raw()),
        Stage::Skip(count) | Stage::Limit(count) => integer(*count),
        Stage::Sample(size) => RawBson::Document(single("size", &integer(*size))),
        Stage::Unwind { path, include_array_index, preserve_null_and_empty } => {
            let mut document = single("path", format!("${path}").as_str());
            if let Some(index) = include_array_index {
                put(&mut document, "includeArrayIndex", index.as_str());
            }
            if *preserve_null_and_empty {
                put(&mut document, "preserveNullAndEmptyArrays", true);
            }
            RawBson::Document(document)
        }
        Stage::ReplaceRoot { name: "$replaceRoot", new_root } => {
            RawBson::Document(single("newRoot", &new_root.to_raw()))
        }
        Stage::ReplaceRoot { new_root: expression, .. }
        | Stage::Redact(expression)
        | Stage::SortByCount(expression)
        | Stage::Documents(expression) => expression.to_raw(),
        Stage::Count(field) => RawBson::String(field.clone()),
        Stage::Bucket { group_by, boundaries, default, output } => {
            let mut document = single("groupBy", &group_by.to_raw());
            let mut array = RawArrayBuf::new();
            for boundary in boundaries {
                array.push(boundary.to_raw());
            }
            put(&mut document, "boundaries", &array);
            if let Some(default) = default {
                put(&mut document, "default", &default.to_raw());
            }
            outputs(&mut document, output.as_deref());
            RawBson::Document(document)
        }
        Stage::BucketAuto { group_by, buckets, output, granularity } => {
            let mut document = single("groupBy", &group_by.to_raw());
            put(&mut document, "buckets", &integer(*buckets));
            outputs(&mut document, output.as_deref());
            if let Some(granularity) = granularity {
                put(&mut document, "granularity", granularity.as_str());
            }
            RawBson::Document(document)
        }
        Stage::Facet(facets) => {
            let mut document = RawDocumentBuf::new();
            for (name, pipeline) in facets {
                put(&mut document, name, &pipeline.to_raw());
            }
            RawBson::Document(document)
        }
        Stage::UnionWith { from, pipeline } => {
            let mut document = RawDocumentBuf::new();
            if let Some(from) = from {
                put(&mut document, "coll", from.collection.as_str());
            }
            put(&mut document, "pipeline", &pipeline.to_raw());
            RawBson::Document(document)
        }
        Stage::Lookup(lookup) => RawBson::Document(print_lookup(lookup)),
        Stage::GraphLookup(lookup) => RawBson::Document(print_graph_lookup(lookup)),
        Stage::SetWindowFields { partition_by, sort_by, output } => {
            RawBson::Document(windows(partition_by.as_ref(), sort_by.as_ref(), output))
        }
        Stage::Out(target) => namespace(target),
        Stage::Merge(merge) => RawBson::Document(print_merge(merge)),
        Stage::Other { value, .. } => value.clone(),
    }
}

fn integer(value: i64) -> RawBson {
    Number::narrow(value).to_bson()
}

fn paths(fields: &[(FieldPath, Expression)]) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    for (path, expression) in fields {
        put(&mut document, path.as_str(), &expression.to_raw());
    }
    document
}

fn path_list(list: &[FieldPath]) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    for path in list {
        array.push(path.as_str());
    }
    array
}

fn accumulators(document: &mut RawDocumentBuf, fields: &[(String, Accumulator)]) {
    for (name, accumulator) in fields {
        put(document, name, &accumulator.to_raw());
    }
}

fn outputs(document: &mut RawDocumentBuf, output: Option<&[(String, Accumulator)]>) {
    if let Some(fields) = output {
        let mut inner = RawDocumentBuf::new();
        accumulators(&mut inner, fields);
        put(document, "output", &inner);
    }
}

fn namespace(namespace: &Namespace) -> RawBson {
    match &namespace.database {
        None => RawBson::String(namespace.collection.clone()),
        Some(database) => {
            let mut document = single("db", database.as_str());
            put(&mut document, "coll", namespace.collection.as_str());
            RawBson::Document(document)
        }
    }
}

fn variables(document: &mut RawDocumentBuf, variables: Option<&[(String, Expression)]>) {
    if let Some(list) = variables {
        let mut inner = RawDocumentBuf::new();
        for (name, expression) in list {
            put(&mut inner, name, &expression.to_raw());
        }
        put(document, "let", &inner);
    }
}

/// In the order in which servers print the fields.
fn print_lookup(lookup: &Lookup) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    if let Some(from) = &lookup.from {
        put(&mut document, "from", &namespace(from));
    }
    put(&mut document, "as", lookup.as_field.as_str());
    if let Some(path) = &lookup.local_field {
        put(&mut document, "localField", path.as_str());
    }
    if let Some(path) = &lookup.foreign_field {
        put(&mut document, "foreignField", path.as_str());
    }
    variables(&mut document, lookup.variables.as_deref());
    if let Some(pipeline) = &lookup.pipeline {
        put(&mut document, "pipeline", &pipeline.to_raw());
    }
    document
}

fn print_graph_lookup(lookup: &GraphLookup) -> RawDocumentBuf {
    let mut document = single("from", &namespace(&lookup.from));
    put(&mut document, "as", lookup.as_field.as_str());
    put(&mut document, "connectToField", lookup.connect_to_field.as_str());
    put(&mut document, "connectFromField", lookup.connect_from_field.as_str());
    put(&mut document, "startWith", &lookup.start_with.to_raw());
    if let Some(field) = &lookup.depth_field {
        put(&mut document, "depthField", field.as_str());
    }
    if let Some(depth) = lookup.max_depth {
        put(&mut document, "maxDepth", &integer(depth));
    }
    if let Some(filter) = &lookup.restrict {
        put(&mut document, "restrictSearchWithMatch", &filter.to_raw());
    }
    document
}

fn windows(
    partition_by: Option<&Expression>,
    sort_by: Option<&Sort>,
    output: &[(FieldPath, WindowFunction)],
) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    if let Some(expression) = partition_by {
        put(&mut document, "partitionBy", &expression.to_raw());
    }
    if let Some(sort) = sort_by {
        put(&mut document, "sortBy", &sort.to_raw());
    }
    let mut fields = RawDocumentBuf::new();
    for (path, function) in output {
        let mut field = function.function.to_raw();
        if let Some(window) = &function.window {
            put(&mut field, "window", window);
        }
        put(&mut fields, path.as_str(), &field);
    }
    put(&mut document, "output", &fields);
    document
}

fn print_merge(merge: &Merge) -> RawDocumentBuf {
    let mut document = single("into", &namespace(&merge.into));
    if let Some(on) = &merge.on {
        put(&mut document, "on", &path_list(on));
    }
    variables(&mut document, merge.variables.as_deref());
    match &merge.when_matched {
        Some(WhenMatched::Action(action)) => put(&mut document, "whenMatched", action.as_str()),
        Some(WhenMatched::Pipeline(pipeline)) => {
            put(&mut document, "whenMatched", &pipeline.to_raw());
        }
        None => {}
    }
    if let Some(action) = &merge.when_not_matched {
        put(&mut document, "whenNotMatched", action.as_str());
    }
    document
}
