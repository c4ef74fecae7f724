//! Random pipelines.

use bson::{Bson, Document, doc};

use crate::{
    choices::Choices,
    expressions::{Flow, condition, expression},
    filters::filter,
    lab::{World, batch, has_failed},
    schemas::Node,
    values::NAMES,
};

/// A pipeline that plaintext data passes, on collection `c`.
///
/// Each stage is made for the documents that flow into it.
pub(crate) async fn pipeline(world: &mut World<'_>, choices: &mut Choices) -> Vec<Document> {
    let mut stages: Vec<Document> = Vec::new();
    let mut flowing = world.documents[0].clone();
    // Where documents have no order, or one by ciphertext, nothing may depend on it.
    let mut is_ordered = matches!(world.schemas[0].at("_id"), Node::Plain);
    for _ in 0..1 + choices.below(5) {
        let flow = Flow::of(&flowing);
        let stage = stage(world, choices, &flow, is_ordered);
        let name = stage.keys().next().unwrap().as_str();
        let keeps_order = !matches!(name, "$group" | "$sortByCount" | "$bucket" | "$graphLookup");
        stages.push(stage);
        let reply = world.plain(&command(&stages)).await;
        if has_failed(&reply) {
            // Some that fail are to be tried as well.
            if choices.one_in(4) {
                break;
            }
            stages.pop();
            continue;
        }
        is_ordered &= keeps_order;
        flowing = batch(&reply).iter().filter_map(|item| item.as_document().cloned()).collect();
    }
    stages
}

pub(crate) fn command(stages: &[Document]) -> Document {
    doc! { "aggregate": "c", "pipeline": stages.to_vec(), "cursor": { "batchSize": 10_000 } }
}

fn path(choices: &mut Choices, flow: &Flow) -> String {
    flow.place(choices).0
}

fn stage(world: &World<'_>, choices: &mut Choices, flow: &Flow, is_ordered: bool) -> Document {
    let field = path(choices, flow);
    match choices.below(if is_ordered { 27 } else { 24 }) {
        0..=4 => doc! { "$match": filter(choices, flow, 1) },
        5 | 6 => doc! { "$project": projection(choices, flow) },
        7..=9 => {
            let mut fields = Document::new();
            for _ in 0..1 + choices.below(2) {
                fields.insert(path(choices, flow), expression(choices, flow, 2));
            }
            doc! { *choices.pick(&["$addFields", "$set"]): fields }
        }
        10 => doc! { "$unset": [field, path(choices, flow)] },
        11 | 12 => group(choices, flow, is_ordered),
        13 => doc! { "$sortByCount": format!("${field}") },
        14 | 15 => doc! { "$unwind": format!("${field}") },
        16 => doc! { "$replaceRoot": { "newRoot": expression(choices, flow, 2) } },
        17 => doc! { "$replaceWith": format!("${field}") },
        18..=20 => lookup(world, choices, flow),
        21 => graph_lookup(world, choices, flow),
        22 => rare(choices, flow),
        23 => doc! { "$count": "n" },
        24 => doc! { "$sort": { field: 1, "_id": 1 } },
        25 => doc! { "$limit": 3 },
        _ => doc! { "$skip": 1 },
    }
}

/// Stages that analysis refuses, or as good as always.
fn rare(choices: &mut Choices, flow: &Flow) -> Document {
    let field = format!("${}", path(choices, flow));
    match choices.below(6) {
        0 => doc! { "$facet": { "x": [{ "$match": filter(choices, flow, 0) }] } },
        1 => doc! { "$unionWith": { "coll": "d", "pipeline": [] } },
        2 => doc! { "$redact": { "$cond": [condition(choices, flow, 0), "$$KEEP", "$$PRUNE"] } },
        3 => doc! { "$bucket": { "groupBy": field, "boundaries": [0, 2, 5], "default": "x" } },
        4 => doc! { "$setWindowFields": { "output": { "n": { "$max": field } } } },
        _ => doc! { "$bucketAuto": { "groupBy": field, "buckets": 2 } },
    }
}

