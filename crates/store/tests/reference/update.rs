//! Update operators, one after the other on an owned document.

use bson::raw::RawDocument;
use bson::{Bson, Document};

use super::{compare, filter, owned_document};

/// Why there is no document to compare with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// The update fails.
    Fails,
    /// The reference cannot say, as decimals would need an arithmetic of their own.
    CannotSay,
}

type Result<T> = std::result::Result<T, Unknown>;

/// One operator on one path, in the order in which they are applied.
struct Modifier<'a> {
    path: Vec<&'a str>,
    operator: &'a str,
    argument: &'a Bson,
}

/// The document after the update.
pub(crate) fn apply(update: &RawDocument, document: &RawDocument) -> Result<Document> {
    let update = owned_document(update);
    let original = owned_document(document);
    let mut modifiers = Vec::new();
    for (operator, fields) in &update {
        for (path, argument) in fields.as_document().unwrap() {
            let path: Vec<&str> = path.split('.').collect();
            if operator != "$rename" {
                modifiers.push(Modifier { path, operator, argument });
                continue;
            }
            let to: Vec<&str> = argument.as_str().unwrap().split('.').collect();
            refuse_arrays(&original, &path)?;
            if let Some(value) = look_up(&original, &path) {
                refuse_arrays(&original, &to)?;
                modifiers.push(Modifier { path, operator: "$unset", argument });
                modifiers.push(Modifier { path: to, operator: "$set", argument: value });
            }
        }
    }
    modifiers.sort_by(|left, right| left.path.cmp(&right.path));
    let mut document = Bson::Document(original.clone());
    for modifier in &modifiers {
        change(Some(&mut document), &modifier.path, modifier)?;
    }
    match document {
        Bson::Document(document) => Ok(document),
        other => panic!("{other} is no document"),
    }
}

fn look_up<'a>(document: &'a Document, path: &[&str]) -> Option<&'a Bson> {
    let (first, rest) = path.split_first().unwrap();
    match (document.get(first)?, rest) {
        (value, []) => Some(value),
        (Bson::Document(inner), rest) => look_up(inner, rest),
        _ => None,
    }
}

/// `$rename` does not go into arrays.
fn refuse_arrays(document: &Document, path: &[&str]) -> Result<()> {
    match path {
        [] | [_] => Ok(()),
        [first, rest @ ..] => match document.get(first) {
            Some(Bson::Array(_)) => Err(Unknown::Fails),
            Some(Bson::Document(inner)) => refuse_arrays(inner, rest),
            _ => Ok(()),
        },
    }
}

/// Whether an operator that finds nothing does nothing.
fn only_changes(operator: &str) -> bool {
    matches!(operator, "$unset" | "$pull" | "$pop")
}

/// Follows the path from `value` and changes what is at its end.
fn change(value: Option<&mut Bson>, path: &[&str], modifier: &Modifier<'_>) -> Result<()> {
    if modifier.operator == "$setOnInsert" {
        return Ok(());
    }
    let (first, rest) = path.split_first().unwrap();
    match value {
        Some(Bson::Document(document)) => {
            if *first == "$[]" {
                return Err(Unknown::Fails);
            }
            if rest.is_empty() {
                return put(document, first, modifier);
            }
            if !document.contains_key(first) {
                if only_changes(modifier.operator) {
                    return Ok(());
                }
                document.insert(*first, created(rest, modifier)?);
                return Ok(());
            }
            change(document.get_mut(first), rest, modifier)
        }
        Some(Bson::Array(items)) => {
            if *first == "$[]" {
                for item in items {
                    assert!(rest.is_empty() && modifier.operator == "$set");
                    *item = modifier.argument.clone();
                }
                return Ok(());
            }
            let Ok(index) = first.parse::<usize>() else {
                return not_viable(modifier);
            };
            if index >= items.len() {
                if only_changes(modifier.operator) {
                    return Ok(());
                }
                let new = created(rest, modifier)?;
                items.resize(index, Bson::Null);
                items.push(new);
                return Ok(());
            }
            if !rest.is_empty() {
                return change(items.get_mut(index), rest, modifier);
            }
            items[index] = match (modifier.operator, new_value(Some(&items[index]), modifier)?) {
                ("$unset", _) => Bson::Null,
                (_, Some(new)) => new,
                (_, None) => return Ok(()),
            };
            Ok(())
        }
        _ => not_viable(modifier),
    }
}

/// The path cannot go on from here.
fn not_viable(modifier: &Modifier<'_>) -> Result<()> {
    if modifier.operator == "$unset" { Ok(()) } else { Err(Unknown::Fails) }
}

