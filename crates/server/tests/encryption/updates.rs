//! Random updates.

use bson::{Bson, Document, doc};

use crate::{
    choices::Choices,
    expressions::Flow,
    schemas::Node,
    values::{like, plain},
};

/// The operators, those that can do with encrypted fields more often.
const OPERATORS: [&str; 22] = [
    "$set",
    "$set",
    "$set",
    "$set",
    "$set",
    "$set",
    "$unset",
    "$unset",
    "$rename",
    "$rename",
    "$setOnInsert",
    "$inc",
    "$mul",
    "$min",
    "$max",
    "$currentDate",
    "$push",
    "$addToSet",
    "$pull",
    "$pullAll",
    "$pop",
    "$bit",
];

/// An update, and array filters for it.
pub(crate) fn update(choices: &mut Choices, schema: &Node, flow: &Flow) -> (Bson, Vec<Document>) {
    match choices.below(12) {
        0 => {
            let mut whole = schema.document(choices, 0);
            whole.remove("_id");
            (whole.into(), Vec::new())
        }
        1 => {
            let (path, _) = flow.place(choices);
            (Bson::Array(vec![doc! { "$set": { path: 1 } }.into()]), Vec::new())
        }
        _ => operators(choices, schema, flow),
    }
}

fn operators(choices: &mut Choices, schema: &Node, flow: &Flow) -> (Bson, Vec<Document>) {
    let mut update = Document::new();
    let mut filters = Vec::new();
    for _ in 0..1 + choices.below(3) {
        let operator = *choices.pick(&OPERATORS);
        let (path, found) = flow.place(choices);
        let argument = argument(choices, schema, flow, operator, &path, &found);
        let path = match choices.below(16) {
            0 => format!("{path}.$"),
            1 => format!("{path}.$[]"),
            2 => {
                filters = vec![match like(choices, &found) {
                    Bson::Document(_) => doc! { "i.a": { "$exists": true } },
                    other => doc! { "i": other },
                }];
                format!("{path}.$[i]")
            }
            3 => format!("{path}.$[].a"),
            _ => path,
        };
        let fields = update.entry(operator.to_owned()).or_insert(Bson::Document(Document::new()));
        if let Bson::Document(fields) = fields {
            fields.insert(path, argument);
        }
    }
    (update.into(), filters)
}

fn argument(
    choices: &mut Choices,
    schema: &Node,
    flow: &Flow,
    operator: &str,
    path: &str,
    found: &Bson,
) -> Bson {
    match operator {
        "$set" | "$setOnInsert" if !choices.one_in(6) => schema.at(path).value(choices),
        "$set" | "$setOnInsert" => plain(choices, 2),
        "$unset" if choices.one_in(2) => "".into(),
        "$unset" => like(choices, found),
        "$rename" => flow.place(choices).0.into(),
        "$inc" | "$mul" | "$pop" => 1.into(),
        "$currentDate" => true.into(),
        "$bit" => doc! { "or": 1 }.into(),
        "$push" | "$addToSet" if choices.one_in(2) => {
            doc! { "$each": [like(choices, found), plain(choices, 0)] }.into()
        }
        "$pull" if choices.one_in(2) => doc! { "$in": [like(choices, found)] }.into(),
        "$pullAll" => Bson::Array(vec![like(choices, found)]),
        _ => like(choices, found),
    }
}
