//! Random filters, over documents as they flow by.

use bson::{Bson, Document, Regex, doc};

use crate::{
    choices::Choices,
    expressions::{Flow, condition},
    values::{is_secret, like},
};

pub(crate) fn filter(choices: &mut Choices, flow: &Flow, depth: usize) -> Document {
    let mut filter = Document::new();
    for _ in 0..[1, 1, 1, 2, 0][choices.below(5)] {
        match choices.below(if depth > 0 { 9 } else { 6 }) {
            6 | 7 => {
                let parts = [(); 2].map(|()| self::filter(choices, flow, depth - 1));
                filter.insert(*choices.pick(&["$and", "$or", "$nor"]), parts.to_vec());
            }
            8 => {
                filter.insert("$expr", condition(choices, flow, 1));
            }
            _ => {
                let (path, found) = flow.place(choices);
                filter.insert(path, predicate(choices, &found));
            }
        }
    }
    filter
}

fn predicate(choices: &mut Choices, found: &Bson) -> Bson {
    let value = like(choices, found);
    // What ciphertexts can be asked comes more often.
    let limit = if is_secret(found) && !choices.one_in(4) { 14 } else { 22 };
    match choices.below(limit) {
        0..=5 => value,
        6 | 7 => doc! { "$eq": value }.into(),
        8 => doc! { "$ne": value }.into(),
        9 | 10 => doc! { "$in": [value, like(choices, found)] }.into(),
        11 => doc! { "$nin": [value] }.into(),
        12 => doc! { "$not": { "$eq": value } }.into(),
        13 => doc! { "$exists": choices.one_in(2) }.into(),
        14 | 15 => doc! { *choices.pick(&["$gt", "$gte", "$lt", "$lte"]): value }.into(),
        16 => doc! { "$not": { "$in": [value, like(choices, found)] } }.into(),
        17 => doc! { "$elemMatch": { *choices.pick(&["$eq", "$ne", "a", "b"]): value } }.into(),
        18 => doc! { "$all": [value] }.into(),
        19 => doc! { "$type": *choices.pick(&["string", "binData", "object", "int"]) }.into(),
        20 => doc! { "$exists": true, "$ne": value }.into(),
        _ => Bson::RegularExpression(Regex {
            pattern: bson::raw::cstr!("^plain").into(),
            options: bson::raw::cstr!("").into(),
        }),
    }
}
