//! A filter evaluator as plain as possible: it works on owned documents, reads the filter's document
//! itself, and collects the candidate values of a path before it looks at any.

use bson::raw::{RawBson, RawDocument};
use bson::{Bson, Document};
use fieldveil_query::value::Number;

use super::{compare, owned_document, raw};

/// Whether the document matches.
pub(crate) fn matches(filter: &RawDocument, document: &RawDocument) -> bool {
    filter_matches(&owned_document(filter), &owned_document(document))
}

fn filter_matches(filter: &Document, document: &Document) -> bool {
    filter.iter().all(|(name, argument)| match name.as_str() {
        "$and" => parts(argument).iter().all(|part| filter_matches(part, document)),
        "$or" => parts(argument).iter().any(|part| filter_matches(part, document)),
        "$nor" => !parts(argument).iter().any(|part| filter_matches(part, document)),
        path => field_matches(path, argument, document),
    })
}

fn parts(argument: &Bson) -> Vec<Document> {
    argument.as_array().unwrap().iter().map(|part| part.as_document().unwrap().clone()).collect()
}

fn is_operators(document: &Document) -> bool {
    document.keys().next().is_some_and(|name| name.starts_with('$'))
}

fn field_matches(path: &str, argument: &Bson, document: &Document) -> bool {
    match argument {
        Bson::Document(operators) if is_operators(operators) => operators
            .iter()
            .all(|(operator, operand)| operator_matches(path, operator, operand, document)),
        Bson::RegularExpression(_) => operator_matches(path, "$regex", argument, document),
        value => operator_matches(path, "$eq", value, document),
    }
}

fn operator_matches(path: &str, operator: &str, operand: &Bson, document: &Document) -> bool {
    let components: Vec<&str> = path.split('.').collect();
    let spread = || candidates(Some(&Bson::Document(document.clone())), &components, true);
    let whole = || candidates(Some(&Bson::Document(document.clone())), &components, false);
    match operator {
        "$ne" => !operator_matches(path, "$eq", operand, document),
        "$nin" => !operator_matches(path, "$in", operand, document),
        "$not" => !field_matches(path, operand, document),
        "$exists" => spread().iter().any(Option::is_some) == operand.as_bool().unwrap(),
        "$all" => {
            let items = operand.as_array().unwrap();
            !items.is_empty()
                && items.iter().all(|item| field_matches(path, &plain(item), document))
        }
        "$size" | "$elemMatch" => {
            whole().into_iter().flatten().any(|value| value_matches(&value, operator, operand))
        }
        _ => spread().into_iter().any(|value| optional_matches(value.as_ref(), operator, operand)),
    }
}

/// An item of `$all` as a condition: documents are values there.
fn plain(item: &Bson) -> Bson {
    match item {
        Bson::RegularExpression(_) => item.clone(),
        value => {
            let mut condition = Document::new();
            condition.insert("$eq", value.clone());
            Bson::Document(condition)
        }
    }
}

/// Everything a path leads to.
fn candidates(value: Option<&Bson>, path: &[&str], spread: bool) -> Vec<Option<Bson>> {
    let Some((first, rest)) = path.split_first() else {
        let mut found = Vec::new();
        if let (Some(Bson::Array(items)), true) = (value, spread) {
            found.extend(items.iter().cloned().map(Some));
        }
        found.push(value.cloned());
        return found;
    };
    match value {
        Some(Bson::Document(document)) => candidates(document.get(first), rest, spread),
        Some(Bson::Array(items)) => {
            let mut found = Vec::new();
            for (index, item) in items.iter().enumerate() {
                if let Bson::Document(_) = item {
                    found.extend(candidates(Some(item), path, spread));
                }
                if first.parse() == Ok(index) {
                    match (item, rest) {
                        (item, []) => found.push(Some(item.clone())),
                        (Bson::Document(_) | Bson::Array(_), rest) => {
                            found.extend(candidates(Some(item), rest, spread));
                        }
                        _ => {}
                    }
                }
            }
            found
        }
        _ => vec![None],
    }
}

fn optional_matches(value: Option<&Bson>, operator: &str, operand: &Bson) -> bool {
    match (value, operator) {
        (None, "$eq" | "$gte" | "$lte") => {
            *operand == Bson::Null || bounded(None, operator, operand)
        }
        (None, "$gt" | "$lt") => bounded(None, operator, operand),
        (None, "$in") => operand.as_array().unwrap().contains(&Bson::Null),
        (None, _) => false,
        (Some(value), _) => value_matches(value, operator, operand),
    }
}

/// Everything is between `MinKey` and `MaxKey`.
fn bounded(value: Option<&Bson>, operator: &str, operand: &Bson) -> bool {
    let equal = value == Some(operand);
    match (operand, operator) {
        (Bson::MinKey, "$gte") | (Bson::MaxKey, "$lte") => true,
        (Bson::MinKey, "$gt") | (Bson::MaxKey, "$lt") => !equal,
        (Bson::MinKey | Bson::MaxKey, "$eq" | "$gte" | "$lte") => equal,
        _ => false,
    }
}

