//! Random commands, each on plaintext and on encrypted data.

use bson::{Bson, Document, doc};

use crate::{
    choices::Choices,
    expressions::Flow,
    filters::filter,
    lab::{Sealed, World, has_failed},
    pipelines::{self, pipeline, projection},
    schemas::Node,
    updates::update,
    values::{is_secret, normalize},
    verdict::{Tally, Verdict},
};

/// A command, and how its replies are compared.
struct Trial {
    kind: &'static str,
    command: Document,
    /// Whether it changes documents.
    writes: bool,
    /// Whether the order of documents in the reply means something.
    is_ordered: bool,
}

/// Runs one random command and records what came of it.
pub(crate) async fn try_one(
    world: &mut World<'_>,
    choices: &mut Choices,
    tally: &mut Tally,
    seed: u64,
) {
    let trial = random(world, choices).await;
    let Trial { kind, command, .. } = &trial;
    let (kind, command) = (*kind, command.clone());
    let (sealed, is_sealed) = match world.sealed(&command).await {
        Sealed::Refused(message) => {
            tally.refused(&message);
            return tally.add(kind, Verdict::Refused);
        }
        Sealed::Leak(sent) => {
            let example = format!("seed {seed}, {world:#?}\nLEAK {command}\nsent {sent}");
            assert!(world.fill().await);
            return tally.fault(kind, Verdict::Leak, example);
        }
        Sealed::Reply { reply, is_sealed } => (reply, is_sealed),
    };
    let plain = world.plain(&command).await;
    let failed = [&plain, &sealed].map(has_failed);
    let mut answers = [&plain, &sealed].map(|reply| answer(reply, trial.is_ordered));
    let verdict = match (failed, is_sealed) {
        ([true, true], _) => Verdict::BothFailed,
        (_, true) => Verdict::SameSealed,
        (_, false) => Verdict::Same,
    };
    if trial.writes {
        let [opened_plain, opened, stored] = world.stored().await;
        if stored.iter().any(is_secret) {
            let example = format!("seed {seed}, {world:#?}\nSTORED {command}\n{stored:?}");
            assert!(world.fill().await);
            return tally.fault(kind, Verdict::Leak, example);
        }
        if failed == [true, true] {
            // Which one of several documents it failed at may differ.
            answers = [Bson::Null, Bson::Null];
        }
        answers = [(answers[0].clone(), opened_plain), (answers[1].clone(), opened)]
            .map(|(answer, documents)| without_generated_ids(answer, documents));
        assert!(world.fill().await);
    }
    if failed[0] == failed[1] && (failed[0] || answers[0] == answers[1]) {
        return tally.add(kind, verdict);
    }
    let example = format!(
        "seed {seed}, {world:#?}\nDIFFERENT {command}\nplain  {plain}\nsealed {sealed}\n{}\n{}",
        answers[0], answers[1]
    );
    tally.fault(kind, Verdict::Different, example);
}

/// What must be the same in two replies.
fn answer(reply: &Document, is_ordered: bool) -> Bson {
    let mut reply = reply.clone();
    // To encrypt at random anew is to modify.
    reply.remove("nModified");
    if let Ok(cursor) = reply.get_document_mut("cursor") {
        cursor.remove("ns");
    }
    let mut reply = Bson::Document(reply);
    normalize(&mut reply);
    if is_ordered {
        return reply;
    }
    let batch = reply
        .as_document_mut()
        .and_then(|reply| reply.get_document_mut("cursor").ok())
        .and_then(|cursor| cursor.get_array_mut("firstBatch").ok());
    if let Some(batch) = batch {
        batch.sort_by_key(|document| format!("{document:?}"));
    }
    let values = reply.as_document_mut().and_then(|reply| reply.get_array_mut("values").ok());
    if let Some(values) = values {
        values.sort_by_key(|value| format!("{value:?}"));
    }
    reply
}

