//! Random expressions, over documents as they flow by.

use bson::{Bson, Document, doc};

use crate::{
    choices::Choices,
    values::{NAMES, is_secret, like, paths, plain},
};

/// What a generator knows of the documents that its work will meet.
pub(crate) struct Flow {
    /// Paths and values found there.
    places: Vec<(String, Bson)>,
    /// Those of them that are secrets, and can be compared as such.
    secrets: Vec<(String, Bson)>,
}

impl Flow {
    pub(crate) fn of(documents: &[Document]) -> Self {
        let places: Vec<_> = documents.iter().flat_map(paths).collect();
        let is_scalar = |value: &Bson| !matches!(value, Bson::Array(_) | Bson::Document(_));
        let mut secrets = places.clone();
        secrets.retain(|(_, value)| is_secret(value) && is_scalar(value));
        Self { places, secrets }
    }

    /// A path, and a value that is there in some document.
    pub(crate) fn place(&self, choices: &mut Choices) -> (String, Bson) {
        if !self.secrets.is_empty() && choices.one_in(3) {
            return choices.pick(&self.secrets).clone();
        }
        if !choices.one_in(10) && !self.places.is_empty() {
            let (path, value) = choices.pick(&self.places).clone();
            return (if choices.one_in(12) { indexed(&path) } else { path }, value);
        }
        let count = 1 + choices.below(3);
        let names: Vec<&str> = (0..count).map(|_| *choices.pick(&NAMES)).collect();
        (names.join("."), plain(choices, 0))
    }
}

/// The path with a position before its last name, or behind it.
fn indexed(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((outer, name)) => format!("{outer}.0.{name}"),
        None => format!("{path}.0"),
    }
}

fn reference(choices: &mut Choices, path: &str) -> Bson {
    match choices.below(12) {
        0 => format!("$$ROOT.{path}").into(),
        1 => format!("$$CURRENT.{path}").into(),
        2 => doc! { "$let": { "vars": { "x": 1 }, "in": format!("${path}") } }.into(),
        3 => doc! { "$getField": { "field": path, "input": "$$ROOT" } }.into(),
        _ => format!("${path}").into(),
    }
}

fn constant(choices: &mut Choices, value: Bson) -> Bson {
    let literal = doc! { "$literal": value.clone() };
    if choices.one_in(3) || matches!(value, Bson::Document(_)) { literal.into() } else { value }
}

/// An expression whose result is true or false, as a rule.
pub(crate) fn condition(choices: &mut Choices, flow: &Flow, depth: usize) -> Bson {
    let (path, found) = flow.place(choices);
    let field = reference(choices, &path);
    let value = like(choices, &found);
    let value = constant(choices, value);
    // What ciphertexts can be asked comes more often.
    let limit = if is_secret(&found) && !choices.one_in(4) { 7 } else { 9 };
    match choices.below(if depth > 0 { limit + 5 } else { limit }) {
        0..=2 => doc! { "$eq": [field, value] }.into(),
        3 => doc! { "$eq": [value, field] }.into(),
        4 => doc! { "$ne": [field, value] }.into(),
        5 => doc! { "$in": [field, [value, like(choices, &found)]] }.into(),
        6 => doc! { "$in": [field, [value]] }.into(),
        n if n >= limit => deeper(choices, flow, depth - 1, field, value),
        7 => {
            let (other, _) = flow.place(choices);
            let other = reference(choices, &other);
            doc! { *choices.pick(&["$eq", "$ne", "$gt", "$cmp"]): [field, other] }.into()
        }
        _ => doc! { *choices.pick(&["$gt", "$lte", "$isArray"]): [field, value] }.into(),
    }
}

/// A condition that is made of others.
fn deeper(choices: &mut Choices, flow: &Flow, depth: usize, field: Bson, value: Bson) -> Bson {
    let mut inner = || condition(choices, flow, depth);
    let (first, second) = (inner(), inner());
    match choices.below(5) {
        0 => doc! { "$not": [first] },
        1 => doc! { "$and": [first, second] },
        2 => doc! { "$or": [first, second] },
        3 => doc! { "$let": { "vars": { "x": field }, "in": { "$eq": ["$$x", value] } } },
        _ => doc! { "$cond": [first, second, { "$eq": [field, value] }] },
    }
    .into()
}

/// Any expression.
pub(crate) fn expression(choices: &mut Choices, flow: &Flow, depth: usize) -> Bson {
    let (path, _) = flow.place(choices);
    let field = reference(choices, &path);
    if depth == 0 {
        return if choices.one_in(4) { constant_of(choices) } else { field };
    }
    let inner = |choices: &mut Choices| expression(choices, flow, depth - 1);
    match choices.below(15) {
        0..=4 => field,
        5 => constant_of(choices),
        6 | 7 => condition(choices, flow, depth - 1),
        8 => {
            let (then, other) = (inner(choices), inner(choices));
            doc! { "$cond": [condition(choices, flow, depth - 1), then, other] }.into()
        }
        9 => doc! { "$ifNull": [field, inner(choices)] }.into(),
        10 => {
            let (first, second) = (inner(choices), inner(choices));
            Bson::Document(doc! { *choices.pick(&NAMES[..4]): first, "s_x": second })
        }
        11 => Bson::Array(vec![inner(choices), inner(choices)]),
        12 => doc! { "$switch": {
            "branches": [{ "case": condition(choices, flow, depth - 1), "then": inner(choices) }],
            "default": inner(choices),
        } }
        .into(),
        13 => other_operator(choices, field),
        _ => "$$ROOT".into(),
    }
}

/// Operators that need to see what they work with.
fn other_operator(choices: &mut Choices, field: Bson) -> Bson {
    match choices.below(8) {
        0 => doc! { "$type": field },
        1 => doc! { "$mergeObjects": [field, { "a": 1 }] },
        2 => doc! { "$objectToArray": "$$ROOT" },
        3 => doc! { "$map": { "input": [field], "in": "$$this" } },
        4 => doc! { "$filter": { "input": [field], "as": "x", "cond": { "$eq": ["$$x", 1] } } },
        5 => doc! { "$setField": { "field": "b", "input": "$$ROOT", "value": field } },
        6 => doc! { "$first": [[field]] },
        _ => doc! { "$concat": ["x", field] },
    }
    .into()
}

fn constant_of(choices: &mut Choices) -> Bson {
    let value = plain(choices, 1);
    constant(choices, value)
}