fn value_matches(value: &Bson, operator: &str, operand: &Bson) -> bool {
    let number = |value: &Bson| Number::new(raw(value).as_raw_bson_ref());
    match operator {
        "$eq" | "$gt" | "$gte" | "$lt" | "$lte" => compares(value, operator, operand),
        "$in" => operand.as_array().unwrap().iter().any(|item| match item {
            Bson::RegularExpression(_) => value_matches(value, "$regex", item),
            item => compares(value, "$eq", item),
        }),
        "$ne" => !value_matches(value, "$eq", operand),
        "$nin" => !value_matches(value, "$in", operand),
        "$not" => !all_match(value, operand),
        "$exists" => operand.as_bool().unwrap(),
        "$type" => {
            let kind = match value {
                Bson::Int32(_) => "int",
                Bson::Int64(_) => "long",
                Bson::Double(_) => "double",
                Bson::Decimal128(_) => "decimal",
                Bson::String(_) => "string",
                Bson::Array(_) => "array",
                Bson::Document(_) => "object",
                Bson::Null => "null",
                Bson::Boolean(_) => "bool",
                _ => "other",
            };
            let wanted = operand.as_str().unwrap();
            kind == wanted || (wanted == "number" && number(value).is_some())
        }
        "$size" => match value {
            Bson::Array(items) => {
                items.len() == usize::try_from(operand.as_i32().unwrap()).unwrap()
            }
            _ => false,
        },
        "$elemMatch" => {
            let Bson::Array(items) = value else { return false };
            let condition = operand.as_document().unwrap();
            let by_value = is_operators(condition)
                && !matches!(condition.keys().next().unwrap().as_str(), "$and" | "$or" | "$nor");
            items.iter().any(|item| match item {
                _ if by_value => all_match(item, operand),
                Bson::Document(inner) => filter_matches(condition, inner),
                Bson::Array(inner) => {
                    let numbered =
                        inner.iter().enumerate().map(|(i, v)| (i.to_string(), v.clone()));
                    filter_matches(condition, &numbered.collect())
                }
                _ => false,
            })
        }
        "$all" => {
            let items = operand.as_array().unwrap();
            !items.is_empty()
                && items.iter().all(|item| match item {
                    Bson::RegularExpression(_) => value_matches(value, "$regex", item),
                    item => compares(value, "$eq", item),
                })
        }
        "$mod" => {
            let numbers = operand.as_array().unwrap();
            let (divisor, rest) = (numbers[0].as_i32().unwrap(), numbers[1].as_i32().unwrap());
            number(value)
                .and_then(Number::to_i64_truncated)
                .is_some_and(|value| value % i64::from(divisor) == i64::from(rest))
        }
        "$regex" => matches_regex(value, operand),
        "$bitsAllSet" | "$bitsAnyClear" => {
            let mask = i64::from(operand.as_i32().unwrap());
            let bits = match value {
                Bson::Binary(binary) => {
                    let mut bytes = [0; 8];
                    for (to, from) in bytes.iter_mut().zip(&binary.bytes) {
                        *to = *from;
                    }
                    Some(i64::from_le_bytes(bytes))
                }
                value => number(value).and_then(Number::to_i64_exact),
            };
            bits.is_some_and(|bits| {
                if operator == "$bitsAllSet" { bits & mask == mask } else { !bits & mask != 0 }
            })
        }
        other => panic!("the reference does not know {other}"),
    }
}

/// Whether `$pull` with this condition removes the element.
pub(super) fn is_pulled(element: &Bson, condition: &Bson) -> bool {
    match (condition, element) {
        (Bson::Document(condition), Bson::Document(element)) => filter_matches(condition, element),
        (Bson::Document(_), _) => false,
        (Bson::RegularExpression(_), element) => value_matches(element, "$regex", condition),
        (value, element) => compares(element, "$eq", value),
    }
}

fn all_match(value: &Bson, operators: &Bson) -> bool {
    operators.as_document().unwrap().iter().all(|(o, operand)| value_matches(value, o, operand))
}

fn compares(value: &Bson, operator: &str, operand: &Bson) -> bool {
    if matches!(operand, Bson::MinKey | Bson::MaxKey) {
        return bounded(Some(value), operator, operand);
    }
    let value =
        if *value == Bson::Undefined && *operand == Bson::Null { &Bson::Null } else { value };
    let (left, right) = (raw(value), raw(operand));
    let same_kind = kind(value) == kind(operand);
    let nan = |value: &RawBson| Number::new(value.as_raw_bson_ref()).is_some_and(Number::is_nan);
    if !same_kind || nan(&left) != nan(&right) {
        return false;
    }
    let order = compare(value, operand);
    match operator {
        "$eq" => order.is_eq(),
        "$gt" => order.is_gt(),
        "$gte" => order.is_ge(),
        "$lt" => order.is_lt(),
        _ => order.is_le(),
    }
}

fn kind(value: &Bson) -> String {
    match value {
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_) => "number".into(),
        Bson::String(_) | Bson::Symbol(_) => "string".into(),
        other => format!("{:?}", other.element_type()),
    }
}

/// The patterns that the generators make.
fn matches_regex(value: &Bson, operand: &Bson) -> bool {
    let pattern = match operand {
        Bson::RegularExpression(regex) => {
            if let Bson::RegularExpression(other) = value {
                return other == regex;
            }
            "^a/i"
        }
        Bson::String(pattern) => pattern,
        _ => return false,
    };
    let (Bson::String(text) | Bson::Symbol(text)) = value else { return false };
    match pattern {
        "^a/i" => text.to_lowercase().starts_with('a'),
        "^a" => text.starts_with('a'),
        "b$" => text.ends_with('b'),
        "." => !text.is_empty(),
        other => panic!("the reference does not know the pattern {other}"),
    }
}