/// What a missing field becomes: the rest of the path as documents.
fn created(path: &[&str], modifier: &Modifier<'_>) -> Result<Bson> {
    match path.split_first() {
        None => Ok(new_value(None, modifier)?.unwrap()),
        Some((&"$[]", _)) => Err(Unknown::Fails),
        Some((first, rest)) => {
            let mut document = Document::new();
            document.insert(*first, created(rest, modifier)?);
            Ok(Bson::Document(document))
        }
    }
}

fn put(document: &mut Document, name: &str, modifier: &Modifier<'_>) -> Result<()> {
    if modifier.operator == "$unset" {
        document.remove(name);
    } else if let Some(new) = new_value(document.get(name), modifier)? {
        document.insert(name, new);
    }
    Ok(())
}

/// What comes in the place of `old`; nothing if the field is to stay away.
fn new_value(old: Option<&Bson>, modifier: &Modifier<'_>) -> Result<Option<Bson>> {
    let argument = modifier.argument;
    Ok(Some(match (modifier.operator, old) {
        ("$set", _) => argument.clone(),
        ("$min", Some(old)) if compare(argument, old).is_ge() => old.clone(),
        ("$max", Some(old)) if compare(argument, old).is_le() => old.clone(),
        ("$min" | "$max", _) => argument.clone(),
        ("$inc", None) => argument.clone(),
        ("$mul", None) => arithmetic(&Bson::Int32(0), argument, false)?,
        ("$inc", Some(old)) => arithmetic(old, argument, true)?,
        ("$mul", Some(old)) => arithmetic(old, argument, false)?,
        ("$push", old) => Bson::Array(push(items(old)?, argument)),
        ("$addToSet", old) => {
            let mut items = items(old)?;
            if !items.iter().any(|item| compare(item, argument).is_eq()) {
                items.push(argument.clone());
            }
            Bson::Array(items)
        }
        ("$unset" | "$pull" | "$pop", None) => return Ok(None),
        ("$pull", old) => {
            let mut items = items(old)?;
            items.retain(|item| !filter::is_pulled(item, argument));
            Bson::Array(items)
        }
        ("$pop", old) => {
            let mut items = items(old)?;
            if !items.is_empty() {
                items.remove(if *argument == Bson::Int32(-1) { 0 } else { items.len() - 1 });
            }
            Bson::Array(items)
        }
        ("$unset", Some(_)) => Bson::Null,
        (other, _) => panic!("the reference does not know {other}"),
    }))
}

fn items(old: Option<&Bson>) -> Result<Vec<Bson>> {
    match old {
        None => Ok(Vec::new()),
        Some(Bson::Array(items)) => Ok(items.clone()),
        Some(_) => Err(Unknown::Fails),
    }
}

fn push(mut items: Vec<Bson>, argument: &Bson) -> Vec<Bson> {
    let Bson::Document(options) = argument else {
        items.push(argument.clone());
        return items;
    };
    let Ok(each) = options.get_array("$each") else {
        items.push(argument.clone());
        return items;
    };
    let number = |name: &str| options.get_i32(name).ok();
    let length = i32::try_from(items.len()).unwrap();
    let position = match number("$position") {
        Some(position) if position < 0 => (length + position).max(0),
        Some(position) => position.min(length),
        None => length,
    };
    let position = usize::try_from(position).unwrap();
    items.splice(position..position, each.iter().cloned());
    match number("$slice") {
        Some(slice) if slice < 0 => {
            let excess = items.len().saturating_sub(usize::try_from(-slice).unwrap());
            items.drain(..excess);
        }
        Some(slice) => items.truncate(usize::try_from(slice).unwrap()),
        None => {}
    }
    items
}

/// A sum or a product, in the wider of both types.
fn arithmetic(left: &Bson, right: &Bson, is_sum: bool) -> Result<Bson> {
    let whole = |value: &Bson| match value {
        Bson::Int32(value) => Some(i128::from(*value)),
        Bson::Int64(value) => Some(i128::from(*value)),
        _ => None,
    };
    let double = |value: &Bson| match value {
        Bson::Int32(value) => Ok(f64::from(*value)),
        Bson::Int64(value) => Ok(*value as f64),
        Bson::Double(value) => Ok(*value),
        Bson::Decimal128(_) => Err(Unknown::CannotSay),
        _ => Err(Unknown::Fails),
    };
    if let (Some(a), Some(b)) = (whole(left), whole(right)) {
        let result = if is_sum { a + b } else { a * b };
        return match (left, right, i32::try_from(result)) {
            (Bson::Int32(_), Bson::Int32(_), Ok(narrow)) => Ok(Bson::Int32(narrow)),
            _ => i64::try_from(result).map(Bson::Int64).map_err(|_| Unknown::Fails),
        };
    }
    let (a, b) = (double(left)?, double(right)?);
    Ok(Bson::Double(if is_sum { a + b } else { a * b }))
}