/// Both together, without ids that the server generated.
fn without_generated_ids(answer: Bson, documents: Vec<Bson>) -> Bson {
    fn strip(value: &mut Bson) {
        match value {
            Bson::ObjectId(_) => *value = Bson::Null,
            Bson::Array(items) => items.iter_mut().for_each(strip),
            Bson::Document(document) => document.iter_mut().for_each(|(_, v)| strip(v)),
            // The time of day.
            Bson::DateTime(_) if !is_secret(value) => *value = Bson::Null,
            _ => {}
        }
    }
    let mut both = Bson::Array(vec![answer, documents.into()]);
    strip(&mut both);
    both
}

async fn random(world: &mut World<'_>, choices: &mut Choices) -> Trial {
    let flow = Flow::of(&world.documents[0]);
    let trial = |kind, command, writes, is_ordered| Trial { kind, command, writes, is_ordered };
    // Which of several documents comes first is told by an index on `_id`, if it is used; and
    // ciphertexts have another order.
    let is_ordered = matches!(world.schemas[0].at("_id"), Node::Plain);
    match choices.below(20) {
        11 | 12 if !is_ordered => {
            let command = doc! { "count": "c", "query": filter(choices, &flow, 1) };
            trial("count", command, false, true)
        }
        0..=3 => {
            let mut command = doc! { "find": "c", "filter": filter(choices, &flow, 2) };
            if choices.one_in(2) {
                command.insert("projection", find_projection(choices, &flow));
            }
            if choices.one_in(4) {
                command.insert("sort", doc! { flow.place(choices).0: 1, "_id": 1 });
            }
            trial("find", command, false, is_ordered)
        }
        4 => trial("count", doc! { "count": "c", "query": filter(choices, &flow, 2) }, false, true),
        5 => {
            let key = flow.place(choices).0;
            let query = filter(choices, &flow, 0);
            trial("distinct", doc! { "distinct": "c", "key": key, "query": query }, false, false)
        }
        6 => {
            let statement = doc! { "q": filter(choices, &flow, 1), "limit": (is_ordered && choices.one_in(2)) as i32 };
            trial("delete", doc! { "delete": "c", "deletes": [statement] }, true, true)
        }
        7..=10 => {
            let (update, filters) = update(choices, &world.schemas[0], &flow);
            let mut statement = doc! { "q": filter(choices, &flow, 1), "u": update };
            let mut option = |name: &str| _ = statement.insert(name, choices.one_in(3));
            option("multi");
            option("upsert");
            if !is_ordered {
                statement.insert("multi", true);
            }
            if !filters.is_empty() {
                statement.insert("arrayFilters", filters);
            }
            trial("update", doc! { "update": "c", "updates": [statement] }, true, true)
        }
        11 | 12 => {
            let mut command = doc! { "findAndModify": "c", "query": filter(choices, &flow, 1) };
            if choices.one_in(5) {
                command.insert("remove", true);
            } else {
                let (update, filters) = update(choices, &world.schemas[0], &flow);
                command.insert("update", update);
                command.insert("new", choices.one_in(2));
                command.insert("upsert", choices.one_in(4));
                if !filters.is_empty() {
                    command.insert("arrayFilters", filters);
                }
            }
            if choices.one_in(3) {
                command.insert("fields", find_projection(choices, &flow));
            }
            trial("findAndModify", command, true, true)
        }
        _ => {
            let stages = pipeline(world, choices).await;
            trial("aggregate", pipelines::command(&stages), false, false)
        }
    }
}

fn find_projection(choices: &mut Choices, flow: &Flow) -> Document {
    let path = flow.place(choices).0;
    match choices.below(8) {
        0 => doc! { path: { "$slice": 1 } },
        1 => doc! { path: { "$elemMatch": { "$gte": 1 } } },
        2 => doc! { format!("{path}.$"): 1 },
        _ => projection(choices, flow),
    }
}
