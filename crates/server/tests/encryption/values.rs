//! Values. Those of encrypted fields can be told from all others, wherever they turn up.

use bson::{Bson, DateTime, Document, doc};

use crate::choices::Choices;

/// Names of fields. Some look like positions in an array, some match a pattern.
pub(crate) const NAMES: [&str; 7] = ["a", "b", "c", "d", "0", "s_x", "s_y"];

/// How many different secrets there are of each kind.
const SECRETS: usize = 3;

/// What an encrypted field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    Long,
    Date,
    /// Anything, arrays and objects too.
    Any,
}

impl Kind {
    pub(crate) fn alias(self) -> Option<&'static str> {
        match self {
            Self::Text => Some("string"),
            Self::Int => Some("int"),
            Self::Long => Some("long"),
            Self::Date => Some("date"),
            Self::Any => None,
        }
    }

    /// The kind of a scalar. What holds a secret inside may be an object that is not encrypted.
    fn of(value: &Bson) -> Option<Self> {
        match value {
            Bson::String(_) => Some(Self::Text),
            Bson::Int32(_) => Some(Self::Int),
            Bson::Int64(_) => Some(Self::Long),
            Bson::DateTime(_) => Some(Self::Date),
            _ => None,
        }
    }

    pub(crate) fn secret(self, choices: &mut Choices) -> Bson {
        let index = i32::try_from(choices.below(SECRETS)).unwrap();
        match self {
            Self::Text => Bson::String(format!("secret-{index}")),
            Self::Int => Bson::Int32(1_111_111_000 + index),
            Self::Long => Bson::Int64(1_111_111_111_000 + i64::from(index)),
            Self::Date => {
                Bson::DateTime(DateTime::from_millis(1_111_111_111_111_000 + i64::from(index)))
            }
            Self::Any => match choices.below(3) {
                0 => Self::Text.secret(choices),
                1 => Bson::Array(vec![Self::Text.secret(choices), Self::Int.secret(choices)]),
                _ => Bson::Document(doc! { "a": Self::Text.secret(choices) }),
            },
        }
    }
}

/// Whether a value is, or holds, one of [`Kind::secret`].
pub(crate) fn is_secret(value: &Bson) -> bool {
    match value {
        Bson::String(text) => text.contains("secret-"),
        Bson::Int32(number) => (1_111_111_000..1_111_111_100).contains(number),
        Bson::Int64(number) => (1_111_111_111_000..1_111_111_112_000).contains(number),
        Bson::DateTime(date) => date.timestamp_millis() > 1_111_111_111_110_999,
        Bson::Array(items) => items.iter().any(is_secret),
        Bson::Document(document) => document.values().any(is_secret),
        _ => false,
    }
}

/// A value that is no secret.
pub(crate) fn plain(choices: &mut Choices, depth: usize) -> Bson {
    match choices.below(if depth > 0 { 9 } else { 6 }) {
        0 | 1 => Bson::String(format!("plain-{}", choices.below(3))),
        2 | 3 => Bson::Int32(i32::try_from(choices.below(4)).unwrap()),
        4 => Bson::Boolean(choices.one_in(2)),
        5 => Bson::Null,
        6 | 7 => {
            let count = choices.below(3);
            Bson::Array((0..count).map(|_| plain(choices, depth - 1)).collect())
        }
        _ => {
            let count = choices.below(3);
            let fields = (0..count).map(|_| {
                let name = (*choices.pick(&NAMES)).to_owned();
                (name, plain(choices, depth - 1))
            });
            Bson::Document(fields.collect::<Vec<_>>().into_iter().collect())
        }
    }
}

/// A constant to meet `found`, a value of the place that it is compared with: often that value,
/// and another secret only if that is one.
pub(crate) fn like(choices: &mut Choices, found: &Bson) -> Bson {
    let kind = Kind::of(found).filter(|_| is_secret(found));
    match (choices.below(8), kind) {
        (0, _) => plain(choices, 1),
        (1 | 2, Some(kind)) => kind.secret(choices),
        _ => found.clone(),
    }
}

/// All paths in a document with the values there. Arrays give the paths of their elements too,
/// without a position.
pub(crate) fn paths(document: &Document) -> Vec<(String, Bson)> {
    let mut found = Vec::new();
    walk("", document, &mut found);
    found
}

fn walk(outer: &str, document: &Document, found: &mut Vec<(String, Bson)>) {
    for (name, value) in document {
        let path = if outer.is_empty() { name.clone() } else { format!("{outer}.{name}") };
        found.push((path.clone(), value.clone()));
        // What is inside of a secret is below an encrypted path; a few of these are enough.
        match value {
            Bson::Document(inner) => walk(&path, inner, found),
            Bson::Array(items) => {
                for item in items {
                    match item {
                        Bson::Document(inner) => walk(&path, inner, found),
                        other => found.push((path.clone(), other.clone())),
                    }
                }
            }
            _ => {}
        }
    }
}

/// Sorts what has no order: arrays that `$addToSet` made.
pub(crate) fn normalize(value: &mut Bson) {
    match value {
        Bson::Document(document) => {
            for (name, value) in document.iter_mut() {
                normalize(value);
                if let (true, Bson::Array(items)) = (name.starts_with("set_"), value) {
                    items.sort_by_key(|item| format!("{item:?}"));
                }
            }
        }
        Bson::Array(items) => items.iter_mut().for_each(normalize),
        _ => {}
    }
}