/// What both `$project` and the projection of `find` take.
pub(crate) fn projection(choices: &mut Choices, flow: &Flow) -> Document {
    let mut fields = Document::new();
    let is_exclusion = choices.one_in(3);
    for _ in 0..1 + choices.below(3) {
        let path = path(choices, flow);
        let value = match choices.below(3) {
            _ if is_exclusion => 0.into(),
            0 => expression(choices, flow, 2),
            _ => Bson::Int32(1),
        };
        fields.insert(path, value);
    }
    if choices.one_in(3) {
        fields.insert("_id", 0);
    }
    fields
}

fn group(choices: &mut Choices, flow: &Flow, is_ordered: bool) -> Document {
    let reference = |choices: &mut Choices| format!("${}", path(choices, flow));
    let key: Bson = match choices.below(5) {
        0 => Bson::Null,
        1 => doc! { "a": reference(choices), "b": reference(choices) }.into(),
        2 => expression(choices, flow, 1),
        _ => reference(choices).into(),
    };
    let mut group = doc! { "_id": key };
    for _ in 0..choices.below(3) {
        let name = *choices.pick(&["a", "b", "c"]);
        let depth = usize::from(choices.one_in(4));
        let field = expression(choices, flow, depth);
        let accumulator = match choices.below(8) {
            0 | 1 => doc! { "$sum": 1 },
            2 => doc! { "$count": {} },
            3 => doc! { "$sum": field },
            4 => doc! { *choices.pick(&["$min", "$max", "$avg"]): field },
            5 if is_ordered => doc! { *choices.pick(&["$first", "$last", "$push"]): field },
            6 if is_ordered => doc! { "$push": field },
            _ => {
                group.insert(format!("set_{name}"), doc! { "$addToSet": field });
                continue;
            }
        };
        group.insert(name, accumulator);
    }
    doc! { "$group": group }
}

fn lookup(world: &World<'_>, choices: &mut Choices, flow: &Flow) -> Document {
    let (from, index) = *choices.pick(&[("c", 0), ("d", 1)]);
    let foreign = Flow::of(&world.documents[index]);
    let mut lookup = doc! { "from": from };
    let joins_by_fields = choices.one_in(2);
    if joins_by_fields {
        let local = path(choices, flow);
        let other = if choices.one_in(2) { local.clone() } else { path(choices, &foreign) };
        lookup.insert("localField", local);
        lookup.insert("foreignField", other);
    }
    if !joins_by_fields || choices.one_in(2) {
        if choices.one_in(6) {
            lookup.insert("let", doc! { "x": format!("${}", path(choices, flow)) });
        }
        let mut stages = vec![doc! { "$match": filter(choices, &foreign, 1) }];
        match choices.below(4) {
            0 => stages.push(doc! { "$project": projection(choices, &foreign) }),
            1 => {
                let second = Flow::of(&world.documents[1]);
                let filter = filter(choices, &second, 0);
                let pipeline = [doc! { "$match": filter }].to_vec();
                stages.push(doc! { "$lookup": { "from": "d", "pipeline": pipeline, "as": "a" } });
            }
            _ => {}
        }
        lookup.insert("pipeline", stages);
    }
    let output = if choices.one_in(3) { path(choices, flow) } else { "joined".to_owned() };
    lookup.insert("as", output);
    doc! { "$lookup": lookup }
}

fn graph_lookup(world: &World<'_>, choices: &mut Choices, flow: &Flow) -> Document {
    let foreign = Flow::of(&world.documents[0]);
    let mut lookup = doc! {
        "from": if choices.one_in(8) { "d" } else { "c" },
        "startWith": expression(choices, flow, 0),
        "connectFromField": path(choices, &foreign),
        "connectToField": path(choices, &foreign),
        "as": "set_found",
    };
    if choices.one_in(2) {
        lookup.insert("restrictSearchWithMatch", filter(choices, &foreign, 0));
    }
    if choices.one_in(3) {
        lookup.insert("depthField", *choices.pick(&NAMES));
    }
    doc! { "$graphLookup": lookup }
}
